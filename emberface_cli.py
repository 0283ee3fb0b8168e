"""The command line: parse, run, report. Nothing below this file prints or exits.

Exit codes: 0 all outputs stand, 2 something was refused (one line on stderr says what and why), 130 interrupted.
"""

from __future__ import annotations

import dataclasses
import json as json_module
import math
import sys
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import emberface
from assets.locate import asset_path
from emberface_run import Run
from flame_tools.errors import FaceError, InputError

app = typer.Typer(
    name="emberface",
    help="3D faces from images and from speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
evaluate = typer.Typer(help="Measure a track.", no_args_is_help=True, rich_markup_mode=None)
heads = typer.Typer(help="Look at heads.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(evaluate, name="eval")
app.add_typer(heads, name="head")

Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout.")]
HeadName = Annotated[str, typer.Option("--head", help="'default', or a head's file.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Blinks, gaze, brows and head motion follow it.")]
Text = Annotated[str | None, typer.Option("--text", help="What is said; the lips become exact.")]
Emotion = Annotated[
    str | None,
    typer.Option("--emotion", help="Such as happy:0.8 or sad:0.4,anger:0.3; also surprise, fear, disgust, contempt."),
]
Size = Annotated[str, typer.Option("--size", help="Of the picture, WIDTHxHEIGHT in pixels.")]
Fps = Annotated[str, typer.Option("--fps", help="Frames per second, 10 to 120: 25, 29.97, 30000/1001.")]


class Format(StrEnum):
    """What `--format` takes, beside the track itself."""

    glb, obj, csv, wav, mp4, png = "glb", "obj", "csv", "wav", "mp4", "png"


Formats = Annotated[str, typer.Option("--format", help=f"Any of {', '.join(Format)}, with commas.")]


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        code = app(arguments, prog_name="emberface", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except FaceError as error:
        return _refuse(str(error))
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return _refuse(f"{error.strerror or error}{place}; check the disk and the permissions")
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if hasattr(error, "format_message"):  # the parser's own complaints about options and arguments
            return _refuse(f"{error.format_message()}; emberface --help shows what there is")
        if type(error).__name__ == "Abort":
            return 130
        raise


def _refuse(message: str) -> int:
    print("emberface: " + " ".join(message.split()), file=sys.stderr)
    return 2


def json_text(content: dict) -> str:
    return json_module.dumps(content, indent=2, ensure_ascii=False)


def _say(report: dict, as_json: bool) -> None:
    if as_json:
        print(json_text(report))
        return
    for place in report["outputs"]:
        print(place)
    figures = [f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in _flat(report["quality"])]
    print(f"{report['seconds']['total']:.1f} s" + "".join(f", {f}" for f in figures))
    if phones := report["quality"].get("phones"):
        print("phones: " + ", ".join(f"{k} {v}" for k, v in phones.items() if v not in ([], None)))


def _flat(quality: dict) -> list[tuple[str, float | int]]:
    return [(k, v) for k, v in quality.items() if isinstance(v, (int, float)) and not isinstance(v, bool)]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"emberface {emberface.__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


# --- making ---------------------------------------------------------------------------------------------------------


@app.command()
def demo(out: Out = Path("demo"), seed: Seed = 0, json: Json = False) -> None:
    """The main job on bundled input: a photo and a voice become a talking head, in every format."""
    from animate.audio_file import read_audio
    from flame_tools.load import load_head
    from render.image import read_image, write_png
    from render.performance import comparison

    photo, voice = asset_path("astronaut"), asset_path("voice")
    text = asset_path("voice_text").read_text().strip()
    inputs = {"image": photo.name, "speech": voice.name, "text": text, "seed": seed}
    kinds = (".face.npz", ".glb", ".csv", "_obj", ".mp4")
    places, report = [out / f"demo{kind}" for kind in kinds], out / "demo.report.json"
    with Run("demo", inputs, show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            head, pixels, (samples, rate) = load_head(), read_image(photo), read_audio(voice)
        with job.step("recon", "finding and fitting the face"):
            person = emberface.recon(pixels, head=head)
        with job.step("animate", "listening to the voice"):
            track = emberface.animate(
                samples, rate, text=text, identity=person, head=head, seed=seed, progress=job.share
            )
        with job.step("png", "comparing with the photo"):
            write_png(job.output(out / "demo.png"), comparison(pixels, person, head))
        _write(job, track, head, places)
        with job.step("measure"):
            job.quality = _recon_quality(person) | _performance_quality(track, head)
        _say(job.finish(report), json)


@app.command("animate")
def animate_(
    speech: Annotated[Path, typer.Argument(help="A recording: WAV, FLAC, OGG, MP3, M4A.")],
    out: Out,
    text: Text = None,
    emotion: Emotion = None,
    identity: Annotated[Path | None, typer.Option("--identity", help="Whose face: a NAME.face.npz.")] = None,
    head: HeadName = "default",
    format: Formats = "glb,csv,mp4",
    fps: Fps = "30",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Speech to a performance."""
    from animate.audio_file import read_audio
    from flame_tools.load import load_head

    places, report = _places(out, speech.stem, format)
    rate_of_frames = _fps(fps)
    inputs = {"speech": str(speech), "text": text, "emotion": emotion, "identity": identity and str(identity)}
    reads = [speech, *filter(None, [identity])]
    with Run("animate", inputs | {"head": head, "fps": fps, "seed": seed}, reads=reads, show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            model = load_head(head)
            person = emberface.load(identity) if identity else None
            samples, rate = read_audio(speech)
        with job.step("animate", "listening to the voice"):
            track = emberface.animate(
                samples,
                rate,
                text=text,
                emotion=emotion,
                identity=person,
                head=model,
                fps=rate_of_frames,
                seed=seed,
                progress=job.share,
            )
        _write(job, track, model, places)
        with job.step("measure"):
            job.quality = _performance_quality(track, model)
        _say(job.finish(report), json)


@app.command("recon")
def recon_(
    image: Annotated[Path, typer.Argument(help="A photo.")],
    out: Out,
    all: Annotated[bool, typer.Option("--all", help="Every face, the largest first.")] = False,
    head: HeadName = "default",
    format: Formats = "glb,png",
    json: Json = False,
) -> None:
    """A photo to a head: identity, expression, pose and texture."""
    from flame_tools.load import load_head
    from recon.focal import focal_from_exif
    from render.image import read_image, write_png
    from render.performance import comparison

    places, report = _places(out, image.stem, format)
    with Run("recon", {"image": str(image), "all": all, "head": head}, reads=[image], show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            model, pixels = load_head(head), read_image(image)
        with job.step("recon", "finding and fitting the face"):
            found = emberface.recon(pixels, head=model, all_faces=all, focal_px=focal_from_exif(image))
            tracks = found if all else [found]
        for i, track in enumerate(tracks, 1):
            mine = places if len(tracks) == 1 else [_numbered(place, i) for place in places]
            _write(job, track, model, [p for p in mine if p.suffix != ".png"])
            for place in (p for p in mine if p.suffix == ".png"):
                with job.step("png", "comparing with the photo"):
                    write_png(job.output(place), comparison(pixels, track, model))
        job.quality = _recon_quality(tracks[0])
        if len(tracks) > 1:
            job.quality["faces"] = [_recon_quality(track) for track in tracks]
        _say(job.finish(report), json)


@app.command("render")
def render_(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    out: Out,
    head: HeadName = "default",
    size: Size = "720x720",
    json: Json = False,
) -> None:
    """Draw a track: .mp4 with sound, or .png."""
    if emberface.kind_of(out) not in (".mp4", ".png"):
        raise InputError(f"cannot draw to {out}; wanted a name that ends in .mp4 or .png")
    _convert("render", track, [out], head, _size(size), json)


@app.command()
def convert(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    out: Annotated[list[Path], typer.Option("-o", "--out", help="NAME.glb, .csv, .wav, .mp4, .png, a folder for OBJ.")],
    head: HeadName = "default",
    size: Size = "720x720",
    json: Json = False,
) -> None:
    """A track to other files; -o may be given several times."""
    _convert("convert", track, out, head, _size(size), json)


def _convert(command: str, source: Path, places: list[Path], head: str, size: tuple[int, int], as_json: bool) -> None:
    from flame_tools.load import load_head

    for place in places:
        emberface.kind_of(place)
    with Run(command, {"track": str(source), "head": head}, reads=[source], show=not as_json) as job:
        job.prepare(*places)
        with job.step("load"):
            model, track = load_head(head), emberface.load(source)
        _write(job, track, model, places, size)
        _say(job.finish(_report_beside(places[0])), as_json)


def _write(job: Run, track, head, places: list[Path], size: tuple[int, int] = (720, 720)) -> None:
    """Write a track to every place, as each one's name asks."""
    for place in places:
        kind = emberface.kind_of(place)
        with job.step(kind.removeprefix(".") or "obj", f"writing {place.name}"):
            staged = job.output(place)
            if kind in (".mp4", ".png"):
                emberface.render(track, staged, head=head, size=size, progress=job.progress)
            else:
                emberface.export(track, staged, head=head)


def _places(out: Path, name: str, formats: str) -> tuple[list[Path], Path]:
    """Files for `-o OUT`: into a folder, the track and every format; or the one file that OUT names.

    An ending that is a number, as in `take1.2`, is part of a folder's name.
    """
    if out.suffix[1:2].isalpha() and not out.is_dir():
        emberface.kind_of(out)
        return [out], _report_beside(out)
    wanted = [f.strip() for f in formats.split(",") if f.strip()]
    for f in wanted:
        if f not in list(Format):
            raise InputError(f"format {f!r} is not known; there are: {', '.join(Format)}")
    endings = [".face.npz", *("_obj" if f == "obj" else f".{f}" for f in dict.fromkeys(wanted))]
    return [out / f"{name}{ending}" for ending in endings], out / f"{name}.report.json"


def _report_beside(place: Path) -> Path:
    name = place.name.removesuffix(".face.npz") if place.name.endswith(".face.npz") else place.stem
    return place.with_name(f"{name}.report.json")


def _numbered(place: Path, number: int) -> Path:
    for ending in (".face.npz", "_obj", place.suffix):
        if ending and place.name.endswith(ending):
            return place.with_name(f"{place.name.removesuffix(ending)}_{number}{ending}")
    return place.with_name(f"{place.name}_{number}")


def _fps(text: str) -> Fraction:
    """'25', '30000/1001', or '29.97', which stands for 30000/1001."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 10 <= rate <= 120:
        raise InputError(f"fps {text!r} is no frame rate; wanted 10 to 120, such as 25, 29.97 or 30000/1001")
    ntsc = Fraction(round(rate) * 1000, 1001)
    return ntsc if rate.denominator > 1 and abs(rate - ntsc) < Fraction(1, 200) else rate


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdigit() and 16 <= int(p) <= 4096 and int(p) % 2 == 0 for p in parts):
        raise InputError(f"size {text!r} is no WIDTHxHEIGHT; wanted even numbers from 16 to 4096, such as 1280x720")
    return int(parts[0]), int(parts[1])


# --- measuring ------------------------------------------------------------------------------------------------------


@evaluate.command()
def lips(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz.")],
    textgrid: Annotated[Path | None, typer.Option("--textgrid", help="True phone times.")] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="What is said: phone times come from an alignment.")
    ] = None,
    head: HeadName = "default",
    json: Json = False,
) -> None:
    """Do the lips close, open, round and rest when the sound says so?"""
    from flame_tools.load import load_head

    if (textgrid is None) == (not text):
        raise InputError("lips are measured against phone times: give either --textgrid FILE or --text TEXT")
    model, performance = load_head(head), emberface.load(track)
    phones = _phones_of_textgrid(textgrid) if textgrid else _phones_of_text(performance, text)
    _figures(_lip_quality(performance, model, phones), json)


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


def _lip_quality(track, head, phones=None) -> dict:
    """The design's animate figures, by name."""
    from animate.metrics import lip_report

    return _plain(lip_report(track, head, phones if phones is not None else track.intervals["phones"]))


def _performance_quality(track, head) -> dict:
    """The lip figures of a fresh performance, and where its phones come from.

    The lips are held against the phones that moved them: the figures say how faithfully the face follows what was
    heard, not whether it was heard right. `eval lips --textgrid` holds them against the truth.
    """
    return _lip_quality(track, head) | {"phones": track.provenance["phones"]}


def _recon_quality(track) -> dict:
    return _plain(track.provenance.get("quality", {}))


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


def _figures(figures: dict, as_json: bool) -> None:
    if as_json:
        print(json_text(figures))
        return
    for name, value in figures.items():
        print(f"{name:24} {value}")


# --- heads ----------------------------------------------------------------------------------------------------------


@heads.command("list")
def list_() -> None:
    """Heads that can be named."""
    from flame_tools.load import read_head

    arrays = read_head(asset_path("head"))
    print(
        f"default  {len(arrays.v_template)} vertices, {len(arrays.shape_names)} identity components, {arrays.licence}"
    )


@heads.command()
def info(
    name: Annotated[str, typer.Argument(help="'default', or a head's file.")] = "default", json: Json = False
) -> None:
    """What a head has."""
    from flame_tools.load import load_head

    a = load_head(name).arrays
    facts = {
        "id": a.id,
        "licence": a.licence,
        "vertices": len(a.v_template),
        "triangles": len(a.faces),
        "identity_components": len(a.shape_names),
        "expression_components": len(a.expression_names),
        "expression_names": list(a.expression_names),
        "materials": list(a.materials),
        "landmarks": {k: len(v.faces) for k, v in a.landmarks.items()},
        "regions": {k: len(v) for k, v in sorted(a.regions.items())},
        "directions": sorted(a.directions),
        "provenance": a.provenance,
    }
    _figures(facts, json)


@heads.command()
def random(
    out: Out,
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="How many people.")] = 1,
    age: Annotated[str | None, typer.Option("--age", help="Years, such as 30 or 20-40.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="female or male.")] = None,
    ancestry: Annotated[str | None, typer.Option("--ancestry", help="Such as asian, or asian:2,european:1.")] = None,
    head: HeadName = "default",
    seed: Seed = 0,
    format: Formats = "glb",
    json: Json = False,
) -> None:
    """People who do not exist: a sheet of them (-o SHEET.png), or their tracks and files (-o FOLDER)."""
    from flame_tools.identity import random_identities
    from flame_tools.load import load_head
    from flame_tools.posing import still
    from render.image import write_png
    from render.performance import film
    from render.preview import contact_sheet

    inputs = {"count": count, "age": age, "sex": sex, "ancestry": ancestry, "head": head, "seed": seed}
    places, report = _places(out, "person", format)
    with Run("head random", inputs, show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            model = load_head(head)
        with job.step("draw"):
            shares = _shares(ancestry) if ancestry and ":" in ancestry else ancestry
            people = random_identities(model, count, seed, age=_years(age), sex=sex, ancestry=shares)
        if out.suffix == ".png":
            with job.step("png", "drawing the sheet"):
                pictures = [next(iter(film(still(model, shape), model, size=(320, 400)))) for shape in people]
                write_png(job.output(out), contact_sheet(pictures, columns=min(6, count)))
        else:
            for i, shape in enumerate(people, 1):
                mine = places if count == 1 else [_numbered(place, i) for place in places]
                _write(job, still(model, shape), model, mine)
        _say(job.finish(report), json)


def _years(text: str | None) -> float | tuple[float, float] | None:
    """'30' or '20-40'."""
    if text is None:
        return None
    try:
        years = [float(part) for part in text.split("-")]
    except ValueError:
        years = []
    if len(years) not in (1, 2):
        raise InputError(f"age {text!r} is no number of years; wanted such as 30 or 20-40")
    return years[0] if len(years) == 1 else (years[0], years[1])


def _shares(text: str) -> dict[str, float]:
    """'asian:2,european:1' to a dict."""
    shares = {}
    for part in text.split(","):
        name, _, value = part.strip().partition(":")
        try:
            shares[name] = float(value or 1)
        except ValueError:
            raise InputError(f"{part.strip()!r} is no NAME:SHARE; wanted such as asian:2,european:1") from None
    return shares
