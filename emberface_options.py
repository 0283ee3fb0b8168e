"""What the commands have in common: their options, how these are read, and how results are said."""

from __future__ import annotations

import json as json_module
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import emberface
from emberface_formats import DOUBLE_ENDINGS, kind_of
from flame_tools.errors import InputError
from flame_tools.frame_rate import rational

if TYPE_CHECKING:
    from flame_tools.types import HeadArrays, Track

Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout.")]
HeadName = Annotated[str, typer.Option("--head", help="'default', a head that was added, or a head's file.")]
OwnHead = Annotated[str | None, typer.Option("--head", help="A head's name or file, where it is not the track's own.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Blinks, gaze, brows and head motion follow it.")]
Takes = Annotated[int, typer.Option("--takes", min=1, help="Ways to say it: NAME, NAME-take2, ... by seed.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="What moves the face: rules, a bundled network (motion; flow, of many takes; keys), or an npz of "
        "`train`. By default rules where there is a text, else motion.",
    ),
]
AudioGuidance = Annotated[
    float | None, typer.Option("--audio-guidance", help="How strongly a flow heeds the voice; 1: as learnt.")
]
EmotionGuidance = Annotated[float | None, typer.Option("--emotion-guidance", help="The same of the emotion.")]
Text = Annotated[str | None, typer.Option("--text", help="What is said; the lips become exact.")]
Texts = Annotated[
    Path | None, typer.Option("--texts", help="A folder with what is said: NAME.txt for each recording NAME.")
]
Phones = Annotated[
    Path | None,
    typer.Option(
        "--phones",
        help="Phones with their times: a TextGrid (Praat, MFA; ARPAbet or IPA) or a NAME.face.npz, or a folder with "
        "NAME.TextGrid for each recording.",
    ),
]
Emotion = Annotated[
    str | None,
    typer.Option(
        "--emotion",
        help="Such as happy:0.8 or sad:0.4,anger:0.3; also surprise, fear, disgust, contempt. "
        "voice: as it is heard in the voice; voice:2 twice as strong.",
    ),
]
EmotionFile = Annotated[
    Path | None,
    typer.Option("--emotion-track", help="A CSV with time_s and any of the eight, as NAME.emotion.csv has them."),
]
EmotionModel = Annotated[
    str | None,
    typer.Option("--emotion-model", help="Who hears the voice: a transformers audio classifier's folder or name."),
]
Amounts = Annotated[
    str | None,
    typer.Option(
        "--life",
        help="Amounts of head, gaze, brows and blinks, 0 to 2, such as head:0.5,blinks:0; 1 where not named.",
    ),
]
USUAL_SIZE = "{}x{}".format(*emberface.PANEL)
Size = Annotated[str, typer.Option("--size", help="Of the picture, WIDTHxHEIGHT in pixels.")]
Unit = Annotated[str | None, typer.Option("--unit", help="Of lengths: m, cm or mm.")]
Up = Annotated[str | None, typer.Option("--up", help="The upward axis: y, or z as in Blender and 3ds Max.")]
Shapes = Annotated[str | None, typer.Option("--shapes", help="Which to keep: arkit for the 52 alone, or their names.")]
Names = Annotated[Path | None, typer.Option("--names", help='A JSON file of their names: {"jawOpen": "Jaw_Open"}.')]
Tolerance = Annotated[
    float | None, typer.Option("--tolerance", help="Leave out keys as long as no vertex strays further than these mm.")
]
Inbetweens = Annotated[
    int, typer.Option("--inbetweens", help="Shapes between an open lid and a shut one, instead of a target apart.")
]
Fps = Annotated[str, typer.Option("--fps", help="Frames per second, 10 to 120: 25, 29.97, 30000/1001.")]


class Registered(StrEnum):
    """What `fit --registered` takes."""

    auto, yes, no = "auto", "yes", "no"


class Perspective(StrEnum):
    """What `recon --camera` takes."""

    perspective, weak = "perspective", "weak"


class View(StrEnum):
    """What `render --view` takes."""

    portrait, front, three_quarter, profile = "portrait", "front", "three-quarter", "profile"
    turntable, sheet = "turntable", "sheet"


