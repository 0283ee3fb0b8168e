"""The command line: parse, run, report. Nothing below the commands prints or exits.

Exit codes: 0 all outputs stand, 2 something was refused (one line on stderr says what and why), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import emberface
import emberface_corpus
import emberface_eval
import emberface_heads
import emberface_train
from assets.locate import asset_path
from emberface_eval import performance_quality, recon_quality
from emberface_inputs import check_pictures, check_there
from emberface_options import (
    AudioGuidance,
    Backend,
    Emotion,
    EmotionFile,
    EmotionGuidance,
    EmotionModel,
    Formats,
    Fps,
    HeadName,
    Inbetweens,
    Json,
    Life,
    Model,
    Names,
    Out,
    OwnHead,
    Perspective,
    Phones,
    Registered,
    Seed,
    Shapes,
    Size,
    Takes,
    Text,
    Texts,
    Tolerance,
    Unit,
    Up,
    View,
    export_options,
    frame_rate_of,
    not_read,
    numbered,
    places_of,
    report_beside,
    sampling_of,
    say,
    say_figures,
    size_of,
)
from emberface_run import Run, write_all, write_picture
from flame_tools.errors import FaceError, InputError

if TYPE_CHECKING:
    from flame_tools import Track
    from flame_tools.export import Options

app = typer.Typer(
    name="emberface",
    help="3D faces from images and from speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(emberface_corpus.app, name="corpus")
app.add_typer(emberface_eval.app, name="eval")
app.add_typer(emberface_heads.app, name="head")
app.add_typer(emberface_train.app, name="train")


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    if sys.stderr.isatty():
        _show_what_takes_long()
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
            said = error.format_message().replace("Value error, ", "").strip().removesuffix(".")
            command = getattr(getattr(error, "ctx", None), "command_path", "emberface")
            return _refuse(f"{said}; {command} --help shows what there is")
        if type(error).__name__ == "Abort":
            return 130
        raise


def _refuse(message: str) -> int:
    print("emberface: " + " ".join(message.split()), file=sys.stderr)
    return 2


def _show_what_takes_long() -> None:
    log = logging.getLogger("flame_tools.compiled")
    if not log.handlers:
        shown = logging.StreamHandler()
        shown.setFormatter(logging.Formatter("emberface: %(message)s"))
        log.addHandler(shown)
        log.setLevel(logging.INFO)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"emberface {emberface.__version__}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which.")] = False,
) -> None:
    pass


@app.command()
def demo(out: Out = Path("demo"), seed: Seed = 0, json: Json = False) -> None:
    """The main job on bundled input: a photo and a voice become a talking head, in every format."""
    from animate.audio_file import read_audio
    from flame_tools.load import load_head
    from render.image import read_image
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
            write_picture(job, comparison(pixels, person, head), person, head, out / "demo.png")
        write_all(job, track, head, places)
        with job.step("measure"):
            job.quality = recon_quality(person) | performance_quality(track, head)
        say(job.finish(report), json)


@app.command("animate")
def animate_(
    speech: Annotated[list[Path], typer.Argument(help="A recording, or several: WAV, FLAC, OGG, MP3, M4A.")],
    out: Out,
    text: Text = None,
    texts: Texts = None,
    phones: Phones = None,
    emotion: Emotion = None,
    emotion_track: EmotionFile = None,
    emotion_model: EmotionModel = None,
    identity: Annotated[Path | None, typer.Option("--identity", help="Whose face: a NAME.face.npz.")] = None,
    learnt: Model = None,
    audio_guidance: AudioGuidance = None,
    emotion_guidance: EmotionGuidance = None,
    life: Life = None,
    head: HeadName = "default",
    format: Formats = "glb,csv,mp4",
    fps: Fps = "30",
    seed: Seed = 0,
    takes: Takes = 1,
    json: Json = False,
) -> None:
    """Speech to a performance, or to several; each recording to one of its name."""
    from animate.letters import spoken_words
    from animate.life import life_of
    from emberface_animate import Asked, animate_all, recordings_of

    check_there(identity)
    recordings = recordings_of(speech, out, format, text=text, texts=texts, phones=phones)
    if text is not None:
        spoken_words(text)
    asked = Asked(
        emotion=emotion,
        emotion_track=emotion_track,
        emotion_model=emotion_model,
        identity=identity,
        model=learnt,
        sampling=sampling_of(audio_guidance, emotion_guidance),
        life=life_of(life),
        head=head,
        fps=fps,
        rate=frame_rate_of(fps),
        seed=seed,
        takes=takes,
    )
    animate_all(recordings, asked, as_json=json)


@app.command("recon")
def recon_(
    images: Annotated[
        list[Path], typer.Argument(help="A photo, several of one person, a video file, a GIF, or a folder of frames.")
    ],
    out: Out,
    all: Annotated[bool, typer.Option("--all", help="Every face, the largest or the longest seen first.")] = False,
    one_moment: Annotated[
        bool, typer.Option("--one-moment", help="The pictures show one expression, from several sides.")
    ] = False,
    photometric: Annotated[
        bool, typer.Option(help="Refine photos by the skin's shading, not by landmarks alone.")
    ] = True,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="auto, solve (MediaPipe's landmarks), or regress (as networks tell at a glance): a photo or a film.",
        ),
    ] = "auto",
    camera: Annotated[
        Perspective, typer.Option("--camera", help="weak: the whole head at one depth, as DECA and SMIRK see it.")
    ] = Perspective.perspective,
    focal: Annotated[float | None, typer.Option("--focal", help="The camera's focal length in pixels.")] = None,
    causal: Annotated[bool, typer.Option("--causal", help="Smooth a film without looking ahead.")] = False,
    parts: Annotated[
        Path | None, typer.Option("--parts", help="Keep what is read and fitted of a film here, and go on from there.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", help="Read by a published DECA, EMOCA, EMICA, SMIRK, SPECTRE or TEASER file."),
    ] = None,
    detail: Annotated[
        bool, typer.Option("--detail", help="Read folds and wrinkles, too; they leave as normal maps and heights.")
    ] = False,
    page: Annotated[bool, typer.Option("--report", help="A page to look at: NAME.report.html.")] = False,
    head: HeadName = "default",
    format: Formats = "glb,png",
    json: Json = False,
) -> None:
    """Photos or a film to a head: identity, expression, pose and texture, and a film's performance."""
    check_pictures(images)
    check_there(checkpoint)
    from flame_tools.load import load_head
    from recon.texture.taken_from import taken_from
    from render.footage import is_film
    from render.performance import comparison

    if len(images) > 1 and (all or any(is_film(image) for image in images)):
        raise InputError("several pictures must be photos of one person; give a film, or --all faces of a photo, alone")
    source = images if len(images) > 1 else images[0]
    places, report = places_of(out, images[0].stem, format)
    inputs = {"image": str(images[0]) if len(images) == 1 else [str(i) for i in images], "all": all, "head": head}
    inputs |= {"method": method, "camera": camera.value, "focal": focal, "one_moment": one_moment}
    inputs |= {"photometric": photometric, "causal": causal, "parts": parts and str(parts), "detail": detail}
    inputs |= {"checkpoint": checkpoint and str(checkpoint)}
    reads = images if checkpoint is None else [*images, checkpoint]
    page_place = [report.with_suffix(".html")] if page else []
    both = page and is_film(images[0])
    with Run("recon", inputs, reads=reads, show=not json) as job, _film_parts(parts, both) as parts:
        job.prepare(*places, *page_place, report)
        with job.step("load"):
            model = load_head(head)
            if page:
                from recon.report.fitted import check_landmarks

                check_landmarks(model.arrays)
        with job.step("recon", "finding and fitting the face"):
            options = {
                "all_faces": all, "focal_px": focal, "method": method, "one_moment": one_moment,
                "photometric": photometric, "causal": causal, "parts": parts, "checkpoint": checkpoint,
                "weak": camera is Perspective.weak, "detail": detail,
            }  # fmt: skip
            found = emberface.recon(source, head=model, progress=job.share, **options)
            tracks = found if all else [found]
        for i, track in enumerate(tracks, 1):
            mine = places if len(tracks) == 1 else [numbered(place, i) for place in places]
            drawn = [p for p in mine if emberface.kind_of(p) == ".png"]
            write_all(job, track, model, [p for p in mine if p not in drawn])
            for place in drawn:
                with job.step("png", "comparing with the photo"):
                    frame, pixels = taken_from(source, track)
                    write_picture(job, comparison(pixels, track, model, frame=frame), track, model, place)
        job.quality = recon_quality(tracks[0])
        for place in page_place:
            from recon.report.write import write_report

            with job.step("report", "drawing the report"):
                job.quality["report"] = write_report(
                    tracks, model, source, job.output(place), numbers=False, parts=parts, progress=job.share
                )
                job.take_along(place)
        if len(tracks) > 1:
            job.quality["faces"] = [recon_quality(track) for track in tracks]
        say(job.finish(report), json)


