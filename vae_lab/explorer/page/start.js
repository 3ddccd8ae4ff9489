// --- start ------------------------------------------------------------------------------------------------------------

// The largest difference of a pixel between this page and the model, in steps of 255, on the codes that came with it.
function largestDifference(decoder) {
  const { z, y, pixels } = DATA.checks, codes = singles(z), expected = bytesOf(pixels);
  let worst = 0;
  for (let i = 0; i < codes.length / SIZE; i++) {
    const values = decoder.decode(codes.subarray(i * SIZE, (i + 1) * SIZE), y && y[i]);
    for (let j = 0; j < values.length; j++) {
      const difference = Math.abs(Math.round(255 * values[j]) - expected[i * values.length + j]);
      worst = difference <= worst ? worst : difference; // NaN counts as different
    }
  }
  return worst;
}

function tell(id, text) {
  byId(id).textContent = text;
  byId(id).hidden = false;
}

function start() {
  const footer = [`${COUNT.toLocaleString("en")} test images; codes of ${SIZE} dimension${SIZE > 1 ? "s" : ""}.`];
  if (network) {
    const worst = largestDifference(network);
    if (!(worst <= DATA.checks.tolerance)) {
      tell("alert", `The images in this browser differ from those of the model by up to ${worst}/255; do not rely on them.`);
    }
    footer.push(`The decoder runs in this page (${DATA.parameters.toLocaleString("en")} parameters, ` +
      `${network.accelerated ? "WebAssembly with SIMD" : "plain JavaScript"}); its pixels are those of the model within ${Math.max(1, worst)}/255.`);
  } else {
    tell("reason", `This decoder cannot run in a page: ${DATA.prepared.reason}. The images here were decoded beforehand: ` +
      "reconstructions of test images, samples" + (DATA.prepared.grid ? ", and a grid over the two dimensions of highest KL." : "."));
    byId("line-card").hidden = true;
    byId("centre").hidden = !DATA.prepared.grid;
  }
  footer.push("Made by vae-lab explore; nothing leaves this page, and it needs no network.");
  byId("foot").textContent = footer.join(" ");
  document.querySelector("main").classList.toggle("plain", !DATA.attributes || !network);
  begin();
  followAddress();
  connectMap();
  connectLine();
  connectConditions();
  connectDimensions();
  connectAttributes();
  connectButtons();
  for (const group of document.querySelectorAll(".segments")) if (group.childElementCount) oneStop(group);
  const first = document.querySelector("#conditions button, #conditions input, #sliders input");
  byId("skip").hidden = !first;
  byId("skip").addEventListener("click", () => first.focus());
  map.load();
  changed();
  for (const sheet of Object.values(sheets)) sheet.ready.then(() => { map.redraw(); soon("nearest", drawNearest); show(); });
  addEventListener("hashchange", () => { followAddress(); map.load(); changed(); });
}

start();
