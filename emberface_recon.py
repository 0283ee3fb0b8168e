"""`emberface recon` and `emberface fit`: photos, a film or scans to a head."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

import emberface
from emberface_eval import recon_quality
from emberface_formats import kind_of
from emberface_inputs import check_pictures, check_there
from emberface_options import (
    Formats,
    HeadName,
    Json,
    Out,
    Perspective,
    Registered,
    need_programs,
    numbered,
    places_of,
    say,
)
from emberface_run import Run, write_all, write_picture
from flame_tools.errors import InputError


def recon(
    images: Annotated[
        list[Path], typer.Argument(help="A photo, several of one person, a video file, a GIF, or a folder of frames.")
    ],
    out: Out,
    all: Annotated[bool, typer.Option("--all", help="Every face, the largest or the longest seen first.")] = False,
    one_moment: Annotated[
        bool | None,
        typer.Option(help="The pictures show one expression, from several sides, or do not: told by their landmarks."),
    ] = None,
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
        need_programs(places)
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
            drawn = [p for p in mine if kind_of(p) == ".png"]
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


def fit(
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
        need_programs(places)
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