@contextlib.contextmanager
def _film_parts(parts: Path | None, needed: bool) -> Iterator[Path | None]:
    """The folder for what is read of a film: that which was asked for, or one for as long as it is needed twice."""
    if parts is not None or not needed:
        yield parts
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@app.command("fit")
def fit_(
    scan: Annotated[Path, typer.Argument(help="OBJ, PLY, STL, GLB or glTF; or a folder with several of one person.")],
    out: Out,
    head: HeadName = "default",
    registered: Annotated[
        Registered, typer.Option("--registered", help="Whether the vertices are the head's own.")
    ] = Registered.auto,
    offsets: Annotated[
        bool, typer.Option("--offsets", help="Add a smooth field for what the parameters cannot express.")
    ] = False,
    format: Formats = "glb,png",
    json: Json = False,
) -> None:
    """A mesh or a raw scan to a head, in any unit and orientation."""
    check_there(scan)
    from flame_tools.load import load_head
    from recon.scan.file import scan_files
    from recon.scan.picture import comparison
    from recon.scan.pipeline import fit_files

    places, report = places_of(out, scan.stem, format)
    inputs = {"scan": str(scan), "head": head, "registered": registered.value, "offsets": offsets}
    with Run("fit", inputs, reads=scan_files(scan), show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            model = load_head(head)
        with job.step("fit", "finding the face and fitting the head"):
            known = {"auto": None, "yes": True, "no": False}[registered.value]
            found = fit_files(scan, model, offsets=offsets, registered=known)
        write_all(job, found.track, model, [p for p in places if p.suffix != ".png"])
        for place in (p for p in places if p.suffix == ".png"):
            with job.step("png", "comparing with the scan"):
                image = comparison(found.upright[0], found.distance[0], model, found.vertices[0])
                write_picture(job, image, found.track, model, place)
        job.quality = recon_quality(found.track)
        say(job.finish(report), json)


@app.command("render")
def render_(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz, or what convert reads.")],
    out: Out,
    view: Annotated[
        View, typer.Option("--view", help="From where; turntable: all round; sheet: three sides beside each other.")
    ] = View.portrait,
    passes: Annotated[
        str, typer.Option("--passes", help="Any of shaded, albedo, normals, depth, uv, mask, with commas.")
    ] = "shaded",
    wireframe: Annotated[bool, typer.Option("--wireframe", help="Draw the mesh over the shaded picture.")] = False,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="Another track beside it; on one head, the distances too.")
    ] = None,
    backend: Annotated[
        Backend, typer.Option("--backend", help="gl: draw by OpenGL; needs pip install 'emberface[gl]'.")
    ] = Backend.numba,
    head: OwnHead = None,
    size: Size = "720x720",
    json: Json = False,
) -> None:
    """Draw a track: .mp4 with sound, .webp or .gif without, .png, or a page to play it: .html."""
    if emberface.kind_of(out) not in emberface.DRAWN:
        raise InputError(f"cannot draw to {out}; wanted a name that ends in {', '.join(emberface.DRAWN)}")
    options = {
        "view": view.value,
        "passes": tuple(name.strip() for name in passes.split(",") if name.strip()),
        "wireframe": wireframe,
        "backend": backend.value,
    }
    if compare is not None:
        names = tuple(path.name.removesuffix(".face.npz") for path in (track, compare))
        options |= {"compare": compare, "names": names}
    _convert("render", track, [out], head, size_of(size), json, drawn=options)


