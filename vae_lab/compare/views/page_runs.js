// --- from a row to its runs, and pictures in their own size -----------------------------------------------------------

const dialog = byId("dialog");

function show(...content) {
  byId("content").replaceChildren(...content);
  dialog.showModal();
  byId("content").scrollTop = 0;
}

function aboutButton(runs, label) { // opens the way to these runs
  const text = `Folder, config, commands and figures of ${label}`;
  const button = make("button", { type: "button", className: "about", title: text }, "⋯");
  button.setAttribute("aria-label", text);
  button.addEventListener("click", () => show(...runs.flatMap((run) => aboutRun(DATA.runs[run]))));
  return button;
}

function explorerLinks(runs) { // to the page of the first of these runs that has one
  const run = runs.map((i) => DATA.runs[i]).find(({ explorer }) => explorer);
  if (!run) return [];
  const link = make("a", { href: run.href + run.explorer, target: "_blank", rel: "noopener", className: "explorer" }, "explore");
  link.title = `Walk in the latent space of ${run.name}`;
  return [" ", link];
}

function aboutRun(run) {
  const list = make("dl");
  const entry = (name, ...values) => values.length && list.append(make("dt", {}, name), make("dd", {}, ...values));
  const link = (href, text) => make("a", { href: run.href + href, target: "_blank", rel: "noopener" }, text);
  const links = (addresses) => addresses.flatMap((address) =>
    [link(address, decodeURIComponent(address).replace("figures/", "")), " "]);
  entry("folder", link("", run.folder));
  entry("files", ...links(run.files));
  entry("figures", ...links(run.figures));
  if (run.explorer) entry("latent space", link(run.explorer, "explorer"));
  entry("typed", ...command(run.typed));
  entry("begun", ...(run.begun ? [run.begun] : []));
  entry("to repeat it", ...command(run.again));
  entry("W&B", ...(run.wandb ? [run.wandb, ...command(run.sync)] : []));
  return [make("h3", {}, run.name), list];
}

function command(text) {
  if (!text) return [];
  const button = make("button", { type: "button" }, "Copy");
  const code = make("code", {}, text);
  button.addEventListener("click", () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    // A page that was opened as a file may not write to the clipboard; then the command stays selected for Ctrl-C.
    navigator.clipboard?.writeText(text).then(() => { button.textContent = "Copied"; }, () => {});
  });
  return [make("span", { className: "command" }, code, " ", button)];
}

function enlarge(image) { // by the largest whole number that fits the window, at least to the picture's own size
  const factor = Math.max(1, Math.floor((window.innerWidth - 80) / image.naturalWidth));
  const large = make("img", { src: image.src, alt: image.alt, width: factor * image.naturalWidth });
  const saved = make("a", { href: image.src, download: `${image.alt.replace(/[^\w.=-]+/g, "_")}.png` }, "Save as PNG");
  show(make("h3", {}, image.alt), make("div", { className: "scroll" }, large), make("p", {}, saved));
}

function connectPictures() {
  const grids = document.querySelector(".grids");
  for (const caption of document.querySelectorAll("figcaption[data-run]")) {
    const run = Number(caption.dataset.run);
    caption.prepend(aboutButton([run], DATA.runs[run].name), " ");
  }
  for (const button of document.querySelectorAll("button.picture")) {
    const image = button.querySelector("img");
    button.addEventListener("click", () => enlarge(image));
    image.decode().then(() => { // cards are at least as wide as the widest picture, if the screen is
      const widest = Math.max(image.naturalWidth + 20, parseFloat(grids.style.getPropertyValue("--strip")) || 0);
      grids.style.setProperty("--strip", `${widest}px`);
    }, () => {});
  }
}

dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
