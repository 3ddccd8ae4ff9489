// --- sliders of dimensions and attributes, buttons of classes ----------------------------------------------------------

const FIRST = 12; // dimensions that are shown at once
const RANGE = 3; // standard deviations from the mean to the end of a slider
const dimensions = [], added = [], conditions = []; // { set } of every slider, { d } of its dimension

function addDimension(d) {
  const { kl, estimated } = DATA.aggregate, sd = SD[d] || 1;
  const note = kl ? `${estimated ? "≈ " : ""}${shown(kl[d])} nats` : `sd ${shown(SD[d])}`;
  const one = slider({
    name: `z[${d}]`, note, low: MEAN[d] - RANGE * sd, high: MEAN[d] + RANGE * sd, value: state.z[d],
    title: `Dimension ${d}: mean ${shown(MEAN[d])}, sd ${shown(SD[d])} over test images`,
    changed: (value) => { move(d, value); changed(); },
  });
  dimensions.push({ d, ...one });
  byId("sliders").append(one.element);
}

function connectDimensions() {
  const { order, active, kl } = DATA.aggregate, grid = DATA.prepared?.grid;
  const useful = network ? order.slice(0, Math.max(1, active)) : grid ? grid.dims : [];
  useful.slice(0, FIRST).forEach(addDimension);
  const rest = useful.slice(FIRST), unused = network ? SIZE - useful.length : 0, more = byId("more");
  const sorted = kl ? "by falling KL" : "by falling standard deviation";
  const about = [`Sorted ${sorted}; each slider spans the mean ± ${RANGE} sd of the codes.`];
  if (unused) about.push(`${unused} of ${SIZE} dimensions ${unused > 1 ? "are" : "is"} inactive and left out.`);
  byId("slider-help").textContent = useful.length ? about.join(" ") : "";
  more.hidden = !rest.length;
  more.textContent = `Show ${rest.length} more`;
  more.addEventListener("click", () => {
    rest.splice(0, 60).forEach(addDimension);
    more.hidden = !rest.length;
    more.textContent = `Show ${rest.length} more`;
  });
  if (!useful.length && !DATA.y) byId("slider-card").hidden = true;
}

function connectConditions() {
  if (!DATA.y || !network) return;
  DATA.y.names.forEach((name, i) => {
    const set = (value) => { const y = DATA.y.one ? state.y.map(() => 0) : [...state.y]; y[i] = value; state.y = y; changed(); };
    if (DATA.y.one) {
      const button = make("button", { type: "button", title: `Decode as ${name}` }, name);
      button.addEventListener("click", () => set(1));
      conditions.push({ show: () => press(button, state.y[i] === 1) });
      byId("conditions").append(button);
    } else {
      const one = slider({ name, low: 0, high: 1, value: state.y[i], title: `Condition: ${name}`, changed: set });
      conditions.push({ show: () => one.set(state.y[i]) });
      byId("conditions").append(one.element);
    }
  });
  if (DATA.y.one) oneStop(byId("conditions"));
  byId("conditions").setAttribute("role", "group");
  byId("conditions").setAttribute("aria-label", DATA.y.one ? "Class that the decoder is given" : "Attributes that the decoder is given");
}

function connectAttributes() {
  const { attributes } = DATA;
  if (!attributes || !network) return;
  byId("attribute-card").hidden = false;
  const corrects = attributes.corrected.some(Boolean);
  byId("kinds").hidden = !corrects;
  byId("attribute-title").textContent = DATA.labels ? "Class vectors" : "Attributes";
  byId("attribute-help").textContent = "How much of each vector is added to the code, from −1 to 1.5 times. The percentage is " +
    "the share of test images that its direction sorts correctly into those with and without." +
    (corrects ? " Corrected vectors leave out what merely goes with the attribute in the data." : "");
  attributes.names.forEach((name, i) => {
    const one = slider({
      name, note: `${Math.round(100 * attributes.accuracy[i])} %`, low: -1, high: 1.5, value: state.strengths[i], zero: true,
      title: attributes.balanced[i].length ? `Corrected for ${attributes.balanced[i].join(", ")}` : "Difference of the mean codes with and without",
      changed: (value) => { state.strengths[i] = value; changed(); },
    });
    added.push(one);
    byId("attributes").append(one.element);
  });
  for (const [id, corrected] of [["corrected", true], ["raw", false]]) {
    byId(id).addEventListener("click", () => { state.corrected = corrected; changed(); });
  }
  byId("none").addEventListener("click", () => { state.strengths.fill(0); changed(); });
}

function connectButtons() {
  byId("random").addEventListener("click", () => {
    if (network) {
      const i = Math.floor(Math.random() * DRAWS.length / SIZE);
      goTo(DRAWS.subarray(i * SIZE, (i + 1) * SIZE), { y: conditionOf(i % COUNT) });
    } else {
      goTo(state.z, { drawn: Math.floor(Math.random() * DATA.prepared.drawn) });
    }
    changed();
  });
  byId("centre").addEventListener("click", () => { goTo(MEAN); changed(); });
  byId("reset").addEventListener("click", () => { goTo(state.origin.z, state.origin); changed(); });
  byId("png").addEventListener("click", () => {
    enlarged(imageOf(state)).toBlob((blob) => download(blob, "latent-image.png"));
  });
  for (let rank = 0; rank < Math.min(NEAREST, COUNT); rank++) {
    const button = make("button", { type: "button" }, make("canvas"));
    button.addEventListener("click", () => { goToPoint(Number(button.dataset.image)); changed(); });
    byId("nearest").append(button);
  }
  oneStop(byId("nearest"));
}

function syncControls() {
  for (const { d, set } of dimensions) set(state.z[d]);
  added.forEach(({ set }, i) => set(state.strengths[i]));
  conditions.forEach(({ show: update }) => update());
  press(byId("corrected"), state.corrected);
  press(byId("raw"), !state.corrected);
  press(byId("straight"), !state.spherical);
  press(byId("round"), state.spherical);
  press(byId("as-dots"), !state.images);
  press(byId("as-images"), state.images);
  [...byId("maps").children].forEach((button, i) => press(button, i === state.map));
  byId("t").value = state.t;
  byId("t").setAttribute("aria-valuetext", `${Math.round(100 * state.t)} % from A to B`);
  markStep();
}
