// Pictures or the film: the source and what was laid over it, with a line to wipe between them.
import { $, addressOf, facts, made, moment, pictureOf } from "./facts.js";

const MODES = [["Head", 1], ["Landmarks", 2], ["Side by side", 0]];
const shown = facts.shown, moving = shown.pictures === undefined;
const notes = {
  1: "Drag to wipe: the source on the left of the line, the fitted head over it on the right.",
  2: "Drag to wipe: on the right of the line the landmarks that were read, in the colour of their distance from the fitted ones.",
  0: "The source; the fitted head over it; the landmarks that were read, in the colour of their distance from the fitted ones.",
};

export const player = { mode: 1, line: 0.5, video: null, pictures: [], playing: false };

export async function openPlayer() {
  for (const [name, mode] of MODES) {
    const button = made("button", name);
    button.type = "button";
    button.onclick = () => setMode(mode);
    button.dataset.mode = mode;
    $("modes").append(button);
  }
  if (moving) await openFilm();
  else for (let i = 0; i < shown.pictures; i++) player.pictures.push(await pictureOf(`picture${i}`));
  const canvas = $("picture");
  const wipe = (event) => {
    if (!player.mode || (event.type === "pointermove" && !event.buttons)) return;
    const box = canvas.getBoundingClientRect();
    player.line = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    drawPicture();
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); wipe(event); });
  canvas.addEventListener("pointermove", wipe);
  $("play").onclick = () => play(!player.playing);
  $("back").onclick = () => go(moment.frame - 1);
  $("ahead").onclick = () => go(moment.frame + 1);
  $("rate").onchange = () => { if (player.video) player.video.playbackRate = Number($("rate").value); };
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    if (event.key === " ") play(!player.playing);
    else if (event.key === "ArrowLeft") go(moment.frame - (event.shiftKey ? 10 : 1));
    else if (event.key === "ArrowRight") go(moment.frame + (event.shiftKey ? 10 : 1));
    else return;
    event.preventDefault();
  });
  setMode(1);
}

async function openFilm() {
  const video = player.video = document.createElement("video");
  video.preload = "auto";
  video.playsInline = true;
  video.src = shown.beside === null ? addressOf("film") : encodeURIComponent(shown.beside);
  await new Promise((done, failed) => {
    video.onloadeddata = done;
    video.onerror = () => failed(new Error("the overlay film cannot be played here"));
  });
  video.onseeked = drawPicture;
  video.onended = () => play(false);
}

/** A moment in the film at which a frame of the person is shown: between its own time and the next frame's. */
function seconds(frame) {
  const { times } = shown, at = frame + moment.who.first_frame - shown.start;
  return at + 1 < times.length ? (times[at] + times[at + 1]) / 2 : times[at] + 1e-3;
}

/** Number of the film's frame that is shown at a moment: the last that has begun; their count when all are over. */
function shownAt(second, over) {
  if (over) return shown.times.length;
  let low = 0, high = shown.times.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (shown.times[middle] <= second + 1e-4) low = middle;
    else high = middle;
  }
  return low;
}

/** Show a frame of the person. */
export function go(frame) {
  moment.frame = Math.min(Math.max(Math.round(frame), 0), moment.who.frames - 1);
  if (player.video) player.video.currentTime = seconds(moment.frame);
  drawPicture();
  moment.changed();
}

export function play(on) {
  const { video } = player;
  if (!video) return;
  player.playing = on;
  $("play").classList.toggle("playing", on);
  if (!on) { video.pause(); return; }
  if (moment.frame >= moment.who.frames - 1) go(0);
  video.play();
  requestAnimationFrame(follow);
}

function follow() {
  if (!player.playing) return;
  const at = shownAt(player.video.currentTime, player.video.ended) + shown.start - moment.who.first_frame;
  moment.frame = Math.min(Math.max(at, 0), moment.who.frames - 1);
  drawPicture();
  moment.changed();
  if (at >= moment.who.frames) play(false);
  else requestAnimationFrame(follow);
}

function setMode(mode) {
  player.mode = mode;
  for (const button of $("modes").children) button.setAttribute("aria-pressed", Number(button.dataset.mode) === mode);
  $("overlay-note").textContent = notes[mode];
  drawPicture();
}

/** Draw what the mode asks for. */
export function drawPicture() {
  const whole = player.video ?? player.pictures[moment.frame];
  const width = (whole.videoWidth ?? whole.naturalWidth) / 3, height = whole.videoHeight ?? whole.naturalHeight;
  const canvas = $("picture"), pen = canvas.getContext("2d"), { mode, line } = player;
  const columns = mode ? 1 : 3;
  const room = $("stage").clientWidth, scale = Math.min(room / (width * columns), 560 / height, 2);
  canvas.style.width = `${Math.round(width * columns * scale)}px`;
  if (canvas.width !== width * columns || canvas.height !== height) Object.assign(canvas, { width: width * columns, height });
  canvas.style.cursor = mode ? "ew-resize" : "default";
  if (!mode) pen.drawImage(whole, 0, 0);
  else {
    const cut = Math.round(width * line);
    pen.drawImage(whole, 0, 0, width, height, 0, 0, width, height);
    if (cut < width) pen.drawImage(whole, mode * width + cut, 0, width - cut, height, cut, 0, width - cut, height);
    pen.fillStyle = "#ffffffd0";
    pen.fillRect(cut - 0.75, 0, 1.5, height);
    pen.beginPath();
    pen.arc(cut, height - 18, 6, 0, 7);
    pen.fill();
  }
  $("bridge").hidden = !moment.who.bridged.some(([from, to]) => from <= moment.frame && moment.frame <= to);
}
