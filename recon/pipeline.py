"""A photo to Tracks: find the faces, read them, fit the head, score the fit, take the texture."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.kept import kept_with_head
from flame_tools.types import Camera, FaceParams, HeadArrays, Track
from readers.faces import FaceReading, read_faces
from readers.tongue import teeth_and_tongue
from recon.detail.pressed import without_pressed_folds
from recon.fitting.evaluate import IBUG_68, Score, cross_score, errors, score_of
from recon.fitting.fit import LandmarkFit, fit
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.observation import Observation, View, observed
from recon.fitting.photometric import refine
from recon.fitting.shut_lips import lips_met, seen_shut
from recon.learned.regressed import base_of, regressed, sharpened
from recon.learned.regressor import Regressor
from recon.texture.appearance import PosedView, fuse_appearance
from recon.texture.uv_map import check_uv

METHODS = ("auto", "solve", "regress")
SMALLEST_FACE_PX = 40
MOST_OUTSIDE = 0.05  # share of the landmarks that may lie beyond the border
MOST_UNSTEADY = 0.03


def reconstruct(
    image: np.ndarray,  # [H, W, 3] uint8 sRGB
    head: Head,
    *,
    all_faces: bool = False,
    focal_px: float | None = None,  # where it is known, from EXIF (recon.fitting.focal) or calibration
    method: str = "auto",  # one of METHODS
    weak: bool = False,  # weak perspective, as DECA and SMIRK see
    photometric: bool = True,  # refine what is fitted by the skin's shading
) -> list[Track]:
    """One-frame Tracks of the faces in a picture, largest first; only the largest unless `all_faces`.

    Each carries its camera, its texture, standard deviations where the solver gives them, and in `provenance` the
    quality (`nme_468`, `nme_68`: fractions of the distance between the eyes, at landmarks left out of a fit to the
    others) and the residual of every landmark. With `all_faces`, faces that are too small or cut off are left out.

    `method` auto fits to the landmarks where recon-base says that they are, solve to those that MediaPipe reads;
    regress takes the face that is likeliest by the parameters and the landmarks that recon-base tells; no landmark is
    left out of the score. For heads that recon-base does not know auto is solve.

    A `weak` camera sees the whole head at one depth. In the Track it is an orthographic one, and the head stands 1.2 m
    before it, since nothing says how far it is; `provenance["weak_perspective"]` has it in DECA's and SMIRK's terms.
    """
    check_image(image, focal_px)
    view = View((image.shape[1], image.shape[0]), focal_px, weak=weak)
    if weak and method == "regress":
        raise InputError("regress sees in perspective; leave --method out, and the face is fitted in weak perspective")
    net = network_for(head.arrays.id, method)
    usable = faces_in(image, all_faces=all_faces)
    tracks = []
    with one_blas_thread():
        check_uv(head.arrays)
        model = landmark_model(head.arrays)
        for reading in usable:
            seen = observe(image, reading, view, head.arrays, net)
            if method == "regress":
                found = regressed(head.arrays, model, seen)
                score = score_of(found, errors(found, seen.landmarks))
            else:
                score = cross_score(head.arrays, model, seen)
                found = fit(head.arrays, model, seen, start=score.fit.unknowns)
                if photometric:
                    (found,) = refine(head.arrays, model, [image], [seen], [found]).fits
            made_by = "recon-base" if method == "regress" else "recon.fit"
            tracks.append(_track(image, head, reading, seen, score, found, made_by))
    return tracks


def faces_in(image: np.ndarray, *, all_faces: bool = False) -> list[FaceReading]:
    """The faces of image uint8 [H, W, 3] that can be used, largest first; only the largest unless `all_faces`.

    Raises InputError where there is none.
    """
    height, width = image.shape[:2]
    readings = read_faces(image, all=all_faces)
    if not readings:
        raise InputError(
            f"no face was found in the picture ({width} x {height} pixels); wanted one whole face, from the front to "
            f"three quarters, at least {SMALLEST_FACE_PX} pixels tall"
        )
    usable = [reading for reading in readings if trouble(reading) is None]
    if not usable:
        raise InputError(trouble(readings[0]))
    return usable


def network_for(head_id: str, method: str = "auto") -> Regressor | None:
    """recon-base, where a method wants it and it knows the head. Raises InputError for a method that cannot be."""
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; choose {', '.join(METHODS)}")
    net = None if method == "solve" else base_of(head_id)
    if method == "regress" and net is None:
        raise InputError(f"recon-base knows the default head, not {head_id!r}; leave --method out, and it is fitted")
    return net


def observe(
    image: np.ndarray, reading: FaceReading, view: View, head: HeadArrays, net: Regressor | None
) -> Observation:
    """What a fit is told of a face that was read in image uint8 [H, W, 3]; a network says how far off the reader is."""
    inside = teeth_and_tongue(image, reading.landmarks[:, :2])
    seen = observed(reading.landmarks[:, :2], reading.iris, view, *inside)
    return seen if net is None else sharpened(net, head, landmark_model(head), image, reading, seen)


def check_image(image: np.ndarray, focal_px: float | None) -> None:
    """Raise ShapeError for what is no picture, InputError for what is no focal length."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ShapeError(f"image is {found}, wanted uint8 [H, W, 3] sRGB; render.image.read_image reads any file so")
    if 0 in image.shape:
        raise ShapeError(f"image is {list(image.shape)}: it has no pixels")
    check_focal(focal_px)


