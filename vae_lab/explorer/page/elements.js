// --- elements of the page ---------------------------------------------------------------------------------------------

const DATA = JSON.parse(document.getElementById("data").textContent);

function byId(id) {
  return document.getElementById(id);
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function press(button, pressed) {
  if (button.getAttribute("aria-pressed") !== String(pressed)) button.setAttribute("aria-pressed", String(pressed));
}

function write(element, text) { // without work for the browser where nothing changes
  if (element.textContent !== text) element.textContent = text;
}

function shown(number, digits = 2) { // with the minus sign, as in figures
  return number.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "\u2212");
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// A labelled range input: { element, input, set(value) }. Steps are fine enough to look continuous, and 0 is one of them
// where the range contains it at a whole number of steps, but for rounding.
function slider({ name, note, low, high, value, title, changed, zero = false }) {
  const output = make("output"), input = make("input", { type: "range", min: low, max: high, step: "any", title });
  const label = make("span", { className: "name" }, name), step = (high - low) / 200;
  if (note) label.append(make("small", {}, note));
  input.setAttribute("aria-label", `${name}${note ? `, ${note}` : ""}`);
  let last = NaN;
  const set = (number) => {
    if (number === last) return;
    last = number;
    input.value = number;
    output.textContent = shown(number);
  };
  input.step = step;
  input.addEventListener("input", () => {
    last = Math.abs(input.value) < step / 1000 ? 0 : Number(input.value);
    output.textContent = shown(last);
    changed(last);
  });
  const element = make("div", { className: "slider" }, label, output, input);
  if (zero) {
    const mark = make("span", { className: "scale" });
    mark.style.setProperty("--zero", `calc(.5rem + (100% - 1rem) * ${(0 - low) / (high - low)})`);
    element.append(mark);
  }
  set(value);
  return { element, input, set };
}

// A group of buttons is one stop of the Tab key: arrows, Home and End move within it, and Tab comes back to where one was.
function oneStop(group) {
  const enter = (current) => { for (const button of group.children) button.tabIndex = button === current ? 0 : -1; };
  group.addEventListener("focusin", (event) => enter(event.target));
  group.addEventListener("keydown", (event) => {
    const seen = [...group.children].filter((button) => button.getClientRects().length), at = seen.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: seen.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    seen[Math.min(seen.length - 1, Math.max(0, to))].focus();
  });
  enter(group.firstElementChild);
}