class Backend(StrEnum):
    """What `render --backend` takes."""

    numba, gl = "numba", "gl"


class Format(StrEnum):
    """What `--format` takes, beside the track itself."""

    glb, fbx, obj, csv, wav, mp4, png = "glb", "fbx", "obj", "csv", "wav", "mp4", "png"
    mdd, pc2, ply, stl = "mdd", "pc2", "ply", "stl"
    html = "html"
    emotion, curves, curve_table = "emotion.csv", "curves.csv", "curves.json"
    vrm, visemes = "vrm.json", "visemes.json"
    usd, usda, usdc, usdz, abc, vmd = "usd", "usda", "usdc", "usdz", "abc", "vmd"
    visemes_srt, words_srt, textgrid = "visemes.srt", "words.srt", "TextGrid"
    smplx_npz, smplx_pkl, emote_npz, emote_pkl = "smplx.npz", "smplx.pkl", "emote.npz", "emote.pkl"


Formats = Annotated[str, typer.Option("--format", help=f"Any of {', '.join(Format)}, with commas.")]


# --- reading ------------------------------------------------------------------------------------------------------


def places_of(out: Path, name: str, formats: str) -> tuple[list[Path], Path]:
    """Files for `-o OUT`: into a folder, the track and every format; or the one file that OUT names.

    An ending that is a number, as in `take1.2`, is part of a folder's name.
    """
    if out.suffix[1:2].isalpha() and not out.is_dir():
        kind_of(out)
        return [out], report_beside(out)
    wanted = [f.strip() for f in formats.split(",") if f.strip() not in ("", "face.npz")]  # the track is there always
    for f in wanted:
        if f not in list(Format):
            raise InputError(f"format {f!r} is not known; there are: {', '.join(Format)}")
    endings = [".face.npz", *("_obj" if f == "obj" else f".{f}" for f in dict.fromkeys(wanted))]
    return [out / f"{name}{ending}" for ending in endings], out / f"{name}.report.json"


def report_beside(place: Path) -> Path:
    name = place.stem
    for ending in DOUBLE_ENDINGS:
        name = place.name.removesuffix(ending) if place.name.endswith(ending) else name
    return place.with_name(f"{name}.report.json")


def refuse_early(places: list[Path], head: HeadArrays, *, words: bool) -> None:
    """Refuse places that no performance on `head`, its words known or not, can be written to, before it is made."""
    from flame_tools.flame_only import flame_only

    for place in places:
        kind = kind_of(place)
        if kind in (".ply", ".stl"):
            raise InputError(f"{place} can hold one frame, and a performance has many; emberface convert --frame later")
        if kind == ".words.srt" and not words:
            raise InputError(f"{place} holds words, and none are known; say them with --text")
        if kind.startswith((".smplx", ".emote")):
            flame_only(head, f"{place} can hold FLAME's parameters only")


def need_programs(places: list[Path]) -> None:
    """Raises AssetError where one of the places asks for a kind of file that a missing program or extra writes."""
    kinds = {kind_of(place) for place in places}
    if any(kind.startswith(".usd") for kind in kinds):
        from flame_tools.export.usd import need_openusd

        need_openusd()
    if ".abc" in kinds:
        from flame_tools.export.alembic import need_alembic

        need_alembic()


def not_read(track: Track, source: Path) -> list[str]:
    """What a file that another program may have written holds, or had once, and the track read of it has not."""
    lost = [] if source.name.endswith(".face.npz") else track.provenance.get("not_read", [])
    return [name for name in lost if not (name == "sound" and track.audio is not None)]


def numbered(place: Path, number: int) -> Path:
    return _marked(place, f"_{number}")


def of_take(place: Path, number: int) -> Path:
    """Where take `number`, from 1, of what belongs at `place` goes: take 1 stays."""
    return place if number == 1 else _marked(place, f"-take{number}")


def _marked(place: Path, mark: str) -> Path:
    for ending in (*DOUBLE_ENDINGS, "_obj", place.suffix):
        if ending and place.name.endswith(ending):
            return place.with_name(f"{place.name.removesuffix(ending)}{mark}{ending}")
    return place.with_name(f"{place.name}{mark}")