def check_focal(focal_px: float | None) -> None:
    """Raise InputError for what is no focal length."""
    if not (focal_px is None or (isinstance(focal_px, Real) and 0 < focal_px < float("inf"))):
        raise InputError(f"the focal length is {focal_px} pixels, wanted a positive number; leave it out if unknown")


def trouble(reading: FaceReading) -> str | None:
    """Why a face cannot be used, as a message; None where it can."""
    if reading.outside > MOST_OUTSIDE:
        return (
            f"the face is cut by the picture's border ({reading.outside:.0%} of its landmarks lie outside); "
            "wanted a picture that shows all of it"
        )
    if reading.size < SMALLEST_FACE_PX:
        return (
            f"the face is only {int(reading.size)} pixels tall, wanted at least {SMALLEST_FACE_PX}; "
            "use a larger picture or one taken from nearer"
        )
    if reading.unsteadiness > MOST_UNSTEADY:
        return (
            f"the face cannot be read reliably (its landmarks waver by {reading.unsteadiness:.1%} of its size); "
            "wanted a sharper picture, less covered and more from the front"
        )
    return None


def shut_in(seen: Observation, head: Head) -> np.ndarray:
    """[1] in [0, 1]: how surely the lips are shut in a picture."""
    return seen_shut(seen.landmarks[None], np.array([seen.noise is not None]), head.arrays)


def size_from(views: Sequence[View]) -> str:
    """What tells the size of a face that is fitted to pictures."""
    if all(view.world_to_camera is not None for view in views):
        return "the cameras' places"
    return "iris of 11.7 mm" + (" and a known focal length" if all(view.focal_px for view in views) else "")


def reader_of(seen: Observation) -> str:
    """Who says where the landmarks are."""
    return "MediaPipe" if seen.noise is None else "recon-base"


@kept_with_head
def landmark_model(arrays: HeadArrays) -> LandmarkModel:
    """The head's landmark model, kept with the head."""
    return LandmarkModel(arrays)


def params_of(found: LandmarkFit, values: np.ndarray, *, unknown: float, dtype: torch.dtype) -> FaceParams:
    """The vector of unknowns, or of their standard deviations, as FaceParams of one frame.

    What one picture does not tell (neck, roll of jaw and eyes) is `unknown`.
    """
    lay = found.layout

    def part(entries: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(entries, dtype=dtype)

    left, right = values[lay.eyes][:2], values[lay.eyes][2:]
    return FaceParams(
        shape=part(values[lay.shape]),
        expression=part(values[lay.expression][None]),
        global_rotation=part(values[lay.rotation][None]),
        neck=torch.full((1, 3), unknown, dtype=dtype),
        jaw=part(np.append(values[lay.jaw], unknown)[None]),
        eyes=part(np.stack([np.append(left, unknown), np.append(right, unknown)])[None]),
        eyelids=part(values[lay.eyelids][None]),
        translation=part(values[lay.translation][None]),
    )


def _track(
    image: np.ndarray,
    head: Head,
    reading: FaceReading,
    seen: Observation,
    score: Score,
    found: LandmarkFit,
    made_by: str,
) -> Track:
    dtype = head.v_template.dtype
    params = lips_met(params_of(found, found.unknowns, unknown=0.0, dtype=dtype), shut_in(seen, head), head)
    std = params_of(found, seen.view.told(found.sd, found.layout), unknown=float("nan"), dtype=dtype)
    camera = seen.view.camera(found.focal)
    with torch.no_grad():
        vertices = head.vertices(params)[0].cpu().numpy().astype(np.float64)
    posed = PosedView(image, vertices, camera, seen)
    taken = fuse_appearance([posed], head.arrays)
    final = errors(found, seen.landmarks)
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=np.zeros(1),
        camera=camera,
        std=std,
        visibility=np.array([taken.coverage], np.float32),
        appearance=without_pressed_folds(taken.appearance, posed, head, params.frame(0)),
        provenance={
            "made_by": made_by,
            "landmarks": reader_of(seen),
            "quality": {
                "nme_468": round(score.nme_468, 5),
                "nme_68": round(score.nme_68, 5),
                "nme_468_fitted": round(float(final.mean()), 5),
                "coverage": 1.0,
            },
            "residuals_468": final.round(4).tolist(),
            "residuals_468_left_out": score.errors.round(4).tolist(),
            "face": {
                "score": round(reading.score, 4),
                "box": reading.box.round(1).tolist(),
                "unsteadiness": round(reading.unsteadiness, 4),
            },
            "iris_srgb": taken.iris.tolist(),
            "metric_scale": size_from([seen.view]),
            **_scale_of(camera, params, reading, seen),
        },
        licences=(head.arrays.licence,),
    )


def _scale_of(camera: Camera, params: FaceParams, reading: FaceReading, seen: Observation) -> dict:
    """What provenance says of a camera: its focal length, or what the networks of weak perspective would call it."""
    if not camera.orthographic:
        return {"focal_px": {"value": round(float(camera.focal[0]), 1), "known": seen.view.focal_px is not None}}
    from recon.networks.codes import camera_code
    from recon.networks.crop import MARGINS, face_square

    told = {}
    for name, marks in (("deca", reading.landmarks[list(IBUG_68)]), ("smirk", reading.landmarks)):
        square = face_square(marks, MARGINS[name])
        code = camera_code(camera, params.translation[0].double(), square)
        told[name] = {
            "square": [round(v, 2) for v in (square.x, square.y, square.size)],
            "camera": code.numpy().round(5).tolist(),
        }
    return {"weak_perspective": told}
