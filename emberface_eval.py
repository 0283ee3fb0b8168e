"""`emberface eval`: how good a track is; docs/metrics.md and docs/evaluate_recon.md say what the figures are."""

from __future__ import annotations

import dataclasses
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import emberface
from emberface_options import OWN_PHONES, Json, OwnHead, json_text, say_figures
from flame_tools.errors import InputError

app = typer.Typer(help="Measure a track.", no_args_is_help=True, rich_markup_mode=None)

JudgeFile = Annotated[
    Path | None,
    typer.Option("--judge-file", help="ICT-FaceKit, the judges' head; the one registered as ict_facekit by default."),
]
Neutral = Annotated[
    Path | None, typer.Option("--neutral", help="Where the truth is vertices: the same person at rest, .npy or a mesh.")
]
_PHONES_FROM = {"align": "text", "hear": "recognised", "given": "given"}
Judge = Annotated[bool, typer.Option("--judge", help="Let the lip judge read both mouths, too.")]


@app.command()
def lips(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    textgrid: Annotated[Path | None, typer.Option("--textgrid", help="True phone times.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="What is said: phone times come from an alignment.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="The true lips: a NAME.face.npz, vertices (.npy) or meshes.")
    ] = None,
    neutral: Neutral = None,
    judge: Judge = False,
    judge_file: JudgeFile = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Do the lips close, open, round and rest when the sound says so? Or, with --against, as the true ones do?"""
    from animate.phones_given import phones_tier
    from animate.textgrid import read_textgrid
    from flame_tools.load import head_of, load_head

    if (textgrid is not None) + bool(text) + (against is not None) != 1:
        raise InputError("lips are measured against one thing: give --textgrid FILE, --text TEXT or --against TRUTH")
    if against is not None:
        from recon.evaluation.measure import heads, picture_of

        picture = picture_of(track, against, neutral=neutral)
        say_figures(_plain(_lips_against(picture, heads(head), judge, judge_file)), json)
        return
    performance = emberface.load(track)
    model = load_head(head) if head else head_of(performance)
    phones = phones_tier(read_textgrid(textgrid), str(textgrid)) if textgrid else _phones_of_text(performance, text)
    figures = lip_quality(performance, model, phones) | {"phones_from": "given" if textgrid else "text"}
    say_figures(figures, json)
    if figures["own_phones"] and not json:
        print(OWN_PHONES)


def _lips_against(picture, head_of_file, judge: bool, judge_file: Path | None) -> dict:
    """Figures of the lips of a picture; those of the judge are named judge_..."""
    from recon.evaluation.measure import measure_lips

    figures = measure_lips(picture, head_of_file)
    if not judge:
        return figures
    from animate.read_metrics import leakage
    from readers.judges import judge_lips

    def read(path: Path):
        if not str(path).endswith(".npz"):
            raise InputError(f"{path} holds vertices, and the judge reads tracks; fit them first (emberface fit)")
        return judge_lips(emberface.load(path), head_of_file(path), judge_file=judge_file)

    changed = dataclasses.asdict(leakage(read(picture.truth), read(picture.prediction)))
    names = ("phones_changed", "visemes_changed", "phone_divergence_bits", "viseme_divergence_bits")
    return figures | {f"judge_{name}": changed[name] for name in names}


@app.command()
def motion(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    against: Annotated[Path, typer.Option("--against", help="The track it should be like, as a capture.")],
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """How near is one performance to another? LVE and its variants, MVE, FDD, lip gap, timing, jitter."""
    from animate.motion_metrics import motion_report
    from flame_tools.load import head_of, load_head

    ours, theirs = emberface.load(track), emberface.load(against)
    model = load_head(head) if head else head_of(theirs)
    say_figures(_plain(motion_report(ours, theirs, model)), json)


@app.command()
def diversity(
    tracks: Annotated[list[Path], typer.Argument(help="Takes of one line: two NAME.face.npz or more.")],
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """How much do takes of one line differ? Mean distance between every two of them, in millimetres."""
    from animate import motion_metrics
    from flame_tools.load import head_of, load_head

    takes = [emberface.load(track) for track in tracks]
    model = load_head(head) if head else head_of(takes[0])
    say_figures(_plain(motion_metrics.diversity(takes, model)), json)


@app.command()
def emotion(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    said: Annotated[str | None, typer.Option("--said", help="What it should feel, as happy:0.7.")] = None,
    judge_file: JudgeFile = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Which emotion does a judge read that never saw what moves the face? What is named, the top two, intensities."""
    from animate.emotion import parse
    from animate.read_metrics import emotion_reading
    from flame_tools.load import head_of, load_head
    from readers.judges import judge_emotion

    wanted = None if said is None else parse(said)  # refused before anything is drawn
    performance = emberface.load(track)
    model = load_head(head) if head else head_of(performance)
    found = dataclasses.asdict(emotion_reading(judge_emotion(performance, model, judge_file=judge_file), wanted))
    amounts = {name: _plain(found.pop(name)) for name in ("intensities", "shares")}
    top_two = list(found.pop("top_two"))
    figures = {"named": found.pop("named"), "top_two": top_two, **amounts}
    say_figures(figures | ({} if said is None else _plain(found)), json)


@app.command()
def leakage(
    neutral: Annotated[Path, typer.Argument(help="A NAME.face.npz without emotion.")],
    others: Annotated[list[Path], typer.Argument(help="The same line with emotion, one NAME.face.npz or more.")],
    judge_file: JudgeFile = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Does emotion change what the mouth is read to say? Phones and visemes of an independent lip reader."""
    from animate import read_metrics
    from flame_tools.load import head_of, load_head
    from readers.judges import judge_lips

    def read(path: Path) -> tuple:
        track = emberface.load(path)
        model = load_head(head) if head else head_of(track)
        return judge_lips(track, model, judge_file=judge_file), track.intervals.get("phones")

    calm, calm_phones = read(neutral)
    accuracy = read_metrics.accuracy_of(calm, calm_phones)
    figures = {"neutral_phone_accuracy": accuracy.phones, "neutral_viseme_accuracy": accuracy.visemes}
    each = {}
    for path in others:
        felt, phones = read(path)
        each[str(path)] = _plain(read_metrics.leakage(calm, felt, neutral_phones=calm_phones, other_phones=phones))
    say_figures(_plain(figures) | (each if not json else {"others": each}), json)


def _phones_of_text(track, text: str):
    from animate.phones import find_phones
    from animate.speech import measure, prepare

    if track.audio is None:
        raise InputError("the track has no sound to align the text with; give --textgrid FILE")
    speech = prepare(track.audio, track.audio_rate)
    return find_phones(speech, measure(speech), text=text)


def lip_quality(track, head, phones=None) -> dict:
    """The lip figures of a performance, held against phones: its own where none are given."""
    from animate.metrics import lip_report

    return _plain(lip_report(track, head, phones if phones is not None else track.intervals["phones"]))


def performance_quality(track, head) -> dict:
    """The lip figures of a fresh performance, and where its phones come from.

    The lips are held against the phones that moved them: the figures say how faithfully the face follows what was
    heard, not whether it was heard right. `eval lips --textgrid` holds them against the truth.
    """
    said = track.provenance["phones"]
    return lip_quality(track, head) | {"phones_from": _PHONES_FROM[said["method"]], "phones": said}


def takes_quality(tracks, head, outputs: list[list[Path]]) -> dict:
    """How much takes of one line differ, and of each one its seed, its files and its lip figures."""
    from animate.motion_metrics import diversity

    def again(track) -> dict:
        return {name: track.provenance[name] for name in ("seed", "take") if name in track.provenance}

    each = [
        again(track) | {"outputs": [str(place) for place in places]} | lip_quality(track, head)
        for track, places in zip(tracks, outputs, strict=True)
    ]
    apart = {name: value for name, value in _plain(diversity(tracks, head)).items() if name.startswith("diversity")}
    return apart | {"takes": each}


def recon_quality(track) -> dict:
    """The figures that a reconstruction carries, and where the size of the face comes from."""
    known = {"metric_scale": track.provenance["metric_scale"]} if "metric_scale" in track.provenance else {}
    return _plain(track.provenance.get("quality", {}) | known)


def _plain(figures) -> dict:
    """Numbers of a dataclass or dict as JSON knows them: NaN is null, arrays are left out."""
    items = dataclasses.asdict(figures) if dataclasses.is_dataclass(figures) else figures
    plain = {}
    for name, value in items.items():
        if isinstance(value, (bool, int, str)) or value is None:
            plain[name] = value
        elif isinstance(value, (float, np.floating)):
            plain[name] = None if not math.isfinite(value) else round(float(value), 5)
        elif isinstance(value, np.integer):
            plain[name] = int(value)
    return plain


MeshLandmarks = Annotated[
    Path | None, typer.Option("--mesh-landmarks", help="The seven on a mesh of any topology: .txt, .npy or .pp.")
]
Scale = Annotated[bool, typer.Option("--scale", help="Let the face be resized, too: NoW's non-metrical challenge.")]
NonRigid = Annotated[bool, typer.Option("--non-rigid", help="Between corresponding points, too.")]
AtRest = Annotated[bool, typer.Option("--at-rest", help="Measure a track's person at rest, as NoW's scans are.")]
Regions = Annotated[bool, typer.Option("--regions", help="Nose, mouth, forehead and cheeks each by itself, too.")]


@app.command()
def scan(
    prediction: Annotated[Path, typer.Argument(help="A NAME.face.npz, or a mesh with --mesh-landmarks.")],
    scan: Annotated[Path, typer.Argument(help="A scan of the same person: OBJ, PLY, STL, GLB or glTF.")],
    landmarks: Annotated[
        Path | None, typer.Option("--landmarks", help="The seven on the scan: .pp, .txt or .npy; found by default.")
    ] = None,
    mesh_landmarks: MeshLandmarks = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Of the scan: mm, cm, m, in; told by its size.")] = None,
    mesh_unit: Annotated[str, typer.Option("--mesh-unit", help="Of a mesh: m, cm, mm or in.")] = "m",
    frame: Annotated[int, typer.Option("--frame", min=0, help="Which frame of the track.")] = 0,
    scale: Scale = False,
    non_rigid: NonRigid = False,
    regions: Regions = False,
    at_rest: AtRest = False,
    curve: Annotated[bool, typer.Option("--curve", help="The share of the scan within 0, 0.25 ... 7 mm, too.")] = False,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """How far is a face from a scan? Aligned by seven landmarks and nearest points as in NoW, in millimetres."""
    from recon.evaluation.measure import ScanOptions, heads, measure_scan, picture_of

    picture = picture_of(
        prediction, scan, landmarks=landmarks, prediction_landmarks=mesh_landmarks, unit=unit,
        prediction_unit=mesh_unit, frame=frame,
    )  # fmt: skip
    found, facts = measure_scan(picture, heads(head), ScanOptions(scale, non_rigid, regions, at_rest, curve))
    curves = {name: facts.pop(name) for name in ("curve_mm", "curve_share") if name in facts}
    say_figures(_plain(found.figures | facts) | curves, json)


@app.command()
def expression(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    truth: Annotated[Path, typer.Argument(help="A NAME.face.npz, vertices (.npy, [T, V, 3] in metres) or meshes.")],
    neutral: Neutral = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Does the face move as the true one does? Correlation, amplitude and errors, by region and side."""
    from recon.evaluation.measure import heads, measure_expression, picture_of

    figures = measure_expression(picture_of(track, truth, neutral=neutral), heads(head))
    regions = {name: _plain(inner) for name, inner in figures.pop("regions").items()}
    say_figures(_plain(figures) | {"regions": regions}, json)


class Measure(StrEnum):
    """What `table --measure` takes."""

    scan, expression, lips = "scan", "expression", "lips"


SHOWN = {  # figures of a Markdown table
    "scan": ("median_mm", "mean_mm", "nonrigid_mean_mm", "nose_mm", "mouth_mm", "forehead_mm", "cheeks_mm"),
    "expression": (
        "displacement_correlation", "amplitude", "displacement_error_mm", "vertex_error_mm", "one_sided_correlation",
    ),
    "lips": (
        "lip_gap_error_mm", "closure_kept", "closure_false", "lip_landmark_error_mm", "judge_visemes_changed",
    ),
}  # fmt: skip


@app.command()
def table(
    manifest: Annotated[
        Path, typer.Argument(help="A .csv or .json: prediction, truth and attributes of each picture.")
    ],
    measure: Annotated[Measure, typer.Option("--measure", help="What is measured.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="A .md table, or a .json.")] = None,
    by: Annotated[str, typer.Option("--by", help="Attributes with commas; all of them by default.")] = "",
    bins: Annotated[str, typer.Option("--bins", help="Edges of numbers: 'age:18,40,60;yaw:30,60'.")] = "",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals.")] = 0,
    scale: Scale = False,
    non_rigid: NonRigid = False,
    regions: Regions = False,
    at_rest: AtRest = False,
    judge: Judge = False,
    judge_file: JudgeFile = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """How good are many reconstructions, in all and by skin tone, age, yaw ...? Counts and 95 % intervals."""
    from flame_tools.archive import written_whole
    from recon.evaluation.groups import Measured, measured_groups
    from recon.evaluation.manifest import read_bins, read_manifest
    from recon.evaluation.measure import ScanOptions, flat, heads, measure_expression, measure_scan
    from recon.evaluation.tables import as_json, as_markdown

    if out is not None and out.suffix.lower() not in (".md", ".json"):
        raise InputError(f"{out} is no kind of table that can be written; wanted a .md or a .json")
    pictures, head_of_file = read_manifest(manifest), heads(head)
    attributes = list(dict.fromkeys(name for picture in pictures for name in picture.attributes))
    wanted = [name.strip() for name in by.split(",") if name.strip()] or attributes

    def one(picture) -> Measured:
        if measure is Measure.scan:
            return measure_scan(picture, head_of_file, ScanOptions(scale, non_rigid, regions, at_rest))[0]
        if measure is Measure.expression:
            return Measured(flat(measure_expression(picture, head_of_file)))
        return Measured(flat(_lips_against(picture, head_of_file, judge, judge_file)))

    groups = measured_groups(pictures, one, by=wanted, bins=read_bins(bins, pictures), seed=seed)
    shown = [name for name in SHOWN[measure] if any(group.figures.get(name) for group in groups)]
    content = {"measure": str(measure), "seed": seed, "groups": as_json(groups)}
    if out is not None:
        text = as_markdown(groups, shown) if out.suffix.lower() == ".md" else json_text(content) + "\n"
        with written_whole(out) as place:
            place.write_text(text, encoding="utf-8")
    print(json_text(content) if json else as_markdown(groups, shown), end="\n" if json else "")


@app.command()
def stabilise(
    meshes: Annotated[Path, typer.Argument(help="A NAME.face.npz, or a folder of meshes in the head's topology.")],
    head: OwnHead = None,
    frames: Annotated[int, typer.Option("--frames", min=2, help="Of a track: how many, evenly chosen.")] = 8,
    json: Json = False,
) -> None:
    """How did the skull move between one person's meshes? A track is its own truth, and gives the errors as well."""
    import torch

    from flame_tools.load import head_of, load_head
    from flame_tools.posing import posed_frames
    from recon.scan.pipeline import read_meshes
    from recon.stabilise import errors_of, figures, stabilise

    if meshes.is_dir():
        model = load_head(head or "default")
        found = stabilise(read_meshes(meshes, model), model)
        say_figures(figures(found), json)
        return
    track = emberface.load(meshes)
    model = load_head(head) if head else head_of(track)
    chosen = np.unique(np.linspace(0, len(track) - 1, frames).round().astype(int))
    posed = np.stack([vertices for i, vertices in enumerate(posed_frames(track, model)) if i in chosen])
    found = stabilise(posed, model)
    params = track.params.frame(torch.as_tensor(chosen)).replace(shape=track.params.shape)
    say_figures(figures(found) | errors_of(found, posed, params, model), json)