def frame_rate_of(text: str) -> Fraction:
    """'25', '30000/1001', or '29.97', which stands for 30000/1001."""
    try:
        rate = rational(text)
    except InputError:
        rate = Fraction(0)
    if not 10 <= rate <= 120:
        raise InputError(f"fps {text!r} is no frame rate; wanted 10 to 120, such as 25, 29.97 or 30000/1001")
    return rate


def emotion_of(words: str | None, track: Path | None, model: str | None):
    """What `--emotion`, `--emotion-track` and `--emotion-model` ask for together, for emberface.animate."""
    from animate.emotion_source import FromVoice, source_of
    from animate.emotion_track import read_emotion_csv

    if track is not None:
        if words is not None or model is not None:
            raise InputError(f"--emotion-track {track} says all there is to feel; leave out --emotion and its model")
        return read_emotion_csv(track)
    if model is None:
        return words
    asked = source_of("voice" if words is None else words)
    if not isinstance(asked, FromVoice):
        raise InputError(f"--emotion-model hears the voice, and --emotion {words} does not ask it; say --emotion voice")
    from animate.emotion_classifier import EmotionClassifier

    return FromVoice(asked.gain, EmotionClassifier(model))


def sampling_of(audio: float | None, emotion: float | None):
    """What the guidance options ask of a flow, for emberface.animate; None where none was given."""
    from animate.takes import Guidance, Sampling

    given = {"audio": audio, "emotion": emotion}
    given = {name: weight for name, weight in given.items() if weight is not None}
    return Sampling(guidance=Guidance(**given)) if given else None


def export_options(
    unit: str | None,
    up: str | None,
    shapes: str | None,
    names: Path | None,
    tolerance: float | None,
    inbetweens: int,
):
    """What the options of files ask for together, for emberface.export; None where none was given."""
    if (unit, up, shapes, names, tolerance, inbetweens) == (None, None, None, None, None, 0):
        return None
    from flame_tools.export import Options, read_names

    options = Options(
        unit=unit,
        up=up,
        shapes=None if shapes is None else tuple(name.strip() for name in shapes.split(",") if name.strip()),
        names={} if names is None else read_names(names),
        tolerance_mm=tolerance,
        inbetweens=inbetweens,
    )
    return options if options.asked() else None


def size_of(text: str) -> tuple[int, int]:
    from render.camera import SIDES, is_size

    parts = text.lower().split("x")
    size = tuple(int(p) if p.isascii() and p.isdigit() and len(p) < 6 else 0 for p in parts)
    if not is_size(size) or any(n % 2 for n in size):
        raise InputError(
            f"size {text!r} is no WIDTHxHEIGHT; wanted even numbers from {SIDES[0]} to {SIDES[1]}, such as 1280x720"
        )
    return size


# --- saying -------------------------------------------------------------------------------------------------------


OWN_PHONES = "lips: against the phones that moved them: how well the face follows them, not whether they are right"


def json_text(content: dict) -> str:
    return json_module.dumps(content, indent=2, ensure_ascii=False)


def say(report: dict, as_json: bool) -> None:
    if as_json:
        print(json_text(report))
        return
    for place in report["outputs"]:
        print(place)
    figures = [f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in _flat(report["quality"])]
    if scale := report["quality"].get("metric_scale"):
        figures.append(f"size from {scale}")
    print(f"{report['seconds']['total']:.1f} s" + "".join(f", {f}" for f in figures))
    if phones := report["quality"].get("phones"):
        print("phones: " + ", ".join(f"{k} {v}" for k, v in phones.items() if v not in ([], None)))
        print(OWN_PHONES)


def _flat(quality: dict) -> list[tuple[str, float | int]]:
    return [(k, v) for k, v in quality.items() if isinstance(v, (int, float)) and not isinstance(v, bool)]


def say_figures(figures: dict, as_json: bool) -> None:
    if as_json:
        print(json_text(figures))
        return
    for name, value in figures.items():
        print(f"{name:24} {_in_words(value)}")


def _in_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_in_words(v)}".strip() for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        shown = [str(x) for x in value]
        return ", ".join(shown if len(shown) <= 60 else [*shown[:3], f"... {shown[-1]} ({len(shown)})"]) or "none"
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)
