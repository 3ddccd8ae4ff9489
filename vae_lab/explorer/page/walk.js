// --- the image that is shown ------------------------------------------------------------------------------------------

const sheets = { images: loadSheet(DATA.images) };
if (DATA.prepared) {
  for (const name of ["reconstructions", "samples", "grid"]) if (DATA.prepared[name]) sheets[name] = loadSheet(DATA.prepared[name]);
}
const network = DATA.program && makeNetwork(DATA.program, bytesOf(DATA.kernel));
const COLD = 5; // images until the browser has compiled the decoder
const spent = []; // milliseconds of the latest images but the first ones
let images = 0;

function decoded(z, y) { // a code, attributes included, as ImageData
  const began = performance.now();
  const { channels, height, width } = network;
  const data = imageData(network.decode(z, y), channels, height, width);
  if (++images > COLD) spent.push(performance.now() - began);
  if (spent.length > 30) spent.shift();
  return data;
}

function cut(sheet, i) { // image i of a sheet as ImageData
  const canvas = make("canvas", { width: sheet.width, height: sheet.height }), context = canvas.getContext("2d");
  sheet.draw(context, i, 0, 0, sheet.width, sheet.height);
  return context.getImageData(0, 0, sheet.width, sheet.height);
}

function gridPlace(z) { // the prepared image whose code is nearest
  const { dims, side, spread } = DATA.prepared.grid;
  const steps = dims.map((d) => Math.round(((z[d] - MEAN[d]) / (SD[d] || 1) + spread) / (2 * spread) * (side - 1)));
  const [x, y] = [...steps, 0].map((step) => Math.min(side - 1, Math.max(0, step)));
  return y * side + x;
}

function imageOf({ z, y, point, drawn }) {
  if (network) return decoded(withAttributes(z), y || state.y);
  if (drawn !== null && drawn !== undefined) return cut(sheets.samples, drawn);
  if (point !== null) return cut(sheets.reconstructions, point);
  return cut(sheets.grid, gridPlace(z));
}

const NEAREST = 8;
let frame = 0;
function show() { // at the next frame, however often it is asked for
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    const now = map.preview || state;
    paint(byId("image"), imageOf(now));
    write(byId("what"), described(now));
    map.draw();
    if (network) tellSpeed();
    if (later.size) soon();
  });
}

let told = -Infinity;
function tellSpeed(now = false) { // a few times a second, and when the work is done
  if (spent.length < 5 || (!now && performance.now() - told < 300)) return;
  told = performance.now();
  const typical = [...spent].sort((a, b) => a - b)[spent.length >> 1];
  write(byId("speed"), `${typical.toFixed(1)} ms per image${network.accelerated ? "" : ", without SIMD"}`);
}

// Work that can wait for the next frames: the steps of the line, the nearest images. A newer task replaces an older one.
const later = new Map();
let waiting = 0;
function soon(name, task) {
  if (name) later.set(name, task);
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    const began = performance.now();
    for (const [key, run] of later) {
      later.delete(key);
      run();
      if (performance.now() - began > 10) break;
    }
    if (later.size) soon();
    else if (network) tellSpeed(true);
  });
}

let saving = 0;
function changed() { // after any change of the state but a preview
  syncControls();
  show();
  soon("nearest", drawNearest);
  if (network) drawLine();
  clearTimeout(saving);
  saving = setTimeout(() => {
    try { history.replaceState(null, "", `#${address()}`); } catch { /* a frame that may not change its address */ }
  }, 200);
}

function drawNearest() {
  const found = nearestCodes(CODES, withAttributes(state.z), DATA.aggregate, NEAREST);
  [...byId("nearest").children].forEach((button, rank) => {
    if (!found[rank]) { button.hidden = true; return; }
    const { place, distance } = found[rank], name = DATA.labels ? `${DATA.classes[DATA.labels[place]]}, ` : "";
    button.dataset.image = place;
    button.title = `${name}test image ${place + 1}, distance ${shown(distance)} sd`;
    button.setAttribute("aria-label", button.title);
    const { width, height } = sheets.images, canvas = button.firstChild;
    Object.assign(canvas, { width, height }); // which also clears it
    sheets.images.draw(canvas.getContext("2d"), place, 0, 0, width, height);
  });
}
