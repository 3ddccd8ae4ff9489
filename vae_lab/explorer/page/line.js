// --- the line from A to B ---------------------------------------------------------------------------------------------

const STEPS = 9, FRAMES = 24; // images beside each other, and in one direction of the animation
let playing = 0;

function setEnd(name) { // attributes become part of the code, since the line would otherwise add them once more
  const added = state.strengths.some(Boolean), more = added ? " The sliders of attributes begin from there." : "";
  write(byId("line-said"), `${name.toUpperCase()} is now ${codeInWords(state)}.${more}`);
  if (added) {
    Object.assign(state, { z: withAttributes(state.z), point: null });
    state.strengths.fill(0);
  }
  Object.assign(state, { [name]: [...state.z], [`y${name}`]: state.y, t: name === "a" ? 0 : 1 });
  changed();
}

function goToLine(t) {
  const { z, y } = onLine(t);
  state.t = t;
  goTo(z, { point: pointAt(z), y });
}

function moveTo(t) {
  goToLine(t);
  changed();
}

function imageAt(t) {
  const { z, y } = onLine(t);
  return decoded(withAttributes(z), y);
}

function drawLine() { // each image when there is time
  const { a, b, ya, yb, spherical, corrected, strengths } = state, line = { a, b, ya, yb, spherical, corrected, strengths };
  const key = JSON.stringify(line);
  if (key !== drawLine.key) {
    drawLine.key = key;
    for (const [id, t] of [["end-a", 0], ["end-b", 1]]) soon(id, () => paint(byId(id), imageAt(t)));
    [...byId("steps").children].forEach((button, i) => soon(`step ${i}`, () => paint(button.firstChild, imageAt(i / (STEPS - 1)))));
  }
}

function play() {
  if (playing) { cancelAnimationFrame(playing); playing = 0; press(byId("play"), false); byId("play").textContent = "Play"; changed(); return; }
  press(byId("play"), true);
  byId("play").textContent = "Stop";
  const began = performance.now() - state.t * 2400;
  const next = (now) => {
    const phase = ((now - began) / 2400) % 2;
    goToLine(Math.max(0, phase < 1 ? phase : 2 - phase));
    syncControls();
    show();
    playing = requestAnimationFrame(next);
  };
  playing = requestAnimationFrame(next);
}

function markStep() {
  const here = Math.round(state.t * (STEPS - 1));
  [...byId("steps").children].forEach((button, i) => button.classList.toggle("here", i === here));
}

function saveGif() { // there and back; the ends stay longer and are not repeated
  const there = Array.from({ length: FRAMES }, (_, i) => {
    const canvas = enlarged(imageAt(i / (FRAMES - 1)), 224);
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  });
  const frames = [...there, ...there.slice(1, -1).reverse()];
  const delays = frames.map((_, i) => i === 0 || i === FRAMES - 1 ? 50 : 5);
  download(new Blob([encodeGif(frames, delays)], { type: "image/gif" }), "latent-line.gif");
}

function connectLine() {
  for (let i = 0; i < STEPS; i++) {
    const button = make("button", { type: "button" }, make("canvas"));
    button.setAttribute("aria-label", `Step ${i + 1} of ${STEPS}`);
    button.addEventListener("click", () => moveTo(i / (STEPS - 1)));
    byId("steps").append(button);
  }
  oneStop(byId("steps"));
  if (DATA.y) byId("line-help").append(` ${DATA.y.one ? "The class moves" : "The attributes of the decoder move"} along from A to B.`);
  byId("t").addEventListener("input", (event) => moveTo(Number(event.target.value)));
  byId("set-a").addEventListener("click", () => setEnd("a"));
  byId("set-b").addEventListener("click", () => setEnd("b"));
  byId("play").addEventListener("click", play);
  byId("gif").addEventListener("click", saveGif);
  for (const [id, spherical] of [["straight", false], ["round", true]]) {
    byId(id).addEventListener("click", () => { state.spherical = spherical; moveTo(state.t); });
  }
}
