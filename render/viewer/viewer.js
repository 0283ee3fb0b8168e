// Puts the page together: faces, stage, clock, timeline, panel, keys.
import { addressOf, bytesOf, facts } from "./blobs.js";
import { Clock } from "./clock.js";
import { Face } from "./face.js";
import { make, Panel } from "./panel.js";
import { Stage } from "./stage.js";
import { COLOURS, Timeline } from "./timeline.js";

const SLOW_MS = 50; // a picture: below 20 a second sharpness is given up while it plays
const FIRST_CURVES = ["jawOpen", "mouthClose", "mouthPucker", "eyeBlinkLeft"];
const $ = (id) => document.getElementById(id);

async function start() {
  const { clips } = facts;
  const faces = await Promise.all(clips.map((clip, i) => Face.read(clip, i)));
  const sounds = await Promise.all(
    clips.map(async (clip, i) => (clip.sound ? addressOf(await bytesOf(`sound${i}`), "audio/flac") : null)),
  );
  const viewer = new Viewer(clips, faces, sounds);
  viewer.update();
  document.body.classList.add("ready");
  return viewer;
}

class Viewer {
  constructor(clips, faces, sounds) {
    Object.assign(this, { clips, faces, own: new Map(), felt: new Map(), plotted: [] });
    const first = Math.min(...clips.map((clip) => clip.start));
    const end = Math.max(...clips.map((clip) => clip.end));
    this.clock = new Clock(first, end, sounds);
    this.stage = new Stage($("canvas"), faces);
    this.timeline = new Timeline($("curves"), clips, first, end, (t) => this.seek(t));
    const emotions = clips[0].arkit ? Object.keys(facts.emotions) : [];
    const reach = (name) => faces[0].reach(name);
    this.panel = new Panel($("sliders"), faces[0].names, emotions, reach, {
      weight: (name, value) => this.set(name, value),
      emotion: (name, value) => this.feel(name, value),
      plot: (name) => this.togglePlot(name),
      opened: () => this.update(),
    });
    for (const name of FIRST_CURVES) if (faces[0].index.has(name)) this.togglePlot(name);
    this.wireOn = false;
    this.names();
    document.body.classList.toggle("still", end - first < 1e-6);
    this.buttons();
    this.keys();
    let before = performance.now();
    let usual = 0;
    const loop = (now) => {
      usual = this.clock.playing ? 0.8 * usual + 0.2 * (now - before) : 0;
      before = now;
      this.stage.sharp(this.clock.playing ? this.stage.isSharp && usual < SLOW_MS : true);
      this.clock.tick();
      if (this.clock.playing || this.wasPlaying) this.update();
      this.wasPlaying = this.clock.playing;
      this.stage.draw();
      requestAnimationFrame(loop);
    };
    requestAnimationFrame(loop);
  }

  /** A weight of one's own for `name`, or undefined where the performance has its way. */
  edited(name, sampled) {
    if (this.own.has(name)) return this.own.get(name);
    const whole = name.replace(/(Left|Right)$/, ""); // a character may have browInnerUp in two halves
    let left = 1 - sampled;
    let felt = false;
    for (const [emotion, amount] of this.felt) {
      const weight = facts.emotions[emotion][name] ?? facts.emotions[emotion][whole];
      if (!weight || !amount) continue;
      left *= 1 - amount * weight;
      felt = true;
    }
    return felt ? 1 - left : undefined;
  }

  update() {
    const { time } = this.clock;
    const edits = this.own.size || this.felt.size ? (name, sampled) => this.edited(name, sampled) : null;
    for (const face of this.faces) face.pose(time, edits);
    this.stage.dirty = true;
    this.timeline.move(time);
    const [face] = this.faces;
    for (const name of face.names) this.panel.set(name, face.valueOf(name, face.weights), this.own.has(name));
    for (const name of Object.keys(facts.emotions)) this.panel.set(name, this.felt.get(name) ?? 0, this.felt.has(name));
    $("time").textContent = `${time.toFixed(2)} / ${this.clock.end.toFixed(2)} s`;
    $("frame").textContent = `frame ${this.frame() + 1} of ${this.clips[0].times.length}`;
    $("play").classList.toggle("playing", this.clock.playing);
    $("play").setAttribute("aria-label", this.clock.playing ? "pause" : "play");
    $("reset").disabled = !(this.own.size || this.felt.size);
  }

