// What the page carries, and the one moment that all of it shows.

export const facts = JSON.parse(document.getElementById("facts").textContent);
export const $ = (id) => document.getElementById(id);

/** An element with text and, perhaps, a class. */
export function made(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

/** A blob URL of the bytes of element `id`, which is emptied. */
export function addressOf(id) {
  const element = $(id);
  const text = atob(element.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  element.textContent = "";
  return URL.createObjectURL(new Blob([bytes], { type: element.dataset.type }));
}

export async function pictureOf(id) {
  const picture = new Image();
  picture.src = addressOf(id);
  await picture.decode();
  return picture;
}

/** Who is shown and at which of their frames; what follows it is called when it changes. */
export const moment = {
  person: 0,
  frame: 0,
  followers: [],
  get who() { return facts.people[this.person]; },
  get plotted() { return this.who.plotted; },
  /** Seconds, or the number of the picture, of the frame. */
  get time() {
    const [first, last] = this.who.seconds;
    if (this.who.fps) return first + this.frame * this.who.fps[1] / this.who.fps[0];
    return this.who.frames > 1 ? first + (last - first) * this.frame / (this.who.frames - 1) : first;
  },
  changed() { for (const follow of this.followers) follow(); },
};

export const percent = (value, digits = 1) => (value == null ? "–" : `${(100 * value).toFixed(digits)} %`);
export const number = (value, digits = 2) => (value == null ? "–" : value.toFixed(digits));

/** The colour of an error, as CSS. */
export function heatColour(value, limit) {
  if (value == null) return "#5c626a";
  const stops = facts.heat, place = Math.min(Math.max(value / limit, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2), share = place - low;
  return `rgb(${stops[low].map((c, k) => Math.round(c + share * (stops[low + 1][k] - c))).join(",")})`;
}
