// Under the picture: words, phones and curves over time, with a playhead to drag.

export const COLOURS = ["#f0a35e", "#62b6cb", "#a3c76d", "#d98bb6", "#c9b458", "#8f9bef", "#e07a6a", "#6fc9a8"];
const WORDS = 20;
const PHONES = 18;
const QUIET = "#8b949d";
const SHORTEST_S = 0.4; // that the timeline can show

export class Timeline {
  /** clips: facts of the clips; channels: what is drawn, see `plot`; seek(t) is called as the playhead is dragged. */
  constructor(canvas, clips, start, end, seek) {
    Object.assign(this, { canvas, clips, start, end, from: start, to: end, channels: [], time: start });
    this.context = canvas.getContext("2d");
    this.words = clips[0].words;
    this.phones = clips[0].phones;
    this.font = getComputedStyle(document.body).fontFamily;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      seek(this.timeAt(event.offsetX));
    });
    canvas.addEventListener("pointermove", (event) => this.dragging && seek(this.timeAt(event.offsetX)));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.dragging = false));
    canvas.addEventListener("wheel", (event) => this.zoom(event), { passive: false });
    canvas.addEventListener("dblclick", () => this.show(this.start, this.end));
    this.resize();
  }

  get span() {
    return Math.max(this.to - this.from, 1e-6);
  }

  timeAt(x) {
    return this.from + (x / this.width) * this.span;
  }

  xOf(time) {
    return ((time - this.from) / this.span) * this.width;
  }

  zoom(event) {
    event.preventDefault();
    const about = this.timeAt(event.offsetX);
    const whole = this.end - this.start;
    const span = Math.min(Math.max(this.span * Math.exp(event.deltaY * 0.002), Math.min(SHORTEST_S, whole)), whole);
    const shift = event.shiftKey ? (event.deltaX / this.width) * span : 0;
    const from = about - (about - this.from) * (span / this.span) + shift;
    this.show(from, from + span);
  }

  show(from, to) {
    const span = Math.min(to - from, this.end - this.start);
    this.from = Math.min(Math.max(from, this.start), this.end - span);
    this.to = this.from + span;
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    const ratio = window.devicePixelRatio;
    Object.assign(this, { width: clientWidth, height: clientHeight });
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  /** Show a time; a timeline that is zoomed in turns its page with it. */
  move(time) {
    this.time = time;
    if (!this.dragging && (time < this.from || time > this.to)) this.show(time - 0.05 * this.span, time + 0.95 * this.span);
    else this.draw();
  }

  /** channels: {name, colour, curves: [{times, values}] one a clip}, values in [0, 1], NaN where unknown. */
  plot(channels) {
    this.channels = channels;
    this.draw();
  }

  draw() {
    const c = this.context;
    c.clearRect(0, 0, this.width, this.height);
    let top = 0;
    if (this.words.length) top = this.strip(this.words, top, WORDS, "#2c3238", "#e6e9ec", 12);
    if (this.phones.length) top = this.strip(this.phones, top, PHONES, "#22272c", "#aab2ba", 10.5);
    this.ruler(top);
    for (const { colour, curves } of this.channels) curves.forEach((curve, i) => this.curve(curve, colour, i, top + 6));
    const x = Math.round(this.xOf(this.time));
    c.fillStyle = "#ffffff";
    c.fillRect(x - 0.75, 0, 1.5, this.height);
  }

  strip(intervals, top, height, fill, ink, size) {
    const c = this.context;
    c.font = `${size}px ${this.font}`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    for (const [name, from, to] of intervals) {
      const a = this.xOf(from);
      const b = this.xOf(to);
      if (b < 0 || a > this.width || /^(sil|sp|spn|)$/i.test(name)) continue;
      const now = this.time >= from && this.time < to;
      c.fillStyle = now ? "#7a4a22" : fill;
      c.beginPath();
      c.roundRect(a + 0.5, top + 1, Math.max(b - a - 1, 1), height - 3, 3);
      c.fill();
      if (c.measureText(name).width > b - a - 3) continue;
      c.fillStyle = now ? "#ffffff" : ink;
      c.fillText(name, (a + b) / 2, top + height / 2);
    }
    return top + height;
  }

  ruler(top) {
    const c = this.context;
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600].find((s) => (s / this.span) * this.width > 56) ?? 1800;
    c.font = `10px ${this.font}`;
    c.textAlign = "left";
    c.textBaseline = "alphabetic";
    for (let t = Math.ceil(this.from / step) * step; t <= this.to; t += step) {
      const x = Math.round(this.xOf(t));
      c.fillStyle = "#ffffff12";
      c.fillRect(x, top, 1, this.height - top);
      c.fillStyle = QUIET;
      c.fillText(step < 1 ? t.toFixed(1) : String(Math.round(t)), x + 3, this.height - 3);
    }
  }

  curve({ times, values }, colour, clip, top) {
    const c = this.context;
    const bottom = this.height - 14;
    c.strokeStyle = colour;
    c.lineWidth = 1.5;
    c.setLineDash(clip === 0 ? [] : [4, 3]);
    c.beginPath();
    const skip = Math.max(1, Math.floor((times.length * this.span) / (this.end - this.start || 1) / (2 * this.width || 1)));
    let drawing = false;
    for (let i = 0; i < times.length; i += skip) {
      if (times[i] < this.from - this.span || times[i] > this.to + this.span || Number.isNaN(values[i])) {
        drawing = false;
        continue;
      }
      const y = bottom - (bottom - top) * Math.min(Math.max(values[i], 0), 1);
      if (drawing) c.lineTo(this.xOf(times[i]), y);
      else c.moveTo(this.xOf(times[i]), y);
      drawing = true;
    }
    c.stroke();
    c.setLineDash([]);
  }
}
