// Parameters over time with their standard deviations; of a single picture, a row each.
import { $, made, moment, number } from "./facts.js";
import { band, clean, hatch, line, short, ticks } from "./plots.js";
import { go } from "./player.js";

const LEFT = 44, RIGHT = 8;
const SIGNS = "Angles: yaw to the subject's left, pitch down, roll towards the right shoulder. Lids: 0 open, 1 shut. ";

/** From times to x, in a canvas of a width. */
export function scaleOf(width) {
  const { times } = moment.plotted, last = times.length - 1;
  const span = Math.max(times[last] - times[0], 1e-9), room = width - LEFT - RIGHT;
  return {
    left: LEFT, right: width - RIGHT,
    x: (time) => LEFT + room * (time - times[0]) / span,
    frame: (x) => (moment.who.frames - 1) * Math.min(Math.max((x - LEFT) / room, 0), 1),
    xs: times.map((time) => LEFT + room * (time - times[0]) / span),
  };
}

/** Where a frame lies: between its neighbours' middles. */
export function stretch(scale, from, to) {
  const step = (scale.right - scale.left) / Math.max(moment.who.frames - 1, 1);
  return [Math.max(scale.left, scale.left + (from - 0.5) * step), Math.min(scale.right, scale.left + (to + 0.5) * step)];
}

/** Which of so many points of a curve is the one of the moment. */
export const pointAt = (count) => Math.round(moment.frame * (count - 1) / Math.max(moment.who.frames - 1, 1));

export function bridges(pen, scale, height) {
  for (const [from, to] of moment.who.bridged) hatch(pen, ...stretch(scale, from, to), height);
}

export function playhead(pen, scale, height) {
  const x = scale.left + (scale.right - scale.left) * moment.frame / Math.max(moment.who.frames - 1, 1);
  pen.fillStyle = "#ffffffb0";
  pen.fillRect(x - 0.5, 0, 1, height);
}

/** Pointer over a canvas goes to its frame. */
export function seekable(canvas) {
  const seek = (event) => {
    if (event.type === "pointermove" && !event.buttons) return;
    go(scaleOf(canvas.getBoundingClientRect().width).frame(event.offsetX));
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); seek(event); });
  canvas.addEventListener("pointermove", seek);
}

export function openCurves() {
  const choice = $("choice");
  choice.replaceChildren();
  const groups = new Map();
  for (const curve of moment.plotted.curves) {
    if (!groups.has(curve.group)) {
      const row = made("div"), list = made("p");
      row.append(made("span", curve.group), list);
      choice.append(row);
      groups.set(curve.group, list);
    }
    const button = made("button", curve.name);
    button.type = "button";
    button.setAttribute("aria-pressed", curve.shown);
    button.onclick = () => {
      curve.shown = !curve.shown;
      button.setAttribute("aria-pressed", curve.shown);
      openLanes();
    };
    groups.get(curve.group).append(button);
  }
  $("parameters-note").textContent = SIGNS + (moment.who.frames > 1
    ? "Bands are the fit's own standard deviations. Click a name below to show or hide it."
    : "Bars are the fit's own standard deviations: a bar that reaches across 0 says nothing has been seen.");
  openLanes();
}

function openLanes() {
  const lanes = $("lanes"), still = moment.who.frames === 1;
  lanes.replaceChildren();
  let group = "";
  for (const curve of moment.plotted.curves.filter((c) => c.shown)) {
    if (still && curve.group !== group) lanes.append(made("h3", curve.group));
    group = curve.group;
    const lane = made("div", "", still ? "lane forest" : "lane"), label = made("div", "", "label");
    label.append(made("b", curve.name));
    if (!still) label.append(made("span"));
    const canvas = made("canvas");
    lane.append(label, canvas);
    if (still) lane.append(made("output", `${said(curve, 0)}`));
    else seekable(canvas);
    lanes.append(lane);
    lane.draw = still ? () => drawRow(canvas, curve) : () => drawLane(canvas, label.lastChild, curve);
  }
  drawCurves();
}

export const drawCurves = () => { for (const lane of $("lanes").children) lane.draw?.(); };

function said(curve, at) {
  const digits = curve.unit === "" ? 2 : 1, sd = curve.sd?.[at];
  return `${number(curve.values[at], digits)}${sd == null ? "" : ` ± ${number(sd, digits)}`} ${curve.unit}`;
}

function extent(values, sd) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] == null) continue;
    const away = 2 * (sd?.[i] ?? 0);
    low = Math.min(low, values[i] - away);
    high = Math.max(high, values[i] + away);
  }
  return [low, high];
}

function drawLane(canvas, text, curve) {
  const { pen, width, height } = clean(canvas), scale = scaleOf(width), { xs } = scale;
  let [low, high] = extent(curve.values, curve.sd);
  const least = curve.unit === "" ? 0.1 : 2, room = Math.max(high - low, least) * 0.06;
  const middle = (low + high) / 2, half = Math.max(high - low, least) / 2;
  [low, high] = [middle - half - room, middle + half + room];
  const y = (v) => (v == null ? null : height - 4 - (height - 8) * (v - low) / (high - low));
  const { step, values } = ticks(low, high, 4);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const v of values) {
    pen.fillStyle = v === 0 ? "#3a424a" : "#242a30";
    pen.fillRect(LEFT, y(v), width - LEFT - RIGHT, 1);
    pen.fillStyle = "#7d8790";
    pen.fillText(short(v, step), LEFT - 6, Math.min(Math.max(y(v), 6), height - 6));
  }
  bridges(pen, scale, height);
  const ys = curve.values.map(y);
  if (curve.sd) {
    const edge = (k) => curve.values.map((v, i) => (v == null || curve.sd[i] == null ? null : y(v + k * curve.sd[i])));
    band(pen, xs, edge(-2), edge(2), "#f0a35e30");
    band(pen, xs, edge(-1), edge(1), "#f0a35e58");
  }
  line(pen, xs, ys, "#f6bd86");
  if (xs.length <= 60) {
    pen.fillStyle = "#f6bd86";
    for (let i = 0; i < xs.length; i++) if (ys[i] != null) pen.fillRect(xs[i] - 1.5, ys[i] - 1.5, 3, 3);
  }
  playhead(pen, scale, height);
  text.textContent = said(curve, pointAt(xs.length));
}

/** One value with its bars, on the scale of its group. */
function drawRow(canvas, curve) {
  const { pen, width, height } = clean(canvas);
  let low = 0, high = curve.unit === "" ? 1 : 1e-6;
  for (const other of moment.plotted.curves) {
    if (other.group !== curve.group || other.unit !== curve.unit) continue;
    const [a, b] = extent(other.values, other.sd);
    [low, high] = [Math.min(low, a), Math.max(high, b)];
  }
  const x = (v) => 10 + (width - 20) * (v - low) / (high - low), middle = height / 2;
  pen.fillStyle = "#20262b";
  pen.fillRect(10, middle - 0.5, width - 20, 1);
  pen.fillStyle = "#3f4851";
  pen.fillRect(x(0) - 0.5, 0, 1, height);
  const value = curve.values[0], sd = curve.sd?.[0];
  if (value == null) return;
  if (sd != null) {
    for (const [k, thick, colour] of [[2, 8, "#f0a35e38"], [1, 8, "#f0a35e78"]]) {
      pen.fillStyle = colour;
      pen.fillRect(x(value - k * sd), middle - thick / 2, x(value + k * sd) - x(value - k * sd), thick);
    }
  }
  pen.fillStyle = "#ffd9b0";
  pen.beginPath();
  pen.arc(x(value), middle, 4, 0, 7);
  pen.fill();
}
