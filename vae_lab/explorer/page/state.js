// --- where one is: the code, y, the attributes that are added, A and B, and how all of it stands in the address ---------

const CODES = halves(DATA.codes.values), SIZE = DATA.codes.size, COUNT = DATA.codes.count;
const DRAWS = halves(DATA.draws), MEAN = DATA.aggregate.mean, SD = DATA.aggregate.sd;
const CONDITIONS = DATA.y && halves(DATA.y.values);

const codeOf = (i) => Array.from(CODES.subarray(i * SIZE, (i + 1) * SIZE));
const conditionOf = (i) => CONDITIONS && Array.from(CONDITIONS.subarray(i * DATA.y.names.length, (i + 1) * DATA.y.names.length));

const state = {
  z: [...MEAN], // without attributes
  y: null,
  point: null, // the test image whose code z is
  drawn: null, // the prepared sample that is shown
  strengths: DATA.attributes ? DATA.attributes.names.map(() => 0) : [],
  corrected: true,
  a: [...MEAN], b: [...MEAN], t: 0, spherical: false,
  map: 0, images: false,
};

function vectorOf(attribute) {
  return (state.corrected && DATA.attributes.corrected[attribute]) || DATA.attributes.raw[attribute];
}

function withAttributes(z) {
  const sum = [...z];
  state.strengths.forEach((strength, attribute) => {
    if (strength) vectorOf(attribute).forEach((value, d) => { sum[d] += strength * value; });
  });
  return sum;
}

function onLine(t) {
  return (state.spherical ? slerp : lerp)(state.a, state.b, t);
}

function goTo(z, { point = null, drawn = null, y = null } = {}) {
  Object.assign(state, { z: Array.from(z), point, drawn });
  if (y) state.y = y;
  state.origin = { z: state.z, point, drawn, y };
}

function move(d, value) { // along one dimension, away from where one was
  const z = [...state.z];
  z[d] = value;
  Object.assign(state, { z, point: null, drawn: null });
}

function goToPoint(i) {
  goTo(codeOf(i), { point: i, y: conditionOf(i) });
}

function begin() { // a test image, and another of another class for the end of the line
  const { labels } = DATA, other = labels ? labels.findIndex((label) => label !== labels[0]) : -1;
  goToPoint(0);
  state.a = codeOf(0);
  state.b = codeOf(other > 0 ? other : COUNT >> 1);
}

// The address holds what differs from the beginning; a code of a test image is its number with an i.
function address() {
  const code = (z, point) => point === null ? z.map((value) => Number(value.toFixed(3))).join(",") : `i${point}`;
  const where = (z) => { const i = pointAt(z); return code(z, i); };
  const parts = { z: code(state.z, state.point), a: where(state.a), b: where(state.b) };
  if (state.y) parts.y = state.y.map((value) => Number(value.toFixed(3))).join(",");
  if (state.strengths.some(Boolean)) parts.add = state.strengths.map((value) => Number(value.toFixed(3))).join(",");
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

function readAddress(text) { // what is not understood is left as it is
  const parts = Object.fromEntries(text.replace(/^#/, "").split("&").filter(Boolean).map((part) => {
    const [key, ...rest] = part.split("=");
    try { return [key, decodeURIComponent(rest.join("="))]; } catch { return [key, ""]; }
  }));
  const numbers = (value, count) => {
    const found = (value ?? "").split(",").map(Number);
    return value && found.length === count && found.every(Number.isFinite) ? found : null;
  };
  const image = (value) => { const found = /^i(\d+)$/.exec(value ?? ""); return found && Number(found[1]) < COUNT ? Number(found[1]) : null; };
  const code = (value) => image(value) === null ? numbers(value, SIZE) : codeOf(image(value));
  if (image(parts.z) !== null) goToPoint(image(parts.z));
  else if (numbers(parts.z, SIZE)) goTo(numbers(parts.z, SIZE));
  state.a = code(parts.a) || state.a;
  state.b = code(parts.b) || state.b;
  if (DATA.y) state.y = numbers(parts.y, DATA.y.names.length) || state.y;
  state.strengths = (state.strengths.length && numbers(parts.add, state.strengths.length)) || state.strengths;
  state.corrected = parts.vectors !== "raw";
  state.t = Math.min(1, Math.max(0, Number(parts.t) || 0));
  state.spherical = parts.line === "spherical";
  state.map = Math.max(0, DATA.maps.findIndex(({ name }) => name === parts.map));
  state.images = parts.show === "images";
}