@app.command()
def convert(
    track: Annotated[
        Path, typer.Argument(help="A NAME.face.npz, a Live Link Face CSV, an animated GLB or FBX, FLAME parameters.")
    ],
    out: Annotated[
        list[Path], typer.Option("-o", "--out", help="NAME.glb, .fbx, .usdz, .csv, .wav, .mp4, ..., a folder for OBJ.")
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="Move the performance to this head first: a name, or a head's file.")
    ] = None,
    lod: Annotated[
        float | None, typer.Option("--lod", min=0.05, max=1.0, help="Share of the triangles, as 0.25 for a game.")
    ] = None,
    fps: Annotated[str | None, typer.Option("--fps", help="Read the track at another rate, 10 to 120.")] = None,
    frame: Annotated[int | None, typer.Option("--frame", min=0, help="Only this one, counted from 0.")] = None,
    unit: Unit = None,
    up: Up = None,
    shapes: Shapes = None,
    names: Names = None,
    tolerance: Tolerance = None,
    inbetweens: Inbetweens = 0,
    made_from: Annotated[
        Path | None,
        typer.Option("--from", help="The NAME.face.npz that an edited file was made from: what it lacks is put back."),
    ] = None,
    audio: Annotated[Path | None, typer.Option("--audio", help="A recording: set or replace the sound.")] = None,
    head: OwnHead = None,
    size: Size = "720x720",
    json: Json = False,
) -> None:
    """A track to other files, to other heads, at other rates; -o may be given several times."""
    rate = None if fps is None else frame_rate_of(fps)
    options = export_options(unit, up, shapes, names, tolerance, inbetweens)
    _convert(
        "convert", track, out, head, size_of(size), json, to, lod, fps=rate, frame=frame, options=options,
        made_from=made_from, audio=audio,
    )  # fmt: skip


