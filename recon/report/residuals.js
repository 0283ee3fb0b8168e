// Where and when landmarks lie apart: over time, by part, on the face.
import { $, facts, heatColour, made, moment, percent, pictureOf } from "./facts.js";
import { bridges, playhead, pointAt, scaleOf, seekable } from "./curves.js";
import { clean, line, short, ticks } from "./plots.js";

const SIDES = ["Front", "Left", "Right"];
const faces = { side: 0, pictures: [], under: -1 };

export async function openResiduals() {
  for (const scale of document.querySelectorAll(".scale")) {
    const bar = made("b");
    bar.style.background = `linear-gradient(90deg, ${facts.heat.map((c) => `rgb(${c})`).join(",")})`;
    scale.replaceChildren(made("span", "0"), bar, made("span", `${percent(moment.plotted.limit, 0)} and more`));
  }
  for (let p = 0; p < facts.people.length; p++) {
    faces.pictures.push(await Promise.all(SIDES.map((_, k) => pictureOf(`map${p}-${k}`))));
  }
  SIDES.forEach((name, k) => {
    const button = made("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", k === 0);
    button.onclick = () => {
      faces.side = k;
      [...$("sides").children].forEach((b, i) => b.setAttribute("aria-pressed", i === k));
      drawFace();
    };
    $("sides").append(button);
  });
  const canvas = $("face").querySelector("canvas");
  canvas.addEventListener("pointermove", (event) => { faces.under = nearest(canvas, event); drawFace(); });
  canvas.addEventListener("pointerleave", () => { faces.under = -1; drawFace(); });
  seekable(document.querySelector("#error-line canvas"));
  seekable(document.querySelector("#error-parts canvas"));
}

/** What changes with the person. */
export function openFace() {
  const { error } = moment.who, list = $("parts");
  list.replaceChildren();
  for (const [name, value] of Object.entries(error.parts)) {
    const row = made("p"), place = made("span"), bar = made("i");
    bar.style.display = "block";
    bar.style.width = `${Math.min(100, 100 * (value ?? 0) / moment.plotted.limit)}%`;
    bar.style.background = heatColour(value, moment.plotted.limit);
    place.append(bar);
    row.append(made("span", name), place, made("output", percent(value)));
    list.append(row);
  }
  const labels = document.querySelector("#error-parts .label");
  labels.replaceChildren(...Object.keys(moment.plotted.parts).map((name) => made("span", name)));
  drawFace();
}

const points = () => moment.plotted.maps.points[faces.side];

function nearest(canvas, event) {
  const scale = moment.plotted.maps.size[0] / canvas.getBoundingClientRect().width;
  const x = event.offsetX * scale, y = event.offsetY * scale;
  let best = -1, least = 22;
  points().forEach(([a, b], i) => {
    if (a === null) return;
    const away = Math.hypot(a - x, b - y);
    if (away < least) [best, least] = [i, away];
  });
  return best;
}

function drawFace() {
  const { pen, width } = clean($("face").querySelector("canvas")), [wide, high] = moment.plotted.maps.size;
  const scale = width / wide, { per_landmark: errors, offset } = moment.who.error, eye = moment.plotted.maps.eye * scale;
  pen.drawImage(faces.pictures[moment.person][faces.side], 0, 0, wide * scale, high * scale);
  points().forEach(([x, y], i) => {
    if (x === null) return;
    const on = i === faces.under;
    if (on && faces.side === 0 && offset[i][0] !== null) {
      pen.strokeStyle = "#101418";
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x * scale, y * scale);
      pen.lineTo(x * scale + offset[i][0] * eye, y * scale + offset[i][1] * eye);
      pen.stroke();
    }
    pen.fillStyle = on ? "#ffffff" : "#10141866";
    pen.beginPath();
    pen.arc(x * scale, y * scale, on ? 4 : 1.3, 0, 7);
    pen.fill();
  });
  const i = faces.under, [right, down] = i < 0 ? [] : offset[i];
  $("face").querySelector("output").textContent = i < 0 ? "" : `landmark ${i}: ${percent(errors[i])}`
    + (right == null ? "" : `, on average ${percent(Math.abs(right))} too far ${right < 0 ? "left" : "right"}, ${percent(Math.abs(down))} too ${down < 0 ? "high" : "low"} in the picture`);
}

export function drawErrors() {
  if (moment.who.frames === 1) return;
  const { error, parts, limit } = moment.plotted;
  const top = document.querySelector("#error-line canvas"), { pen, width, height } = clean(top), scale = scaleOf(width);
  const high = Math.max(...error.map((v) => v ?? 0), 0.02) * 1.1;
  const y = (v) => (v == null ? null : height - 4 - (height - 8) * v / high);
  const { step, values } = ticks(0, 100 * high, 3);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const v of values) {
    pen.fillStyle = "#242a30";
    pen.fillRect(scale.left, y(v / 100), scale.right - scale.left, 1);
    pen.fillStyle = "#7d8790";
    pen.fillText(`${short(v, step)} %`, scale.left - 6, Math.min(Math.max(y(v / 100), 7), height - 7));
  }
  bridges(pen, scale, height);
  line(pen, scale.xs, error.map(y), "#f6bd86");
  playhead(pen, scale, height);
  const label = document.querySelector("#error-line .label");
  label.replaceChildren(made("b", "all landmarks"), made("span", percent(error[pointAt(error.length)])));
  drawParts(parts, limit);
}

function drawParts(parts, limit) {
  const { pen, width, height } = clean(document.querySelector("#error-parts canvas")), scale = scaleOf(width);
  const rows = Object.values(parts), tall = height / rows.length, count = rows[0].length;
  const step = (scale.right - scale.left) / Math.max(count - 1, 1);
  const edge = (i) => Math.min(Math.max(scale.left + (i - 0.5) * step, scale.left), scale.right);
  rows.forEach((row, k) => row.forEach((value, i) => {
    if (value === null) return;
    pen.fillStyle = heatColour(value, limit);
    pen.fillRect(edge(i), k * tall + 1, edge(i + 1) - edge(i) + 0.5, tall - 2);
  }));
  bridges(pen, scale, height);
  playhead(pen, scale, height);
}
