"""`emberface convert` and `emberface render`: a track to other files, to other heads, to pictures and films."""

from __future__ import annotations

import json as json_module
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import emberface
from emberface_formats import DRAWN, kind_of, options_for
from emberface_inputs import check_there, told_apart
from emberface_options import (
    USUAL_SIZE,
    Backend,
    Inbetweens,
    Json,
    Names,
    Out,
    OwnHead,
    Shapes,
    Size,
    Tolerance,
    Unit,
    Up,
    View,
    export_options,
    frame_rate_of,
    need_programs,
    not_read,
    report_beside,
    say,
    size_of,
)
from emberface_run import Run, write_all
from flame_tools.errors import InputError

if TYPE_CHECKING:
    from flame_tools import Track
    from flame_tools.export import Options


def render(
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
    size: Size = USUAL_SIZE,
    json: Json = False,
) -> None:
    """Draw a track: .mp4 with sound, .webp or .gif without, .png, or a page to play it: .html."""
    if kind_of(out) not in DRAWN:
        raise InputError(f"cannot draw to {out}; wanted a name that ends in {', '.join(DRAWN)}")
    options = {
        "view": view.value,
        "passes": tuple(name.strip() for name in passes.split(",") if name.strip()),
        "wireframe": wireframe,
        "backend": backend.value,
    }
    if compare is not None:
        options |= {"compare": compare, "names": told_apart(track, compare)}
    _convert("render", track, [out], head, size, json, drawn=options)


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
    size: Size = USUAL_SIZE,
    json: Json = False,
) -> None:
    """A track to other files, to other heads, at other rates; -o may be given several times."""
    rate = None if fps is None else frame_rate_of(fps)
    options = export_options(unit, up, shapes, names, tolerance, inbetweens)
    _convert(
        "convert", track, out, head, size, json, to, lod, fps=rate, frame=frame, options=options,
        made_from=made_from, audio=audio,
    )  # fmt: skip


def _convert(
    command: str,
    source: Path,
    places: list[Path],
    head: str | None,
    size: str,
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
    for place in places:
        if kind_of(place) == ".face.npz" and lod is not None:
            raise InputError(f"{place} holds parameters and no triangles; --lod is for meshes, such as NAME.glb")
        options_for(place, options)
    drawn = dict(drawn or {})
    compare = drawn.get("compare")
    reads = [path for path in (source, compare, made_from, audio) if path is not None]
    check_there(*reads)
    panel = size_of(size)
    asked = {name: value for name, value in (("to", to), ("lod", lod), ("frame", frame)) if value is not None}
    asked |= {name: str(value) if name == "compare" else value for name, value in drawn.items() if name != "names"}
    asked |= {} if fps is None else {"fps": str(fps)}
    asked |= {} if options is None else {name: getattr(options, name) for name in sorted(options.asked())}
    asked |= {name: str(path) for name, path in (("from", made_from), ("audio", audio)) if path is not None}
    inputs = {"track": str(source), "head": head or "its own"} | asked
    with Run(command, inputs, reads=reads, show=not as_json) as job:
        job.prepare(*places)
        report = _report_place(places[0])
        job.prepare(report)
        from flame_tools.imports.edited import remarks  # and with it torch, for which refusals need not wait
        from flame_tools.load import head_of, load_head

        if len(places) > 1:  # one alone says it as soon
            need_programs(places)
        with job.step("load"):
            like = None if made_from is None else emberface.load(made_from)
            track = emberface.load(source, head=head, fps=fps, like=like, audio=audio)
            if lost := not_read(track, source):
                job.warn(
                    f"no {' and no '.join(lost)} is read of {source}; emberface convert --from the NAME.face.npz that "
                    "it was made from puts all back"
                )
            if track.provenance.get("rate_assumed") and len(track) > 1:
                job.warn(
                    f"no second ends in the timecodes of {source}: they are taken for 60 frames a second; if they are "
                    "not, give what it was made from by --from, or say read_csv(..., timecode_fps=30) in Python"
                )
            if unseen := track.provenance.get("faceless"):
                job.warn(f"{source} saw no face in {unseen} of its rows: the face goes straight through these")
            if other := track.provenance.get("made_on"):
                job.warn(
                    f"{source} was made on head {other!r} and is read on {track.head_id!r} by ARKit's names; --head "
                    f"{other} reads it whole"
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
        write_all(job, track, model, places, panel, drawn, options)
        say(job.finish(report), as_json)


def _report_place(place: Path) -> Path:
    """NAME.report.json, unless that tells of how the performance itself was made: then NAME.KIND.report.json."""
    usual = report_beside(place)
    try:
        of_another = json_module.loads(usual.read_text("utf-8"))["command"] not in ("convert", "render")
    except (OSError, ValueError, KeyError, TypeError):
        of_another = False
    return place.with_name(f"{place.name}.report.json") if of_another else usual


def _one_frame(track: Track, frame: int, source: Path) -> Track:
    from flame_tools.posing import at_frames

    if frame >= len(track):
        raise InputError(f"{source} has no frame {frame}; it has {len(track)}, counted from 0")
    return at_frames(track, [frame])
