"""`emberface view` and `emberface live`: to a browser or an engine for as long as it is wanted, and no file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import emberface
from emberface_inputs import check_there, told_apart
from emberface_options import Json, OwnHead, Seed, say_figures
from flame_tools.errors import InputError


def view(
    track: Annotated[Path, typer.Argument(help="A NAME.face.npz, or what convert reads.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")] = 0,
    compare: Annotated[Path | None, typer.Option("--compare", help="Another track beside it.")] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Show it in the browser.")] = True,
    head: OwnHead = None,
) -> None:
    """Look at a track in the browser: play, turn, sliders, curves. Nothing outside this machine can reach it."""
    other = None if compare is None else emberface.load(compare)
    check_there(track, compare)
    if compare is None:
        options = {"title": track.name.removesuffix(".face.npz")}
    else:
        options = {"names": told_apart(track, compare)}
    served = emberface.view(emberface.load(track, head=head), head=head, port=port, compare=other, **options)
    print(f"{served.url}  (Ctrl-C ends it)", flush=True)
    if browser:
        import webbrowser

        webbrowser.open(served.url)
    served.run()


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
    if source != "microphone" and not _is_camera(source):
        check_there(Path(source))
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

    return _is_camera(source) or is_film(source)


def _is_camera(source: str) -> bool:
    return source.partition(":")[0] == "camera"