@app.command()
def view(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz, or what convert reads.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 0,
    compare: Annotated[Path | None, typer.Option("--compare", help="Another track beside it.")] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Show it in the browser.")] = True,
    head: OwnHead = None,
) -> None:
    """Look at a track in the browser: play, turn, sliders, curves. Nothing outside this machine can reach it."""
    other = None if compare is None else emberface.load(compare)
    names = tuple(path.name.removesuffix(".face.npz") for path in (track, compare) if path is not None)
    options = {"names": names} if compare is not None else {"title": names[0]}
    served = emberface.view(emberface.load(track, head=head), head=head, port=port, compare=other, **options)
    print(f"{served.url}  (Ctrl-C ends it)", flush=True)
    if browser:
        import webbrowser

        webbrowser.open(served.url)
    served.run()


@app.command()
def live(
    source: Annotated[str, typer.Argument(help="A NAME.face.npz, a voice, microphone, a film, camera or camera:NAME.")],
    to: Annotated[str, typer.Option("--to", help="livelink or vmc, or either with :HOST:PORT.")] = "livelink",
    loop: Annotated[bool, typer.Option("--loop", help="Over and over, until Ctrl-C.")] = False,
    subject: Annotated[str, typer.Option("--subject", help="The name that the engine shows.")] = "emberface",
    emotion: Annotated[str | None, typer.Option("--emotion", help="What a voice feels, such as happy:0.6.")] = None,
    seed: Seed = 0,
    head: OwnHead = None,
    json: Json = False,
) -> None:
    """Stream a performance, a voice as it is heard, or a face before a camera to an engine."""
    from flame_tools.load import load_head

    def started() -> None:
        if not json:
            print(f"streaming {source} to {to}; Ctrl-C ends it", file=sys.stderr)

    model = load_head(head) if head else None
    if _is_seen(source):
        from recon.film.live_stream import live as seen

        if loop or emotion is not None or seed:
            raise InputError(f"{source} is a picture; --loop, --emotion and --seed are for performances and voices")
        report = seen(source, to=to, subject=subject, head=model, started=started)
    else:
        from animate.live import live as heard

        report = heard(
            source, to=to, loop=loop, subject=subject, emotion=emotion, seed=seed, head=model, started=started
        )
    say_figures(vars(report), json)


