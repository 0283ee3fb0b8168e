"""`emberface eval`: how good a track is, by the names the design gives the figures."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import emberface
from emberface_options import Json, OwnHead, say_figures
from flame_tools.errors import InputError

app = typer.Typer(help="Measure a track.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def lips(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    textgrid: Annotated[Path | None, typer.Option("--textgrid", help="True phone times.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="What is said: phone times come from an alignment.")
    ] = None,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Do the lips close, open, round and rest when the sound says so?"""
    from flame_tools.load import head_of, load_head

    if (textgrid is None) == (not text):
        raise InputError("lips are measured against phone times: give either --textgrid FILE or --text TEXT")
    performance = emberface.load(track)
    model = load_head(head) if head else head_of(performance)
    phones = _phones_of_textgrid(textgrid) if textgrid else _phones_of_text(performance, text)
    say_figures(lip_quality(performance, model, phones), json)


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


JudgeFile = Annotated[
    Path | None,
    typer.Option("--judge-file", help="ICT-FaceKit, the judges' head; the one registered as ict_facekit by default."),
]


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


def _phones_of_textgrid(path: Path):
    from animate.textgrid import read_textgrid

    tiers = read_textgrid(path)
    for name in ("phones", "phone", "phonemes", "MAU"):
        if name in tiers:
            return tiers[name]
    raise InputError(f"{path} has no tier called phones; it has {', '.join(tiers) or 'none'}")


def _phones_of_text(track, text: str):
    from animate.phones import find_phones
    from animate.speech import measure, prepare

    if track.audio is None:
        raise InputError("the track has no sound to align the text with; give --textgrid FILE")
    speech = prepare(track.audio, track.audio_rate)
    return find_phones(speech, measure(speech), text=text)


def lip_quality(track, head, phones=None) -> dict:
    """The design's animate figures, by name."""
    from animate.metrics import lip_report

    return _plain(lip_report(track, head, phones if phones is not None else track.intervals["phones"]))


def performance_quality(track, head) -> dict:
    """The lip figures of a fresh performance, and where its phones come from.

    The lips are held against the phones that moved them: the figures say how faithfully the face follows what was
    heard, not whether it was heard right. `eval lips --textgrid` holds them against the truth.
    """
    return lip_quality(track, head) | {"phones": track.provenance["phones"]}


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
    """The design's recon figures, and where the size of the face comes from."""
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


@app.command()
def scan(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    scan: Annotated[Path, typer.Argument(help="A scan of the same person: OBJ, PLY, STL, GLB or glTF.")],
    frame: Annotated[int, typer.Option("--frame", min=0, help="Which frame of the track.")] = 0,
    scale: Annotated[bool, typer.Option("--scale", help="Let the head be resized, too.")] = False,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """How far is the head from a scan? Rigidly aligned by seven landmarks and nearest points, in millimetres."""
    from flame_tools.load import head_of, load_head
    from flame_tools.posing import posed_frames
    from recon.scan.evaluate import score_scan
    from recon.scan.file import read_scan

    person = emberface.load(track)
    if frame >= len(person):
        raise InputError(f"{track} has {len(person)} frames, the first is 0; there is no frame {frame}")
    model = load_head(head) if head else head_of(person)
    vertices = next(itertools.islice(posed_frames(person, model), frame, None))
    say_figures(_plain(score_scan(vertices, model, read_scan(scan), scale=scale)), json)


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
