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

const GATHERED = 0.75; // of the codes' median distance from their middle: a class that is spread wider has no name in the map

function middleOf(places) { // the median of each coordinate, and the median distance from it
  const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
  const middle = [0, 1].map((c) => median(places.map((place) => place[c])));
  return { middle, spread: median(places.map(([u, v]) => Math.hypot(u - middle[0], v - middle[1]))) };
}

function namesInMap() { // the most gathered classes first, since a name leaves out those that would lie on it
  const whole = middleOf(map.places).spread;
  return DATA.classes.map((name, label) => {
    const members = map.places.filter((_, i) => DATA.labels[i] === label);
    return members.length ? { name, chosen: map.chosen === label, ...middleOf(members) } : null;
  }).filter((one) => one && (map.chosen === null ? one.spread <= GATHERED * whole : one.chosen)).sort((a, b) => a.spread - b.spread);
}

function drawNames(context) { // of at most twenty classes, where their codes lie together
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