def _is_seen(source: str) -> bool:
    """Whether a live source is a camera or a film, and no voice or performance."""
    from render.footage import is_film

    return source.partition(":")[0] == "camera" or is_film(source)


def _convert(
    command: str,
    source: Path,
    places: list[Path],
    head: str | None,
    size: tuple[int, int],
    as_json: bool,
    to: str | None = None,
    lod: float | None = None,
    drawn: dict | None = None,  # options of emberface.render
    fps: Fraction | None = None,
    frame: int | None = None,
    options: Options | None = None,  # of emberface.export
    made_from: Path | None = None,
    audio: Path | None = None,
) -> None:
    from flame_tools.imports.edited import remarks
    from flame_tools.load import head_of, load_head

    for place in places:
        if emberface.kind_of(place) == ".face.npz" and lod is not None:
            raise InputError(f"{place} holds parameters and no triangles; --lod is for meshes, such as NAME.glb")
        emberface.options_for(place, options)
    drawn = dict(drawn or {})
    compare = drawn.get("compare")
    reads = [path for path in (source, compare, made_from, audio) if path is not None]
    check_there(*reads)
    asked = {name: value for name, value in (("to", to), ("lod", lod), ("frame", frame)) if value is not None}
    asked |= {name: str(value) if name == "compare" else value for name, value in drawn.items() if name != "names"}
    asked |= {} if fps is None else {"fps": str(fps)}
    asked |= {} if options is None else {name: getattr(options, name) for name in sorted(options.asked())}
    asked |= {name: str(path) for name, path in (("from", made_from), ("audio", audio)) if path is not None}
    inputs = {"track": str(source), "head": head or "its own"} | asked
    with Run(command, inputs, reads=reads, show=not as_json) as job:
        job.prepare(*places)
        job.prepare(report_beside(places[0]))
        with job.step("load"):
            like = None if made_from is None else emberface.load(made_from)
            track = emberface.load(source, head=head, fps=fps, like=like, audio=audio)
            if lost := not_read(track, source):
                job.warn(
                    f"no {' and no '.join(lost)} is read of {source}; emberface convert --from the NAME.face.npz that "
                    "it was made from puts all back"
                )
            for said in remarks(track, str(source)) if like is not None else ():
                job.warn(said)
            if compare:
                drawn["compare"] = emberface.load(compare)
            model = load_head(head) if head else head_of(track)
        if to:
            with job.step("transfer", "moving the performance to the other head"):
                target = load_head(to)
                track, model = emberface.transfer(track, target, head=model), target
                job.quality = {"residual_mm": track.provenance["transfer"]["residual_mm"]}
        if frame is not None:
            track = _one_frame(track, frame, source)
        if lod is not None:
            from flame_tools.surface.lod import at_detail

            with job.step("lod", "leaving out triangles"):
                track, model = at_detail(track, model, lod)
        write_all(job, track, model, places, size, drawn, options)
        say(job.finish(report_beside(places[0])), as_json)


def _one_frame(track: Track, frame: int, source: Path) -> Track:
    from flame_tools.posing import at_frames

    if frame >= len(track):
        raise InputError(f"{source} has no frame {frame}; it has {len(track)}, counted from 0")
    return at_frames(track, [frame])
