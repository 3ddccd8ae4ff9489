// --- printing: every plot is drawn, light and as wide as a sheet, and the table is shrunk to it -----------------------

const SHEET = { width: 720, height: 430, legend: 20 }; // pixels of CSS, of which A4 and Letter have about 720 in width

function sheetSize(traces) {
  const named = traces.filter((trace) => trace.name && trace.showlegend !== false).length;
  const height = SHEET.height + (named > 1 ? SHEET.legend * Math.ceil(named / 2) : 0);
  return { width: SHEET.width, height, margin: { l: 70, r: 20, t: 70, b: 50 } };
}

function prepareSheets() {
  document.documentElement.classList.add("printing");
  for (const [name, section] of Object.entries(sections)) {
    section.near = true;
    redraw(name);
    const { width, height } = section.div._fullLayout;
    section.div.style.setProperty("--ratio", `${width} / ${height}`);
    for (const svg of section.div.querySelectorAll(".main-svg")) svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }
  const table = byId("runs");
  table.style.minWidth = 0;
  table.style.zoom = Math.min(1, SHEET.width / table.offsetWidth);
}

function leaveSheets() {
  document.documentElement.classList.remove("printing");
  Object.assign(byId("runs").style, { zoom: "", minWidth: "" });
  for (const [name, section] of Object.entries(sections)) {
    for (const svg of section.div.querySelectorAll(".main-svg")) svg.removeAttribute("viewBox");
    redraw(name);
  }
}

window.addEventListener("beforeprint", prepareSheets);
window.addEventListener("afterprint", leaveSheets);
