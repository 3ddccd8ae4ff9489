"use strict";
// Draws the table (sorting, filter, columns, single runs or means over seeds) and the plots from the page's JSON data.

const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), attributes);
  node.append(...children);
  return node;
};

// A setting of a run may be called "constructor", which every other object of JavaScript has, too.
for (const row of [...DATA.single, ...DATA.seeds]) Object.setPrototypeOf(row.cells, null);

// --- table ---------------------------------------------------------------------------------------------------------

const state = { mode: DATA.seeds.length ? "seeds" : "single", sort: null, down: false, chosen: {} };
const shown = new Set(DATA.columns.filter((c) => c.shown).map((c) => c.key));
const drawn = {}; // mode -> [{row, tr, text}]
const columns = () => DATA.columns.filter((c) => shown.has(c.key) && (!c.of || c.of === state.mode));

function cellNode(column, row) {
  const cell = row.cells[column.key];
  const td = make("td", { className: column.number ? "number" : "text" });
  if (!cell) { td.textContent = "–"; return td; }
  if (cell.best) {
    td.append(make("span", { className: "best", title: `best ${column.by} within its protocol` }, `▸ ${cell.t}`));
  } else { td.append(cell.t); }
  if (cell.note) td.append(make("sup", { title: `protocol ${cell.note}` }, cell.note));
  if (!column.number) td.title = cell.title || cell.t;
  return td;
}

function drawTable() {
  const head = make("tr", {}, make("th", { className: "about" }, make("span", { className: "unseen" }, "about the run")));
  for (const column of columns()) {
    const button = make("button", { type: "button", title: column.title || column.label }, column.label);
    if (column.better) button.append(make("span", { className: "unseen" }, `, ${column.better} is better`));
    button.addEventListener("click", () => sortBy(column.key));
    const th = make("th", { scope: "col", className: column.number ? "number" : "" }, button);
    th.dataset.key = column.key;
    head.append(th);
  }
  byId("runs").tHead.replaceChildren(head);
  drawn[state.mode] = DATA[state.mode].map((row) => {
    const about = make("td", { className: "about" }, aboutButton(row.runs, row.cells.run.t), ...explorerLinks(row.runs));
    const tr = make("tr", { className: row.bad ? "bad" : "" }, about, ...columns().map((c) => cellNode(c, row)));
    return { row, tr, text: Object.values(row.cells).map((c) => c.t).join(" ").toLowerCase() };
  });
  const spread = drawn[state.mode].some((item) => item.text.includes("±"));
  byId("spread").textContent = !spread ? "" : state.mode === "seeds"
    ? "± is the standard deviation over seeds (n − 1), or for a single run half of its 95 % interval."
    : "± is half of a run's 95 % interval.";
  placeRows();
  filterRows();
}

function compare(a, b) { // rows without a value stay at the end in both directions
  const [x, y] = [a, b].map((item) => item.row.cells[state.sort]?.v ?? null);
  if (x === null || y === null) return (x === null) - (y === null);
  const both = typeof x === "number" && typeof y === "number";
  const order = both ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
  return state.down ? -order : order;
}

function placeRows() {
  const items = state.sort ? [...drawn[state.mode]].sort(compare) : drawn[state.mode];
  byId("runs").tBodies[0].replaceChildren(...items.map((item) => item.tr));
  for (const th of byId("runs").tHead.querySelectorAll("th[data-key]")) {
    th.setAttribute("aria-sort", th.dataset.key !== state.sort ? "none" : state.down ? "descending" : "ascending");
  }
}

function sortBy(key) {
  const better = DATA.columns.find((c) => c.key === key).better;
  if (state.sort === key) state.down = !state.down;
  else Object.assign(state, { sort: key, down: better === "higher" }); // the best value comes first
  placeRows();
}

function test(word) { // turns one word of the filter into a function that says whether a row passes
  const found = /^([^=<>]+)(>=|<=|=|<|>)(.*)$/.exec(word);
  const column = found && DATA.columns.find((c) => c.label.toLowerCase() === found[1].toLowerCase());
  if (!column) return (item) => item.text.includes(word.toLowerCase());
  const [, , sign, typed] = found;
  if (column.of && column.of !== state.mode) return Object.assign(() => true, { hint: elsewhere(column) });
  const number = typed.trim() === "" ? NaN : Number(typed);
  return (item) => {
    const cell = item.row.cells[column.key];
    if (typed === "") return true;
    if (!cell) return false;
    if (sign === "=") return cell.v === number || cell.t.toLowerCase() === typed.toLowerCase();
    if (typeof cell.v !== "number") return false;
    return { "<": cell.v < number, ">": cell.v > number, "<=": cell.v <= number, ">=": cell.v >= number }[sign];
  };
}

