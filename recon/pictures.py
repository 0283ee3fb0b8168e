"""Several pictures of one person to one Track: one identity, and a frame for each picture."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import Camera, FaceParams, Track
from readers.faces import read_faces
from recon.detail.pressed import without_pressed_folds
from recon.fitting.evaluate import IBUG_68, cross_errors, errors
from recon.fitting.fit import LandmarkFit, fit_many, same_lens
from recon.fitting.focal import focal_from_exif
from recon.fitting.observation import Observation, View
from recon.fitting.one_moment import fit_moments
from recon.fitting.photometric import refine
from recon.fitting.shut_lips import lips_met
from recon.learned.regressor import Regressor
from recon.pipeline import (
    check_image,
    landmark_model,
    network_for,
    observe,
    params_of,
    reader_of,
    shut_in,
    size_from,
    trouble,
)
from recon.texture.appearance import fuse_appearance
from recon.texture.posed_view import PosedView
from recon.texture.uv_map import check_uv
from render.image import read_image

MOST_PICTURES = 64


def read_pictures(
    sources: Sequence[str | os.PathLike | np.ndarray],  # files, or uint8 [H, W, 3] sRGB
    *,
    focal_px: float | None = None,  # of every camera; None: as a file's EXIF data says
    weak: bool = False,  # cameras of weak perspective
) -> tuple[list[np.ndarray], list[View]]:
    """The pixels of each picture, and what is known of its camera."""
    pictures, views = [], []
    for source in sources:
        is_file = isinstance(source, (str, os.PathLike))
        pictures.append(read_image(source) if is_file else source)
        check_image(pictures[-1], focal_px)
        focal = focal_from_exif(source) if focal_px is None and is_file and not weak else focal_px
        views.append(View((pictures[-1].shape[1], pictures[-1].shape[0]), focal, weak=weak))
    return pictures, views


@one_blas_thread()
def reconstruct_many(
    images: Sequence[np.ndarray],  # each uint8 [H, W, 3] sRGB, of any size
    head: Head,
    *,
    views: Sequence[View] | None = None,  # what is known of each picture's camera
    one_moment: bool | None = None,  # the pictures show one expression, from several sides; None: where it seems so
    photometric: bool = True,  # refine what is fitted by shading, and by how the skin matches between pictures
) -> Track:
    """One Track of the largest face of each picture, which must all be of one person.

    `time_s` counts the pictures. Each frame has its own pose and camera (pictures of one size whose focal length is not
    known share one), and an expression of its own unless the pictures are of `one_moment`; where that is not said,
    their landmarks tell (recon.fitting.one_moment), and `provenance["one_moment"]` says. One texture is made of all
    pictures. Pictures whose cameras are calibrated (View.world_to_camera) are of one moment, and lie in the cameras'
    world.

    Raises InputError where a picture has no usable face, or only some of the cameras are known.
    """
    if not 1 <= len(images) <= MOST_PICTURES:
        raise InputError(f"{len(images)} pictures were given; wanted 1 to {MOST_PICTURES} of one person")
    views = views or [View((image.shape[1], image.shape[0])) for image in images]
    if len({view.weak for view in views}) > 1:
        raise InputError("some cameras are of weak perspective and some are not; wanted one kind for all pictures")
    net = network_for(head.arrays.id)
    numbered = enumerate(zip(images, views, strict=True), 1)
    seen = [_observe(image, view, head, net, i) for i, (image, view) in numbered]
    check_uv(head.arrays)
    model = landmark_model(head.arrays)
    lens = same_lens(seen)
    if one_moment is None:
        one_moment, fits = fit_moments(head.arrays, model, seen, one_camera=lens)
    else:
        fits = fit_many(head.arrays, model, seen, one_moment=one_moment, one_camera=lens)
    alike = {"one_moment": one_moment, "one_camera": lens}
    left_out = cross_errors(head.arrays, model, seen, start=fits, **alike)
    if photometric:
        fits = refine(head.arrays, model, images, seen, fits, **alike).fits
    params = _together([params_of(f, f.unknowns, unknown=0.0, dtype=head.v_template.dtype) for f in fits])
    params = lips_met(params, np.concatenate([shut_in(s, head) for s in seen]), head)
    sds = [s.view.told(f.sd, f.layout) for f, s in zip(fits, seen, strict=True)]
    std = _together(
        [params_of(f, sd, unknown=float("nan"), dtype=params.shape.dtype) for f, sd in zip(fits, sds, strict=True)]
    )
    cameras = [s.view.camera(f.focal) for f, s in zip(fits, seen, strict=True)]
    with torch.no_grad():
        vertices = head.vertices(params).cpu().numpy().astype(np.float64)
    posed = list(map(PosedView, images, vertices, cameras, seen))
    taken = fuse_appearance(posed, head.arrays)
    best = taken.best
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=np.arange(len(images), dtype=np.float64),
        camera=Camera(
            np.stack([c.focal for c in cameras]),
            np.stack([c.centre for c in cameras]),
            cameras[best].size,
            cameras[best].orthographic,
            world_to_camera=np.stack([c.world_to_camera for c in cameras]),
        ),
        std=std,
        visibility=np.array(taken.coverages, np.float32),
        appearance=without_pressed_folds(taken.appearance, posed[best], head, params.frame(best)),
        provenance={
            "made_by": "recon.pictures",
            "landmarks": reader_of(seen[0]),
            "quality": {
                "nme_468": round(float(left_out.mean()), 5),
                "nme_68": round(float(left_out[:, list(IBUG_68)].mean()), 5),
                "nme_468_fitted": round(
                    float(np.mean([errors(f, s.landmarks) for f, s in zip(fits, seen, strict=True)])), 5
                ),
                "coverage": 1.0,
            },
            "pictures": [
                {"size": list(c.size), "nme_468": round(float(e.mean()), 5)}
                for c, e in zip(cameras, left_out, strict=True)
            ],
            "one_moment": one_moment,
            "iris_srgb": taken.iris.tolist(),
            "texture_from": best,
            "metric_scale": size_from([s.view for s in seen]),
            **_focal_of(fits, seen),
        },
        licences=(head.arrays.licence,),
    )


def _observe(image: np.ndarray, view: View, head: Head, net: Regressor | None, number: int) -> Observation:
    check_image(image, view.focal_px)
    readings = read_faces(image)
    if not readings:
        raise InputError(f"no face was found in picture {number} ({view.size[0]} x {view.size[1]} pixels)")
    why = trouble(readings[0])
    if why is not None:
        raise InputError(f"picture {number}: {why}")
    return observe(image, readings[0], view, head.arrays, net)


def _focal_of(fits: Sequence[LandmarkFit], seen: Sequence[Observation]) -> dict:
    """The mean focal length as provenance has it, and whether all were known; nothing of weak perspective."""
    if seen[0].view.weak:
        return {}
    mean = float(np.mean([one.focal for one in fits]))
    return {"focal_px": {"value": round(mean, 1), "known": all(s.view.focal_px is not None for s in seen)}}


def _together(frames: list[FaceParams]) -> FaceParams:
    """Params of one frame each, with one shape, as one over all frames."""
    names = [name for name in FaceParams.__dataclass_fields__ if name != "shape"]
    return FaceParams(shape=frames[0].shape, **{n: torch.cat([getattr(f, n) for f in frames]) for n in names})
