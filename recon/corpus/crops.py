"""A corpus as the crops that trainings learn from: fitted faces in the place of those that are known exactly."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams
from recon.corpus.read import samples
from recon.corpus.sample import Sample
from recon.fitting.face_vector import face_vector
from recon.fitting.rotation import rotation_matrix
from recon.learned.crop import CUT, CropCamera, anchor_of
from recon.synthetic.crops import Crops


def read_crops(folder: str | os.PathLike, head: Head, *, split: str = "train", count: int | None = None) -> Crops:
    """The first `count` samples of a split. Raises InputError where they were fitted with another head."""
    return crops_of(islice(samples(folder, split), count), head)


def crops_of(found: Iterable[Sample], head: Head) -> Crops:
    """Samples as crops: `true` is where the landmarks were taken to be, all else is of the fit."""
    anchor = anchor_of(head.arrays)
    rows = [_row(sample, head, anchor) for sample in found]
    if not rows:
        raise InputError("there are no samples; build a corpus of more pictures, or with a lower --min-quality")
    return Crops(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})


def _row(sample: Sample, head: Head, anchor: np.ndarray) -> dict[str, np.ndarray]:
    if sample.facts.get("head") != head.arrays.id:
        raise InputError(
            f"{sample.key} was fitted with head {sample.facts.get('head')!r}, not {head.arrays.id!r}; use that one"
        )
    params = sample.params.map(lambda value: value.to(head.v_template))
    face = params.in_head_frame()
    with torch.no_grad():
        rest = head.landmarks(head.vertices(FaceParams.neutral(head).replace(shape=face.shape)), "468")
        expressed = head.landmarks(head.vertices(face), "468")
    a = head.arrays
    root = a.J_regressor[0] @ (a.v_template + a.shapedirs @ params.shape.double().numpy())
    turn = rotation_matrix(params.global_rotation.double().numpy())
    at = turn @ (anchor - root) + root + params.translation.double().numpy()
    camera = CropCamera(sample.crop, float(sample.camera.focal[0]), sample.camera.centre)
    rotation, place = camera.to_crop(turn, at)
    values = {
        "read": sample.landmarks[:468], "iris": sample.landmarks[468:, :2], "true": sample.placed[:, :2],
        "face": face_vector(params), "neutral": rest.numpy(), "expressed": expressed.numpy(),
        "rotation": rotation, "place": place, "distance": np.log(-at[2]),
    }  # fmt: skip
    return {"picture": _reduced(sample.picture)} | {n: np.asarray(v, np.float32) for n, v in values.items()}


def _reduced(picture: np.ndarray) -> np.ndarray:
    """To CUT pixels a side."""
    from PIL import Image

    if len(picture) == CUT:
        return picture
    return np.asarray(Image.fromarray(picture).resize((CUT, CUT), Image.Resampling.BOX if len(picture) > CUT else None))
