// --- start -----------------------------------------------------------------------------------------------------------

addControls();
showMode();
document.querySelectorAll("section[data-plot]").forEach(addPlot);
connectPictures();
for (const change of ["(prefers-color-scheme: dark)", "(max-width: 700px)"]) {
  matchMedia(change).addEventListener("change", () => Object.keys(sections).forEach(redraw));
}
