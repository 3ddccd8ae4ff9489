// --- what is drawn on the map: dots or images, names of classes, the ends of the line ----------------------------------

function drawDots(context) {
  const colours = classColours(DATA.classes.length, dark.matches), radius = COUNT > 1500 ? 2.2 : 3.2;
  const plain = dark.matches ? "#8ec5ff" : "#0072b2";
  for (let i = 0; i < COUNT; i++) {
    const label = DATA.labels?.[i];
    context.globalAlpha = map.chosen === null || map.chosen === label ? 0.85 : 0.1;
    context.fillStyle = label === undefined ? plain : colours[label];
    context.beginPath();
    context.arc(...map.at(i), radius, 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
}

function drawImages(context) { // as many as have room without hiding each other
  const size = Math.max(22, Math.min(40, map.side / 20)), taken = new Set(), colours = classColours(DATA.classes.length, dark.matches);
  for (let i = 0; i < COUNT; i++) {
    const [x, y] = map.at(i), cell = `${Math.floor(x / size)} ${Math.floor(y / size)}`;
    if (taken.has(cell)) continue;
    taken.add(cell);
    const [cx, cy] = [(Math.floor(x / size) + 0.5) * size, (Math.floor(y / size) + 0.5) * size];
    const scale = (size - 2) / Math.max(sheets.images.width, sheets.images.height);
    const [w, h] = [sheets.images.width * scale, sheets.images.height * scale];
    context.globalAlpha = map.chosen === null || map.chosen === DATA.labels?.[i] ? 1 : 0.15;
    sheets.images.draw(context, i, cx - w / 2, cy - h / 2, w, h);
    if (DATA.labels) { // a line in the colour of the class
      context.fillStyle = colours[DATA.labels[i]];
      context.fillRect(cx - w / 2, cy + h / 2 - 2, w, 2);
    }
  }
  context.globalAlpha = 1;
}

const NEAR = 15, CLEAR = 1 / 3; // neighbours that are asked, and by how much their share must exceed that of chance

// Each class whose dots are most of those around its middle: its name, the middle, and how far it is from chance (0) to
// a class of its own (1). Where classes are mixed, names would say nothing, and the colours have to do.
function namesInMap() {
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const away = (i, [u, v]) => Math.hypot(map.places[i][0] - u, map.places[i][1] - v), every = map.places.map((_, i) => i);
  return DATA.classes.flatMap((name, label) => {
    const members = every.filter((i) => DATA.labels[i] === label);
    if (!members.length || (map.chosen !== null && map.chosen !== label)) return [];
    const centre = [0, 1].map((c) => median(members.map((i) => map.places[i][c])));
    const middle = map.places[members.reduce((best, i) => away(i, centre) < away(best, centre) ? i : best)];
    const around = [...every].sort((i, j) => away(i, middle) - away(j, middle)).slice(0, Math.min(NEAR, members.length));
    const share = around.filter((i) => DATA.labels[i] === label).length / around.length, chance = members.length / COUNT;
    const clear = chance < 1 ? (share - chance) / (1 - chance) : 1;
    return clear >= CLEAR || map.chosen === label ? [{ name, middle, clear }] : [];
  }).sort((a, b) => b.clear - a.clear);
}

function drawNames(context) { // of at most twenty classes; one that has no room beside clearer ones is left out
  map.names = [];
  if (!DATA.labels || DATA.classes.length > 20 || state.images) return;
  const style = getComputedStyle(document.documentElement), high = 16, taken = [];
  Object.assign(context, { font: "600 13px system-ui, sans-serif", textAlign: "center", textBaseline: "middle", lineJoin: "round" });
  Object.assign(context, { lineWidth: 4, strokeStyle: style.getPropertyValue("--plot"), fillStyle: style.getPropertyValue("--text") });
  for (const { name, middle } of namesInMap()) {
    const wide = context.measureText(name).width + 6, inside = (value, half) => Math.min(map.side - half, Math.max(half, value));
    const free = ([x, y]) => taken.every((other) => Math.abs(other.x - x) >= (wide + other.wide) / 2 || Math.abs(other.y - y) >= high);
    const [x, y] = map.pixel(middle);
    const found = [0, high, -high].map((shift) => [inside(x, wide / 2), inside(y + shift, high / 2)]).find(free);
    if (!found) continue;
    taken.push({ x: found[0], y: found[1], wide });
    map.names.push([name, ...found]);
    context.strokeText(name, ...found);
    context.fillText(name, ...found);
  }
}

function drawEnd(context, name, [x, y], colour, inside) {
  context.beginPath();
  context.arc(x, y, 9, 0, 2 * Math.PI);
  Object.assign(context, { fillStyle: colour, strokeStyle: inside, lineWidth: 2 });
  context.fill();
  context.stroke();
  Object.assign(context, { fillStyle: inside, font: "700 11px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
  context.fillText(name, x, y + 0.5);
}