  /** The frame of the first clip that is shown: the last one not after the time. */
  frame() {
    const { times } = this.clips[0];
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= this.clock.time + 1e-4) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  }

  step(by) {
    if (this.clock.playing) this.clock.pause();
    const { times } = this.clips[0];
    this.seek(times[Math.min(Math.max(this.frame() + by, 0), times.length - 1)]);
  }

  seek(time) {
    this.clock.seek(time);
    this.update();
  }

  async toggle() {
    if (this.clock.playing) this.clock.pause();
    else await this.clock.play().catch(() => this.clock.pause()); // a browser may refuse sound before a click
    this.update();
  }

  /** Hold `name` at `value`, or give it back to the performance with null. */
  set(name, value) {
    const [low, high] = this.faces[0].reach(name);
    if (value === null) this.own.delete(name);
    else this.own.set(name, Math.min(Math.max(value, low), high));
    this.update();
  }

  /** Add an emotion's pose, times `value`. */
  feel(name, value) {
    if (value > 0) this.felt.set(name, Math.min(value, 1));
    else this.felt.delete(name);
    this.update();
  }

  reset() {
    this.own.clear();
    this.felt.clear();
    this.update();
  }

  togglePlot(name) {
    if (this.plotted.includes(name)) this.plotted = this.plotted.filter((other) => other !== name);
    else this.plotted = [...this.plotted, name].slice(-COLOURS.length);
    const colours = new Map(this.plotted.map((plotted, i) => [plotted, COLOURS[i]]));
    this.panel.mark(colours);
    $("legend").replaceChildren(
      ...[...colours].map(([plotted, colour]) => {
        const chip = make("button", { type: "button", textContent: plotted, title: "Take this curve away" });
        chip.style.setProperty("--colour", colour);
        chip.addEventListener("click", () => this.togglePlot(plotted));
        return chip;
      }),
    );
    this.timeline.plot([...colours].map(([plotted, colour]) => ({ colour, curves: this.curvesOf(plotted) })));
  }

  /** A channel over time in each clip, as shares of its reach: a target, or an emotion that the track has. */
  curvesOf(name) {
    return this.faces.map((face) => {
      const { times, curves } = face.clip;
      if (face.index.has(name)) {
        const [low, high] = face.reach(name);
        const { times, values } = face.recorded(name);
        return { times, values: values.map((value) => (value - low) / (high - low || 1)) };
      }
      const column = curves.emotion?.[name];
      return { times, values: column ? column.map((value) => value ?? NaN) : times.map(() => NaN) };
    });
  }

  wireframe(on = !this.wireOn) {
    this.wireOn = on;
    this.stage.wireframe(on);
    $("wire").setAttribute("aria-pressed", on);
  }

  look(view) {
    this.stage.look(view);
  }

  async screenshot() {
    const picture = await this.stage.picture();
    const link = make("a", { href: URL.createObjectURL(picture), download: `${facts.title} ${this.clock.time.toFixed(2)}s.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    return picture;
  }

  mute(on = !this.clock.muted) {
    this.clock.muted = on;
    $("mute").setAttribute("aria-pressed", on);
  }

  loop(on = !this.clock.loop) {
    this.clock.loop = on;
    $("loop").setAttribute("aria-pressed", on);
  }

  names() {
    if (this.clips.length < 2) return;
    document.body.classList.add("two");
    this.clips.forEach((clip, i) => {
      const tag = make("button", { type: "button", textContent: clip.name, title: "Hear this one" });
      tag.disabled = !clip.sound;
      tag.addEventListener("click", () => this.hear(i));
      $("names").append(tag);
    });
    this.hear(Math.max(this.clips.findIndex((clip) => clip.sound), 0));
  }

  hear(i) {
    this.clock.listen(i);
    [...$("names").children].forEach((tag, n) => tag.setAttribute("aria-pressed", n === i && this.clips[i].sound));
  }

  buttons() {
    const on = (id, act) => $(id).addEventListener("click", act);
    on("play", () => this.toggle());
    on("back", () => this.step(-1));
    on("ahead", () => this.step(1));
    on("loop", () => this.loop());
    on("mute", () => this.mute());
    on("wire", () => this.wireframe());
    on("shot", () => this.screenshot());
    on("reset", () => this.reset());
    on("about", () => $("help").showModal());
    on("close", () => $("help").close());
    for (const view of ["front", "quarter", "profile"]) on(view, () => this.look(view));
    $("rate").addEventListener("change", () => this.clock.setRate(Number($("rate").value)));
    if (!this.clips.some((clip) => clip.sound)) $("mute").hidden = true;
    $("canvas").addEventListener("pointerdown", () => (this.stage.view = null)); // a view of one's own stays
    $("credits").replaceChildren(...facts.credits.map((line) => make("li", { textContent: line })));
  }

  keys() {
    const acts = {
      " ": () => this.toggle(),
      ArrowLeft: (event) => this.step(event.shiftKey ? -10 : -1),
      ArrowRight: (event) => this.step(event.shiftKey ? 10 : 1),
      Home: () => this.seek(this.clock.start),
      End: () => this.seek(this.clock.end),
      1: () => this.look("front"),
      2: () => this.look("quarter"),
      3: () => this.look("profile"),
      0: () => this.look("portrait"),
      w: () => this.wireframe(),
      s: () => this.screenshot(),
      l: () => this.loop(),
      m: () => this.mute(),
      r: () => this.reset(),
      "?": () => $("help").showModal(),
    };
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const range = event.target.type === "range" && /^(Arrow|Home|End)/.test(key); // the slider's own keys
      if (!(key in acts) || range || event.target.tagName === "SELECT") return;
      event.preventDefault();
      if (event.target.tagName === "BUTTON") event.target.blur(); // or Space would press it too
      acts[key](event);
    });
  }
}

// For scripts and tests: await emberface.ready, then its methods.
window.emberface = {
  ready: start().catch((error) => {
    $("failure").textContent = `This page cannot be shown here: ${error.message}`;
    $("failure").hidden = false;
    throw error;
  }),
};
