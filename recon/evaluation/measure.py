"""One picture's figures, from files to plain numbers: what `eval scan`, `eval expression` and `eval lips` say."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.load import head_of, load_head
from flame_tools.track_file import load_track
from recon.evaluation.expression import expression_errors
from recon.evaluation.groups import Measured
from recon.evaluation.inputs import mesh_of_track, read_face_mesh, read_face_scan
from recon.evaluation.lips import lip_errors
from recon.evaluation.manifest import Picture
from recon.evaluation.nonrigid import by_region, corresponding
from recon.evaluation.now import scan_to_mesh
from recon.evaluation.performances import Performance, read_performance
from recon.evaluation.summary import CURVE_MM, cumulative, summarised

HeadOf = Callable[[Path], Head]


@dataclass(frozen=True)
class ScanOptions:
    """How a mesh is held against a scan."""

    scale: bool = False
    """Whether the mesh may be resized (NoW's non-metrical challenge)."""
    nonrigid: bool = False
    """Whether distances between corresponding points are measured as well."""
    regions: bool = False
    """Whether nose, mouth, forehead and cheeks are measured each by itself."""
    at_rest: bool = False
    """Whether a track's person is measured at rest, as NoW's scans are, instead of a frame."""
    curve: bool = False
    """Whether the cumulative curve is given."""


def heads(name: str | None) -> HeadOf:
    """Which head a prediction is on: the one named, or a track's own; loaded once each."""
    loaded: dict[str, Head] = {}

    def head(path: Path) -> Head:
        if name or not str(path).endswith(".npz"):
            if "" not in loaded:
                loaded[""] = load_head(name or "default")
            return loaded[""]
        track = load_track(path)
        if track.head_id not in loaded:
            loaded[track.head_id] = head_of(track)
        return loaded[track.head_id]

    return head


def picture_of(prediction: str | os.PathLike, truth: str | os.PathLike, **more) -> Picture:
    """A picture without a table."""
    blank = {"landmarks": None, "prediction_landmarks": None, "unit": None, "prediction_unit": None}
    blank |= {"frame": 0, "neutral": None, "subject": None, "attributes": {}}
    return Picture(row=1, prediction=Path(prediction), truth=Path(truth), **(blank | more))


def measure_scan(picture: Picture, head_of_file: HeadOf, options: ScanOptions = ScanOptions()) -> tuple[Measured, dict]:
    """Figures in mm, and facts: the scan's unit, where its landmarks come from, the mesh's scale, the curve."""
    path = picture.prediction
    head = head_of_file(path)
    if str(path).endswith(".npz"):
        mesh = mesh_of_track(load_track(path), head, frame=picture.frame, at_rest=options.at_rest, name=str(path))
    elif picture.prediction_landmarks is None:
        raise InputError(f"{path} is a mesh; give its seven landmarks, too (.txt or .npy), or a NAME.face.npz")
    else:
        mesh = read_face_mesh(
            path, picture.prediction_landmarks, unit=picture.prediction_unit or "m", any_size=options.scale
        )
    scan = read_face_scan(picture.truth, head.arrays, landmarks=picture.landmarks, unit=picture.unit)
    errors = scan_to_mesh(scan.face, mesh, scale=options.scale)
    figures = dataclasses.asdict(summarised(errors.distances))
    if options.nonrigid:
        whole = summarised(corresponding(errors, scan.face, mesh))
        figures |= {f"nonrigid_{name}": getattr(whole, name) for name in ("median_mm", "mean_mm", "std_mm")}
    if options.regions:
        for name, region in by_region(errors, scan.face, mesh).items():
            figures |= {f"{name}_mm": float(region.nearest.mean())}
            figures |= {f"{name}_nonrigid_mm": float(region.corresponding.mean())}
    facts = {"unit": scan.unit, "landmarks": scan.landmarks, "scale": errors.to_scan.scale}
    facts |= {"inside_left_out": scan.inside}
    if options.curve:
        facts |= {"curve_mm": list(CURVE_MM), "curve_share": [round(x, 5) for x in cumulative(errors.distances)]}
    return Measured(figures, errors.distances), facts


def measure_expression(picture: Picture, head_of_file: HeadOf) -> dict:
    """Every figure of `expression_errors`, regions as a dict of dicts."""
    found, truth, head = _two(picture, head_of_file)
    return dataclasses.asdict(expression_errors(found, truth, head.arrays))


def measure_lips(picture: Picture, head_of_file: HeadOf) -> dict:
    """Every figure of `lip_errors`."""
    found, truth, head = _two(picture, head_of_file)
    return dataclasses.asdict(lip_errors(found, truth, head.arrays))


def flat(figures: dict) -> dict[str, float | None]:
    """Figures of regions as `lips_displacement_error_mm`; counts left out."""
    plain = {name: value for name, value in figures.items() if isinstance(value, float) or value is None}
    for region, inner in figures.get("regions", {}).items():
        plain |= {f"{region}_{name}": value for name, value in inner.items()}
    return plain


def _two(picture: Picture, head_of_file: HeadOf) -> tuple[Performance, Performance, Head]:
    head = head_of_file(picture.prediction)

    def read(path: Path, like: Performance | None = None) -> Performance:
        return read_performance(path, head, neutral=picture.neutral, like=like)

    if str(picture.truth).endswith(".npz"):  # it tells the times of a prediction that has none
        truth = read(picture.truth)
        return read(picture.prediction, truth), truth, head
    found = read(picture.prediction)
    return found, read(picture.truth, found), head
