// The power of landmarks and parameters by frequency.
import { $, made, moment } from "./facts.js";
import { clean, line } from "./plots.js";

const UNITS = { "landmarks": "share of the distance between the eyes", "pose": "degrees", "jaw": "degrees", "gaze": "degrees" };
let kind = "landmarks";

const kinds = () => {
  const names = Object.keys(moment.plotted.spectra).filter((name) => !name.startsWith("landmarks"));
  return "landmarks fitted" in moment.plotted.spectra ? ["landmarks", ...names] : names;
};

export function openSpectrum() {
  const names = kinds();
  if (!names.includes(kind)) kind = names[0];
  $("kinds").replaceChildren(...names.map((name) => {
    const button = made("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", name === kind);
    button.onclick = () => { kind = name; openSpectrum(); };
    return button;
  }));
  const short = "There are too few frames for a spectrum.";
  const { read, fitted } = moment.who.jitter.acceleration_mm_s2;
  const shaking = fitted == null ? "" : ` From frame to frame the landmarks accelerate by ${fitted} mm/s² (RMS)`
    + (read == null ? "." : `; as they were read, by ${read} mm/s².`);
  $("jitter-note").textContent = names.length
    ? `What moves below 5 Hz is mostly the person, what is left above 10 Hz mostly tremble.${shaking}` : short;
  $("spectrum").hidden = !names.length;
  drawSpectrum();
  table();
}

const lines = () => (kind === "landmarks"
  ? [["landmarks read", "#78b4ec"], ["landmarks fitted", "#f0a35e"]] : [[kind, "#f0a35e"]])
  .filter(([name]) => name in moment.plotted.spectra);

export function drawSpectrum() {
  if ($("spectrum").hidden || !kinds().length) return;
  const { pen, width, height } = clean($("spectrum").querySelector("canvas"));
  const [left, right, top, bottom] = [46, width - 10, 12, height - 34];
  const all = lines().map(([name, colour]) => ({ name, colour, ...moment.plotted.spectra[name] }));
  const powers = all.flatMap((one) => one.power.slice(1)).filter((p) => p > 0).map(Math.log10);
  const high = Math.ceil(Math.max(...powers)), low = Math.max(Math.floor(Math.min(...powers)), high - 9);
  const last = all[0].hz.at(-1), x = (hz) => left + (right - left) * hz / last;
  const y = (p) => top + (bottom - top) * (high - Math.max(Math.log10(Math.max(p, 1e-30)), low)) / Math.max(high - low, 1);
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (let power = low; power <= high; power++) {
    pen.fillStyle = "#242a30";
    pen.fillRect(left, y(10 ** power), right - left, 1);
    pen.fillStyle = "#7d8790";
    if ((high - power) % 2 === 0) pen.fillText(`1e${power}`, left - 6, y(10 ** power));
  }
  pen.textAlign = "center";
  for (let hz = 0; hz <= last; hz += last > 20 ? 5 : last > 8 ? 2 : 1) {
    pen.fillStyle = hz === 10 ? "#56616c" : "#242a30";
    pen.fillRect(x(hz), top, 1, bottom - top);
    pen.fillStyle = "#7d8790";
    pen.fillText(hz, x(hz), bottom + 11);
  }
  pen.fillText("Hz", right - 6, bottom + 26);
  pen.textAlign = "left";
  pen.fillText(`power, (${UNITS[kind] ?? "weight"})² / Hz`, left, bottom + 26);
  all.forEach((one, k) => {
    line(pen, one.hz.slice(1).map(x), one.power.slice(1).map(y), one.colour, 2);
    if (all.length < 2) return;
    pen.textAlign = "right";
    pen.fillStyle = one.colour;
    pen.fillText(one.name.replace("landmarks ", ""), right - 6, top + 10 + 16 * k);
  });
}

function table() {
  const rows = lines().map(([name]) => [name, moment.who.jitter.bands[name] ?? []]);
  const head = made("tr");
  head.append(made("th", "RMS"), ...(rows[0]?.[1] ?? []).map(({ hz: [low, high] }) =>
    made("th", high === null ? `over ${low} Hz` : `${low} to ${high} Hz`)));
  const percent = kind === "landmarks";
  $("bands").replaceChildren(...(rows.length ? [head] : []), ...rows.map(([name, bands]) => {
    const row = made("tr");
    row.append(made("td", name), ...bands.map(({ rms }) =>
      made("td", percent ? `${(100 * rms).toPrecision(2)} %` : rms.toPrecision(2))));
    return row;
  }));
}