const elsewhere = (column) => `${column.label}: choose ${column.of === "single" ? "single runs" : "over seeds"}`;
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function filterRows() {
  const tests = byId("filter").value.replace(/\s*(>=|<=|=|<|>)\s*/g, "$1").split(/\s+/).filter(Boolean).map(test);
  for (const [key, value] of Object.entries(state.chosen)) {
    if (value !== "" && columns().some((c) => c.key === key)) tests.push((item) => item.row.cells[key]?.t === value);
  }
  const hints = tests.flatMap((passes) => passes.hint || []);
  const runs = new Set();
  let rows = 0;
  for (const item of drawn[state.mode]) {
    item.tr.hidden = !tests.every((passes) => passes(item));
    if (!item.tr.hidden) { rows += 1; item.row.runs.forEach((run) => runs.add(run)); }
  }
  byId("count").textContent = [
    `${rows} of ${count(drawn[state.mode].length, "row")}, ${count(runs.size, "run")}`, ...hints].join("; ");
  const all = runs.size === DATA.single.length;
  kept = all ? null : runs;
  clearTimeout(filterRows.later);
  filterRows.later = setTimeout(() => redraw("curves"), 120);
}
let kept = null; // the runs of the visible rows; null: all runs

function addControls() {
  for (const column of DATA.columns.filter((c) => c.role === "setting")) {
    const values = new Map(DATA.single.filter((r) => r.cells[column.key])
      .map((r) => [r.cells[column.key].t, r.cells[column.key].v]));
    if (values.size < 2 || values.size > 40) continue;
    const sorted = [...values].sort((a, b) => column.number ? a[1] - b[1] : String(a[0]).localeCompare(b[0]));
    const select = make("select", {}, make("option", { value: "" }, "all"),
      ...sorted.map(([text]) => make("option", { value: text }, text)));
    select.dataset.key = column.key;
    select.addEventListener("change", () => { state.chosen[column.key] = select.value; filterRows(); });
    const label = make("label", {}, `${column.label} `, select);
    if (column.of) label.dataset.of = column.of;
    byId("selects").append(label);
  }
  for (const column of DATA.columns) {
    const box = make("input", { type: "checkbox", checked: shown.has(column.key) });
    box.addEventListener("change", () => { shown[box.checked ? "add" : "delete"](column.key); drawTable(); });
    byId("more").append(make("label", { title: column.title || "" }, box, ` ${column.label}`));
  }
  byId("modes").hidden = !DATA.seeds.length;
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.checked = radio.value === state.mode;
    radio.addEventListener("change", () => { state.mode = radio.value; showMode(); });
  }
  byId("filter").addEventListener("input", filterRows);
  byId("reset").addEventListener("click", () => {
    byId("filter").value = "";
    state.chosen = {};
    byId("selects").querySelectorAll("select").forEach((select) => { select.value = ""; });
    filterRows();
  });
}

function showMode() {
  byId("selects").querySelectorAll("label[data-of]").forEach((l) => { l.hidden = l.dataset.of !== state.mode; });
  drawTable();
  redraw("curves");
}

// --- plots ---------------------------------------------------------------------------------------------------------

const sections = {}; // name -> {div, panel()}

function addPlot(section) {
  const name = section.dataset.plot;
  const tree = DATA.plots[name] || {};
  if (!Object.values(tree).some((choices) => Object.keys(choices).length)) {
    section.hidden = !section.querySelector(".undrawn");
    return;
  }
  const first = chooser(name === "curves" ? "" : "score");
  const second = chooser({ curves: "curve", against: "against", heat: "numbers" }[name] || "");
  const third = chooser("protocol");
  const note = make("p", { className: "note" });
  const div = make("div", { className: "plot" });
  const fillThird = () => {
    const panels = tree[first.value()][second.value()];
    third.fill(panels.map((panel) => panel.label));
    note.textContent = panels.length > 1
      ? `These runs use ${panels.length} protocols or datasets whose values are not comparable: `
        + "each has a separate plot."
      : "";
    note.hidden = panels.length < 2;
    redraw(name);
  };
  const fillSecond = () => { second.fill(Object.keys(tree[first.value()])); fillThird(); };
  first.select.addEventListener("change", fillSecond);
  second.select.addEventListener("change", fillThird);
  third.select.addEventListener("change", () => redraw(name));
  section.append(make("div", { className: "controls" }, first.label, second.label, third.label), note, div,
    ...section.querySelectorAll(".undrawn"));
  // The loss curves follow the rows of the table: means over seeds with a band, or single runs.
  const seeds = DATA.plots[`${name} over seeds`] || {};
  const chosen = () => (state.mode === "seeds" && seeds[first.value()]) || tree[first.value()];
  const panels = () => chosen()[second.value()];
  const panel = () => panels()[third.select.selectedIndex];
  sections[name] = { div, near: false, panel, others: () => panels().filter((other) => other !== panel()), extra: [] };
  first.fill(Object.keys(tree));
  fillSecond();
  new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && !sections[name].near) {
      sections[name].near = true;
      redraw(name);
    }
  }, { rootMargin: "500px" }).observe(section);
}

