// The page: figures and what hangs together.
import { $, facts, made, moment, number, percent } from "./facts.js";
import { drawCurves, openCurves } from "./curves.js";
import { drawPicture, go, openPlayer, play, player } from "./player.js";
import { drawErrors, openFace, openResiduals } from "./residuals.js";
import { drawSpectrum, openSpectrum } from "./spectrum.js";

const MILD = ["focal"];

function figure(text, value, name = "") {
  const box = made("div", "", name);
  box.append(made("b", value), made("span", text));
  return box;
}

function openFigures() {
  const who = moment.who, { quality, error } = who, frames = who.frames;
  const boxes = [
    figure(`error of landmarks${who.fitted ? " the fit had not seen" : ""}`, percent(quality.nme_468), "ember"),
    figure("the same of the 68 of iBUG", percent(quality.nme_68)),
    figure(`error of landmarks ${who.fitted ? "it was fitted to" : "in all frames"}`, percent(error.mean)),
    figure("height of the face", `${number(who.face_px.median, 0)} px`),
  ];
  if (facts.kind === "film") {
    const missing = who.bridged.reduce((sum, [from, to]) => sum + to - from + 1, 0);
    boxes.push(
      figure("of the frames are tracked", percent(1 - missing / frames, 0)),
      figure("bridged frames", String(missing)),
      figure("95 % of the frames err less than", percent(error.p95)),
      figure("acceleration of landmarks, mm/s²", number(who.jitter.acceleration_mm_s2.fitted, 0)),
    );
  }
  $("numbers").replaceChildren(...boxes);
  const said = who.warnings.map(({ code, text }) => made("li", text, MILD.includes(code) ? "mild" : ""));
  $("warnings").replaceChildren(...(said.length ? said : [made("li", "Nothing stands out.", "mild")]));
  const { identity, focal_px: focal, pixels_per_m: scale } = who;
  const rows = [
    scale ? ["weak perspective", `${number(scale.value, 0)} px/m`]
      : ["focal length", `${number(focal.value, 0)} px${focal.known === false ? ", estimated" : focal.known ? ", given" : ""}`],
    ["size from", who.metric_scale ?? "iris of 11.7 mm"],
    ["identity", `${identity.components} components, RMS ${number(identity.rms)} sd`],
    ["told by the pictures", identity.told == null ? "–" : `${percent(identity.told, 0)} of its variance`],
    ["a place on the face", who.face_sd_mm == null ? "–" : `± ${number(who.face_sd_mm, 1)} mm`],
    ["furthest from the mean", identity.largest.slice(0, 4).map((c) =>
      `${c.name} ${number(c.value, 1)}${c.sd == null ? "" : ` ± ${number(c.sd, 1)}`}`).join(", ")],
    ["made by", who.made_by ?? "–"],
  ];
  $("identity").replaceChildren(...rows.flatMap(([name, value]) => [made("dt", name), made("dd", value)]));
}

function openTop() {
  const who = moment.who, rate = who.fps ? who.fps[0] / who.fps[1] : null, [first, last] = who.seconds;
  const parts = [`${facts.kind} ${facts.source === facts.title ? "" : facts.source}`.trim(), `head ${facts.head}`];
  if (facts.kind === "film") {
    parts.push(`${who.frames} frames`, rate ? `${Number(rate.toFixed(3))} frames/s` : "changing rate", `${number(last - first)} s`);
  } else if (facts.kind === "pictures") parts.push(`${who.frames} pictures of one person`);
  $("gist").textContent = parts.join(" · ");
  document.body.className = facts.kind === "film" ? "" : facts.kind === "picture" ? "still" : "several";
}

function openPeople() {
  if (facts.people.length < 2) return;
  $("people").replaceChildren(...facts.people.map((who, k) => {
    const button = made("button", who.name);
    button.type = "button";
    button.setAttribute("aria-pressed", k === moment.person);
    button.onclick = () => {
      play(false);
      moment.person = k;
      openPeople();
      openPerson();
      go(0);
    };
    return button;
  }));
}

function openPerson() {
  openTop();
  openFigures();
  openCurves();
  openFace();
  openSpectrum();
}

function openTime() {
  const time = $("time"), last = moment.who.frames - 1;
  const what = facts.kind === "film" ? `${number(moment.time)} s` : `picture ${moment.frame + 1}`;
  time.replaceChildren(made("b", what), facts.kind === "film" ? `  frame ${moment.frame} of ${last}` : ` of ${last + 1}`);
}

async function open() {
  openPeople();
  openTop();
  await openPlayer();
  await openResiduals();
  openPerson();
  moment.followers.push(openTime, drawCurves, drawErrors);
  go(0);
  addEventListener("resize", () => { drawPicture(); moment.changed(); openFace(); drawSpectrum(); });
  return { facts, moment, player, go, play };
}

globalThis.emberfaceReport = open();
