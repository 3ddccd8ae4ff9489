// --- the line from A to B ---------------------------------------------------------------------------------------------

const STEPS = 9, FRAMES = 24; // images beside each other, and in one direction of the animation
let playing = 0;

function setEnd(name) {
  state[name] = withAttributes(state.z);
  state.t = name === "a" ? 0 : 1;
  changed();
}

function moveTo(t) {
  state.t = t;
  goTo(onLine(t));
  changed();
}

function drawLine() { // each image when there is time
  const line = { a: [...state.a], b: [...state.b], y: state.y, spherical: state.spherical, added: state.strengths.join() };
  const key = JSON.stringify(line);
  if (key !== drawLine.key) {
    drawLine.key = key;
    const ends = [["end-a", state.a], ["end-b", state.b]];
    for (const [id, z] of ends) soon(id, () => paint(byId(id), decoded(withAttributes(z), state.y)));
    [...byId("steps").children].forEach((button, i) => soon(`step ${i}`, () => {
      paint(button.firstChild, decoded(withAttributes(onLine(i / (STEPS - 1))), state.y));
    }));
  }
}

function play() {
  if (playing) { cancelAnimationFrame(playing); playing = 0; press(byId("play"), false); byId("play").textContent = "Play"; return; }
  press(byId("play"), true);
  byId("play").textContent = "Stop";
  const began = performance.now() - state.t * 2400;
  const next = (now) => {
    const phase = ((now - began) / 2400) % 2;
    state.t = Math.max(0, phase < 1 ? phase : 2 - phase);
    goTo(onLine(state.t));
    byId("t").value = state.t;
    markStep();
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
    const canvas = enlarged(decoded(withAttributes(onLine(i / (FRAMES - 1))), state.y), 224);
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
  byId("t").addEventListener("input", (event) => moveTo(Number(event.target.value)));
  byId("set-a").addEventListener("click", () => setEnd("a"));
  byId("set-b").addEventListener("click", () => setEnd("b"));
  byId("play").addEventListener("click", play);
  byId("gif").addEventListener("click", saveGif);
  for (const [id, spherical] of [["straight", false], ["round", true]]) {
    byId(id).addEventListener("click", () => { state.spherical = spherical; moveTo(state.t); });
  }
}