function chooser(text) { // a select that is hidden while it has fewer than two options
  const select = make("select");
  const label = make("label", {}, `${text} `, select);
  return {
    select, label, value: () => select.value,
    fill(values) {
      const before = select.value;
      select.replaceChildren(...values.map((value) => make("option", { value }, value)));
      if (values.includes(before)) select.value = before;
      label.hidden = values.length < 2;
    },
  };
}

const LEGEND_ROW = 20; // pixels

// Where a plot's legend stands below the axes, the plot is higher by its rows, so that the axes keep their height.
function legendRows(panel, traces, width, letter) {
  const named = traces.filter((trace) => trace.name && trace.showlegend !== false).length;
  if (!panel.layout.showlegend || !named) return 0;
  const longest = Math.max(...traces.filter((trace) => trace.name).map((trace) => trace.name.length));
  return Math.ceil(named / Math.max(1, Math.floor(width / (longest * letter + 50)))) + (panel.legend_letters ? panel.layout.legend.title.text.split("<br>").length : 0);
}

function themed(div, panel, traces) {
  const { layout } = panel;
  const named = traces.filter((trace) => trace.name).length;
  const printing = document.documentElement.classList.contains("printing");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line") };
  const titled = (of) => ({ ...of.title, font: { size: printing ? 11 : 14 } });
  const narrow = printing || window.innerWidth < 700;
  const below = narrow || panel.legend_letters > 0;
  const listed = layout.showlegend && (printing || !(narrow && named > 6)); // a narrow screen has no room for more
  const title = panel.legend_letters ? { ...layout.legend.title, side: "top" } : { text: "" };
  const rows = listed && below ? legendRows(panel, traces, (printing ? SHEET.width : div.clientWidth) - 90, printing ? 6 : 7) : 0;
  const size = printing ? sheetSize(layout, rows)
    : { autosize: true, margin: { ...layout.margin, b: 70 + LEGEND_ROW * rows } }; // in the height of its div
  div.style.height = `${size.height || (narrow ? 420 : 520) + LEGEND_ROW * rows}px`;
  return {
    ...layout, ...size, paper_bgcolor: colour("--back"), plot_bgcolor: colour("--back"),
    font: { color: colour("--text"), size: printing ? 11 : 13 },
    title: { ...layout.title, font: { size: narrow ? 14 : 16 },
      subtitle: { ...layout.title.subtitle, text: narrow && !printing ? "" : layout.title.subtitle.text,
        font: { size: printing ? 10 : 12, color: colour("--dim") } } },
    xaxis: { ...layout.xaxis, ...axis, automargin: true, title: titled(layout.xaxis) },
    yaxis: { ...layout.yaxis, ...axis, automargin: true, title: titled(layout.yaxis) },
    showlegend: listed,
    legend: below ? { ...layout.legend, title, orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom",
      maxheight: LEGEND_ROW * rows + 25 } : layout.legend,
    hoverlabel: { align: "left" },
  };
}

function redraw(name) {
  const section = sections[name];
  if (!section || !section.near) return;
  drawPanel(section.div, name, section.panel());
}

function drawPanel(div, name, panel) {
  const kept_here = (trace) => name !== "curves" || !kept || !trace.meta || trace.meta.runs.some((run) => kept.has(run));
  const traces = panel.data.filter(kept_here);
  const layout = themed(div, panel, traces);
  layout.uirevision = panel.label + panel.layout.title.text; // plotly keeps the zoom while this value stays the same
  Plotly.react(div, traces, layout, { responsive: true, displaylogo: false });
}
