// --- the map of test images -------------------------------------------------------------------------------------------

const MARGIN = 14; // pixels around the outermost codes
const dark = matchMedia("(prefers-color-scheme: dark)");

const map = {
  canvas: byId("map"), places: [], names: [], background: null, preview: null,
  chosen: null, // a class that stands out

  load() { // the places of the map that is chosen, in the unit square with the second axis upwards
    const { places, plane, axes, note } = DATA.maps[state.map], values = singles(places);
    const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
    for (let i = 0; i < values.length; i++) {
      low[i % 2] = Math.min(low[i % 2], values[i]);
      high[i % 2] = Math.max(high[i % 2], values[i]);
    }
    const spans = [0, 1].map((c) => high[c] - low[c] || 1), span = plane ? [Math.max(...spans), Math.max(...spans)] : spans;
    this.low = [0, 1].map((c) => (low[c] + high[c] - span[c]) / 2);
    this.span = span;
    this.places = Array.from({ length: COUNT }, (_, i) => [0, 1].map((c) => (values[2 * i + c] - this.low[c]) / span[c]));
    byId("axis-x").textContent = `→ ${axes[0]}`;
    byId("axis-y").textContent = `↑ ${axes[1]}`;
    byId("map-note").textContent = note;
    this.redraw();
  },

  redraw() { // everything that does not move
    const side = Math.max(80, this.canvas.clientWidth), ratio = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(side * ratio), height: Math.round(side * ratio) });
    this.side = side;
    this.ratio = ratio;
    this.background = make("canvas", { width: this.canvas.width, height: this.canvas.height });
    const context = this.background.getContext("2d");
    context.scale(ratio, ratio);
    (state.images ? drawImages : drawDots)(context);
    drawNames(context);
    this.draw();
  },

  at(i) { return this.pixel(this.places[i]); },

  pixel([u, v]) {
    const inner = this.side - 2 * MARGIN;
    return [MARGIN + u * inner, this.side - MARGIN - v * inner];
  },

  unit(x, y) {
    const inner = this.side - 2 * MARGIN;
    return [(x - MARGIN) / inner, (this.side - MARGIN - y) / inner];
  },

  placeOf(z, point) { // of a code: exact in a plane, else that of the nearest code
    if (DATA.maps[state.map].plane) return { pixel: this.pixel(z.map((value, c) => (value - this.low[c]) / this.span[c])), exact: true };
    if (point !== null) return { pixel: this.at(point), exact: true };
    return { pixel: this.at(nearestCodes(CODES, z, DATA.aggregate, 1)[0].place), exact: false };
  },

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.background, 0, 0);
    context.scale(this.ratio, this.ratio);
    const style = getComputedStyle(document.documentElement);
    const [text, card, mark] = ["--text", "--card", "--mark"].map((name) => style.getPropertyValue(name));
    if (DATA.program) for (const [name, z] of [["A", state.a], ["B", state.b]]) drawEnd(context, name, this.placeOf(z, null).pixel, mark, card);
    const shownNow = this.preview || state, { pixel, exact } = this.placeOf(withAttributes(shownNow.z), state.strengths.some(Boolean) ? null : shownNow.point);
    for (const [width, colour] of [[5, card], [2, text]]) {
      context.beginPath();
      context.setLineDash(exact ? [] : [3, 3]);
      context.arc(...pixel, 8, 0, 2 * Math.PI);
      Object.assign(context, { lineWidth: width, strokeStyle: colour });
      context.stroke();
    }
    context.setLineDash([]);
  },

  nearest(x, y) {
    let best = 0, least = Infinity;
    for (let i = 0; i < COUNT; i++) {
      const [px, py] = this.at(i), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return { i: best, distance: Math.sqrt(least) };
  },

  viewAt(x, y) { // what is decoded where the pointer is: the code itself in a plane, else the nearest code
    const { i, distance } = this.nearest(x, y);
    if (DATA.maps[state.map].plane && DATA.program && distance > 5) {
      const [u, v] = this.unit(x, y);
      return { z: [this.low[0] + u * this.span[0], this.low[1] + v * this.span[1]], point: null, y: null };
    }
    return { z: codeOf(i), point: i, y: conditionOf(i) };
  },
};

function neighbourTowards(i, dx, dy) { // the nearest image in a direction, within 45 degrees of it; y downwards
  const [x, y] = map.at(i);
  let best = i, least = Infinity;
  for (let j = 0; j < COUNT; j++) {
    const [px, py] = map.at(j), along = (px - x) * dx + (py - y) * dy, across = Math.abs((px - x) * dy + (py - y) * dx);
    if (along > 0.5 && across <= along && along + across < least) [best, least] = [j, along + across];
  }
  return best;
}

function connectMap() {
  const { canvas } = map, tip = byId("tip");
  const place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    map.preview = map.viewAt(x, y);
    const { point } = map.preview;
    tip.hidden = point === null || !DATA.labels;
    if (!tip.hidden) tip.textContent = DATA.classes[DATA.labels[point]];
    Object.assign(tip.style, { left: `${Math.min(x + 14, map.side - 60)}px`, top: `${Math.max(0, y - 30)}px` });
    show();
  });
  canvas.addEventListener("pointerleave", () => { map.preview = null; tip.hidden = true; show(); });
  canvas.addEventListener("click", (event) => {
    const { z, point, y } = map.viewAt(...place(event));
    map.preview = null;
    goTo(z, { point, y });
    changed();
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      event.preventDefault();
      const from = state.point ?? nearestCodes(CODES, withAttributes(state.z), DATA.aggregate, 1)[0].place;
      goToPoint(neighbourTowards(from, ...step));
      changed();
    } else if (/^[ab]$/i.test(event.key) && !event.ctrlKey && !event.metaKey && DATA.program) {
      setEnd(event.key.toLowerCase());
    }
  });
  for (const [id, images] of [["as-dots", false], ["as-images", true]]) {
    byId(id).addEventListener("click", () => { state.images = images; map.redraw(); changed(); });
  }
  DATA.maps.forEach(({ name }, i) => {
    const button = make("button", { type: "button" }, name === "codes" ? "Codes" : name);
    button.addEventListener("click", () => { state.map = i; map.load(); changed(); });
    byId("maps").append(button);
  });
  if (DATA.labels && DATA.classes.length <= 40) {
    const colours = classColours(DATA.classes.length, dark.matches);
    DATA.classes.forEach((name, label) => {
      const button = make("button", { type: "button", title: "Show this class alone" }, name);
      button.style.setProperty("--colour", colours[label]);
      press(button, false);
      button.addEventListener("click", () => {
        map.chosen = map.chosen === label ? null : label;
        [...byId("legend").children].forEach((other, i) => press(other, i === map.chosen));
        map.redraw();
      });
      byId("legend").append(button);
    });
    oneStop(byId("legend"));
  }
  dark.addEventListener("change", () => {
    classColours(DATA.classes.length, dark.matches).forEach((colour, i) => byId("legend").children[i]?.style.setProperty("--colour", colour));
    map.redraw();
  });
  new ResizeObserver(() => { if (Math.abs(canvas.clientWidth - map.side) > 1) map.redraw(); }).observe(canvas);
}
