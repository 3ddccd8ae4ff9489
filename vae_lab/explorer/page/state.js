// --- where one is: the code, y, the attributes that are added, A and B --------------------------------------

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
  a: [...MEAN], b: [...MEAN], ya: null, yb: null, // the ends of the line, and the y of each
  t: 0, spherical: false,
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

function onLine(t) { // y moves along from that of A to that of B, as in figures of interpolations
  return { z: (state.spherical ? slerp : lerp)(state.a, state.b, t), y: state.ya && lerp(state.ya, state.yb, t) };
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
  for (const [end, i] of [["a", 0], ["b", other > 0 ? other : COUNT >> 1]]) {
    state[end] = codeOf(i);
    state[`y${end}`] = conditionOf(i);
  }
}
