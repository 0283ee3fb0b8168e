// Lines, bands and grids on canvases.

/** A canvas sharp at the screen's resolution, cleared: its pen, width and height in CSS pixels. */
export function clean(canvas) {
  const box = canvas.getBoundingClientRect(), sharp = devicePixelRatio || 1;
  const width = Math.round(box.width * sharp), height = Math.round(box.height * sharp);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(sharp, 0, 0, sharp, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  pen.font = "11px system-ui, sans-serif";
  return { pen, width: box.width, height: box.height };
}

/** A line through points that are there, with gaps where they are null. */
export function line(pen, xs, ys, colour, wide = 1.5) {
  pen.beginPath();
  let open = false;
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] == null) { open = false; continue; }
    if (open) pen.lineTo(xs[i], ys[i]);
    else pen.moveTo(xs[i], ys[i]);
    open = true;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = wide;
  pen.lineJoin = "round";
  pen.stroke();
}

/** The area between two lines. */
export function band(pen, xs, low, high, colour) {
  pen.beginPath();
  let from = null;
  const close = (to) => {
    for (let i = to; i >= from; i--) pen.lineTo(xs[i], low[i]);
    pen.closePath();
    from = null;
  };
  for (let i = 0; i < xs.length; i++) {
    if (low[i] == null || high[i] == null) {
      if (from !== null) close(i - 1);
      continue;
    }
    if (from === null) { from = i; pen.moveTo(xs[i], high[i]); }
    else pen.lineTo(xs[i], high[i]);
  }
  if (from !== null) close(xs.length - 1);
  pen.fillStyle = colour;
  pen.fill();
}

/** About `count` round numbers from low to high. */
export function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
  return { step, values: found };
}

export const short = (value, step) => value.toFixed(step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3);

/** Slanted lines over a stretch. */
export function hatch(pen, left, right, height) {
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, right - left, height);
  pen.clip();
  pen.fillStyle = "#f0a35e1c";
  pen.fillRect(left, 0, right - left, height);
  pen.beginPath();
  for (let x = left - height; x < right; x += 7) { pen.moveTo(x, height); pen.lineTo(x + height, 0); }
  pen.strokeStyle = "#f0a35e66";
  pen.lineWidth = 1;
  pen.stroke();
  pen.restore();
}
