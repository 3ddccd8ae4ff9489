// --- printing: every plot is drawn, light and as wide as a sheet, and a wide table is divided ----------------------------

const SHEET = { width: 720, height: 360 }; // pixels of CSS; A4 and Letter have about 720 by 1000
const NUMBERS = 50; // pixels of a column of row numbers
const SMALLEST = 0.7; // of the size of the table's text; a wider table is divided into several

function sheetSize(layout, rows) {
  const legend = LEGEND_ROW * rows;
  return { width: SHEET.width, height: SHEET.height + legend,
    margin: { l: 70, r: 20, t: layout.margin.t - 30, b: 50 + legend } };
}

function prepareSheets() {
  document.documentElement.classList.add("printing");
  for (const [name, section] of Object.entries(sections)) {
    section.near = true;
    redraw(name);
    section.extra = section.others().map((panel) => { // on paper nobody can choose the other protocols
      const div = make("div", { className: "plot" });
      section.div.parentElement.append(div);
      drawPanel(div, name, panel);
      return div;
    });
    [section.div, ...section.extra].forEach(fitToSheet);
  }
  divideTable();
}

function fitToSheet(div) {
  const { width, height } = div._fullLayout;
  div.style.setProperty("--ratio", `${width} / ${height}`);
  for (const svg of div.querySelectorAll(".main-svg")) svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

function divideTable() { // into parts that are readable on a sheet, whose rows have the same numbers in all of them
  const table = byId("runs");
  table.style.minWidth = 0;
  const widths = [...table.tHead.rows[0].cells].map((cell) => cell.offsetWidth);
  const room = SHEET.width / SMALLEST;
  table.style.zoom = Math.min(1, SHEET.width / table.offsetWidth);
  if (table.offsetWidth <= room) return;
  const total = table.offsetWidth - widths[0]; // the first column has the buttons that lead to a run
  const parts = Array.from({ length: Math.ceil(total / (room - NUMBERS)) }, () => []);
  let place = 0;
  widths.forEach((width, column) => {
    if (column > 0) parts[Math.floor(((place + width / 2) / total) * parts.length)].push(column);
    if (column > 0) place += width;
  });
  const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
  byId("parts").replaceChildren(...parts.filter((columns) => columns.length).map((columns) => part(table.tHead.rows[0], rows, columns)));
  const tables = [...byId("parts").children];
  const zoom = Math.min(1, ...tables.map((one) => SHEET.width / one.offsetWidth));
  for (const one of tables) one.style.zoom = zoom;
  document.documentElement.classList.add("divided");
}

function part(head, rows, columns) {
  const copy = (row, first) => make("tr", { className: row.className }, first,
    ...columns.map((column) => row.cells[column].cloneNode(true)));
  return make("table", {}, make("thead", {}, copy(head, make("th", { className: "number" }, "row"))),
    make("tbody", {}, ...rows.map((row, n) => copy(row, make("td", { className: "number" }, `${n + 1}`)))));
}

function leaveSheets() {
  document.documentElement.classList.remove("printing", "divided");
  byId("parts").replaceChildren();
  Object.assign(byId("runs").style, { zoom: "", minWidth: "" });
  for (const [name, section] of Object.entries(sections)) {
    section.extra.forEach((div) => { Plotly.purge(div); div.remove(); });
    section.extra = [];
    for (const svg of section.div.querySelectorAll(".main-svg")) svg.removeAttribute("viewBox");
    redraw(name);
  }
}

window.addEventListener("beforeprint", prepareSheets);
window.addEventListener("afterprint", leaveSheets);
