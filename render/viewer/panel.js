// Sliders: emotions on top of the performance, and weights in its place.

const GROUPS = [
  ["Brows", /^brow/],
  ["Eyes", /^eye/],
  ["Cheeks and nose", /^(cheek|nose)/],
  ["Jaw", /^jaw/],
  ["Mouth", /^mouth/],
  ["Tongue", /^tongue/],
];
const TECHNICAL = /^pose_|_(over|under|bulge)$/; // what follows from the other targets

/** Names of targets by region, [[title, names]]; the technical ones are left out. */
export function regions(names) {
  const left = names.filter((name) => !TECHNICAL.test(name));
  const taken = GROUPS.map(([title, pattern]) => [title, left.filter((name) => pattern.test(name))]);
  const rest = left.filter((name) => !GROUPS.some(([, pattern]) => pattern.test(name)));
  return [...taken, ["Other", rest]].filter(([, found]) => found.length);
}

/** "mouthSmileLeft" -> "Smile left" within Mouth. */
function label(name, title) {
  const words = name.replace(/([a-z])([A-Z0-9])/g, "$1 $2").replaceAll("_", " ").split(" ");
  const first = words[0].toLowerCase();
  if (words.length > 1 && title.toLowerCase().includes(first) && title !== "Other" && title !== "Cheeks and nose") words.shift();
  const text = words.join(" ").toLowerCase();
  return text[0].toUpperCase() + text.slice(1);
}

export class Panel {
  /** reach(name): [lowest, highest]; on: {weight(name, value or null), emotion(name, value), plot(name), opened()} */
  constructor(element, names, emotions, reach, on) {
    this.element = element;
    this.on = on;
    this.rows = new Map();
    if (emotions.length) {
      const list = this.group("Emotions", "added on top of the performance");
      for (const name of emotions) this.row(list, name, label(name, ""), "emotion", [0, 1]);
    }
    for (const [title, found] of regions(names)) {
      const list = this.group(title);
      for (const name of found) this.row(list, name, label(name, title), "weight", reach(name));
    }
  }

  group(title, note = "") {
    const details = make("details", { open: true });
    const summary = make("summary", { textContent: title });
    if (note) summary.append(make("small", { textContent: note }));
    details.append(summary);
    details.addEventListener("toggle", () => details.open && this.on.opened()); // what is shut is not kept up to date
    this.element.append(details);
    return details;
  }

  row(list, name, text, kind, [min, max]) {
    const row = make("div", { className: "row" });
    const dot = make("button", { className: "dot", type: "button", title: `Curve of ${name}` });
    dot.setAttribute("aria-label", `curve of ${name}`);
    const slider = make("input", { type: "range", min, max, step: 0.01, value: 0, title: name });
    slider.setAttribute("aria-label", name);
    const value = make("button", { className: "value", type: "button", textContent: "0.00", title: "Back to the performance" });
    dot.addEventListener("click", () => this.on.plot(name));
    slider.addEventListener("input", () => this.on[kind](name, slider.valueAsNumber));
    const release = () => this.on[kind](name, kind === "weight" ? null : 0);
    value.addEventListener("click", release);
    slider.addEventListener("dblclick", release);
    row.append(dot, make("span", { className: "name", textContent: text }), slider, value);
    list.append(row);
    this.rows.set(name, { row, dot, slider, value, shown: "0.00", list });
  }

  /** What a row shows: its value, and whether it is one's own. */
  set(name, value, own) {
    const found = this.rows.get(name);
    if (!found || !found.list.open) return;
    const text = value.toFixed(2);
    if (text !== found.shown) {
      found.shown = text;
      found.value.textContent = text;
      found.slider.value = value;
    }
    found.row.classList.toggle("own", own);
  }

  mark(colours) {
    for (const [name, { dot }] of this.rows) {
      dot.style.background = colours.get(name) ?? "";
      dot.classList.toggle("on", colours.has(name));
    }
  }
}

export function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}
