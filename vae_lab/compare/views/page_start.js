// --- start -----------------------------------------------------------------------------------------------------------

addControls();
showMode();
document.querySelectorAll("section[data-plot]").forEach(addPlot);
connectPictures();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Object.keys(sections).forEach(redraw));
