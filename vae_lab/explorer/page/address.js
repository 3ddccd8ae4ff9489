// --- how all that one has chosen stands in the address ----------------------------------------------------------------

const rounded = (values) => values.map((value) => Number(value.toFixed(3))).join(",");

// The address holds what differs from the beginning; a code of a test image is its number with an i.
function address() {
  const code = (z, point) => point === null ? rounded(z) : `i${point}`;
  const parts = { z: code(state.z, state.point) };
  for (const end of ["a", "b"]) {
    const point = pointAt(state[end]), y = state[`y${end}`];
    parts[end] = code(state[end], point);
    if (y && (point === null || rounded(y) !== rounded(conditionOf(point)))) parts[`y${end}`] = rounded(y);
  }
  if (state.y) parts.y = rounded(state.y);
  if (state.strengths.some(Boolean)) parts.add = rounded(state.strengths);
  if (!state.corrected) parts.vectors = "raw";
  if (state.t) parts.t = Number(state.t.toFixed(3));
  if (state.spherical) parts.line = "spherical";
  if (state.map) parts.map = DATA.maps[state.map].name;
  if (state.images) parts.show = "images";
  return Object.entries(parts).map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
}

function pointAt(z) {
  for (let i = 0; i < COUNT; i++) {
    let d = 0;
    while (d < SIZE && CODES[i * SIZE + d] === z[d]) d++;
    if (d === SIZE) return i;
  }
  return null;
}

function numbersIn(text, count) {
  const found = text.split(",").map((part) => part.trim() ? Number(part) : NaN);
  return found.length === count && found.every(Number.isFinite) ? found : null;
}

function imageIn(text) {
  const found = /^i(\d+)$/.exec(text);
  return found && Number(found[1]) < COUNT ? Number(found[1]) : null;
}

function oneOf(choices, text) {
  const place = choices.indexOf(text);
  return place < 0 ? null : place;
}

// Each takes its part of an address, in this order, and returns false where it does not understand it.
const READERS = {
  z: (text) => {
    const point = imageIn(text), z = numbersIn(text, SIZE);
    if (point !== null) goToPoint(point);
    else if (z) goTo(z);
    return point !== null || Boolean(z);
  },
  y: (text) => { const y = state.y && numbersIn(text, state.y.length); if (y) state.y = y; return Boolean(y); },
  a: (text) => readEnd("a", text),
  b: (text) => readEnd("b", text),
  ya: (text) => { const y = state.ya && numbersIn(text, state.ya.length); if (y) state.ya = y; return Boolean(y); },
  yb: (text) => { const y = state.yb && numbersIn(text, state.yb.length); if (y) state.yb = y; return Boolean(y); },
  add: (text) => { const found = numbersIn(text, state.strengths.length); if (found) state.strengths = found; return Boolean(found); },
  vectors: (text) => { state.corrected = text !== "raw"; return text === "raw" || text === "corrected"; },
  t: (text) => { const t = numbersIn(text, 1)?.[0] ?? -1, fits = t >= 0 && t <= 1; if (fits) state.t = t; return fits; },
  line: (text) => { state.spherical = text === "spherical"; return text === "spherical" || text === "linear"; },
  map: (text) => { const place = oneOf(DATA.maps.map(({ name }) => name), text); state.map = place ?? 0; return place !== null; },
  show: (text) => { state.images = text === "images"; return text === "images" || text === "dots"; },
};

function readEnd(end, text) {
  const point = imageIn(text), z = point === null ? numbersIn(text, SIZE) : codeOf(point);
  if (!z) return false;
  Object.assign(state, { [end]: z, [`y${end}`]: point === null ? state.y : conditionOf(point) });
  return true;
}

function readAddress(text) { // returns the parts that are not understood, which change nothing
  state.strengths = state.strengths.map(() => 0);
  Object.assign(state, { corrected: true, t: 0, spherical: false, map: 0, images: false });
  const parts = text.replace(/^#/, "").split("&").filter(Boolean), given = new Map();
  for (const part of parts) {
    const [key, ...rest] = part.split("=");
    try { given.set(key, { part, text: decodeURIComponent(rest.join("=")) }); } catch { given.set(key, { part, text: "" }); }
  }
  const wrong = parts.filter((part) => !Object.hasOwn(READERS, part.split("=")[0]));
  for (const [key, read] of Object.entries(READERS)) {
    if (given.has(key) && !read(given.get(key).text)) wrong.push(given.get(key).part);
  }
  return wrong;
}

function followAddress() {
  const wrong = readAddress(location.hash), short = wrong.map((part) => part.length > 30 ? `${part.slice(0, 29)}…` : part);
  byId("left-out").hidden = !wrong.length;
  const codes = `${SIZE} number${SIZE > 1 ? "s with commas between them" : ""}, or i0 to i${COUNT - 1} for a test image`;
  if (wrong.length) write(byId("left-out"), `Not understood in the address of this page, and left out: ${short.join(", ")}. A code is ${codes}.`);
}
