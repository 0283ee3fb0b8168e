"""The command line: parse, run, report. Nothing below the commands prints or exits.

Exit codes: 0 all outputs stand, 2 something was refused (one line on stderr says what and why), 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

import emberface
import emberface_corpus
import emberface_eval
import emberface_heads
import emberface_train
from assets.locate import asset_path
from emberface_animate import animate
from emberface_convert import convert, render
from emberface_eval import performance_quality, recon_quality
from emberface_live import live, view
from emberface_options import Json, Out, Seed, say
from emberface_recon import fit, recon
from emberface_run import Run, write_all, write_picture
from flame_tools.errors import FaceError, InputError

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
        _check_nothing_is_lost(get_command(app), arguments)
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


def _check_nothing_is_lost(command, arguments: list[str]) -> None:
    """Of an option that has one value the last would count: a file that was asked for would not be written."""
    while arguments and (below := getattr(command, "commands", {}).get(arguments[0])) is not None:
        command, arguments = below, arguments[1:]
    context = command.context_class(command, resilient_parsing=True)  # what else is wrong is told when it is run
    _, _, given = command.make_parser(context).parse_args(list(arguments))
    for option in given:
        if not (getattr(option, "is_flag", True) or option.multiple) and given.count(option) > 1:
            more = "; several files come of --format" if any("--format" in p.opts for p in command.params) else ""
            raise InputError(f"{option.opts[-1]} is given {given.count(option)} times and has one value{more}")


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


for command in (animate, recon, fit, render, convert, view, live):
    app.command()(command)
