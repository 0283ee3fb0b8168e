"""What the published networks say of a face, and what that is on a FLAME head: parameters, and a camera of their kind.

Their camera is weak-perspective (s, x, y): in a crop whose sides are -1 and 1, a point of the posed head lies at
s (X + x) to the right and s (Y + y) upwards. Rotations are axis-angle in radians; the root turns about its joint.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from flame_tools.flame_only import flame_only
from flame_tools.head import Head
from flame_tools.types import Camera, FaceParams
from readers.sampling import Square


@dataclass(frozen=True)
class FlameCodes:
    """Faces [...] in FLAME's parameters, as a network gives them. None: the network does not say it."""

    shape: Tensor  # [..., S] identity, in SD
    expression: Tensor  # [..., E]
    global_rotation: Tensor  # [..., 3]
    jaw: Tensor  # [..., 3] +x opens
    camera: Tensor  # [..., 3] s, x, y; s per metre
    eyelids: Tensor | None = None  # [..., 2] left, right in [0, 1]
    albedo: Tensor | None = None  # [..., 50] of a texture model
    light: Tensor | None = None  # [..., 9, 3] for render.lighting.sh_light

    def replace(self, **changes: Tensor | None) -> FlameCodes:
        return dataclasses.replace(self, **changes)


def face_params(codes: FlameCodes, head: Head) -> FaceParams:
    """The codes as parameters of a FLAME head. Components that it has beyond theirs are zero; gradients pass.

    SMIRK's eyelids are added after skinning by SMIRK and before it here, so that they turn with the head; where the
    head has no lid shapes (l_eyelid.npy, r_eyelid.npy) they are left out. Raises InputError for another kind of head,
    ShapeError where the head has fewer components than the codes.
    """
    flame_only(head.arrays, "the network speaks of FLAME's parameters")
    zero = torch.zeros_like(codes.jaw)
    lids = codes.eyelids if len(head.arrays.eyelid_vertices) else None
    return FaceParams(
        shape=_padded(codes.shape, head.shape_size, "identity", head),
        expression=_padded(codes.expression, head.expression_size, "expression", head),
        global_rotation=codes.global_rotation,
        neck=zero,
        jaw=codes.jaw,
        eyes=torch.stack([zero, zero], -2),
        eyelids=zero[..., :2] if lids is None else lids,
        translation=zero,
    )


def _padded(values: Tensor, size: int, what: str, head: Head) -> Tensor:
    more = size - values.shape[-1]
    if more < 0:
        raise ShapeError(
            f"the network gives {values.shape[-1]} components of {what}, head {head.arrays.id!r} has {size}; "
            "load the FLAME with all of them"
        )
    return torch.cat([values, values.new_zeros(*values.shape[:-1], more)], -1)


def projected(
    points: Tensor,  # [..., V, 3] posed, metres
    camera: Tensor,  # [..., 3] s, x, y
) -> Tensor:  # [..., V, 3] x to the right and y downwards in [-1, 1] on the crop, z away from the eye in the same unit
    """Points as the published renderers and landmark losses see them. Differentiable in both."""
    if camera.shape[-1] != 3 or points.shape[-1] != 3:
        raise ShapeError(f"points {list(points.shape)}, camera {list(camera.shape)}; wanted [..., V, 3] and [..., 3]")
    scale, move = camera[..., None, :1], camera[..., None, 1:]
    moved = torch.cat([points[..., :2] + move, points[..., 2:]], -1) * scale
    return moved * moved.new_tensor([1.0, -1.0, -1.0])


def crop_camera(camera: Tensor, size: int = 224) -> Camera:
    """The camera [..., 3] of a crop of size x size pixels, orthographic. It is out of the graph of gradients."""
    scale, *move = (part.double().cpu().numpy() for part in camera.detach().unbind(-1))
    focal = scale * size / 2
    centre = np.stack([1 + scale * move[0], 1 - scale * move[1]], -1) * size / 2
    return Camera(np.stack([focal, focal], -1), centre, (size, size), orthographic=True)


def image_camera(
    camera: Tensor,  # [3] s, x, y of the crop
    square: Square,  # where the crop lies in the image, upright
    size: tuple[int, int],  # width, height of the image, pixels
) -> Camera:
    """The same camera for the image that the crop was cut from."""
    if camera.shape != (3,) or square.angle:
        raise ShapeError(f"camera is {list(camera.shape)} for a crop turned by {square.angle}; wanted [3] and upright")
    unit = crop_camera(camera, 1)
    return Camera(unit.focal * square.size, square.to_image(unit.centre), size, orthographic=True)


def camera_code(
    camera: Camera,  # orthographic, of an image; it looks along -z of the world
    translation: Tensor,  # [..., 3] of the head in the world, metres: the codes have none
    square: Square,  # the crop that a network would see, upright
) -> Tensor:  # [..., 3] s, x, y; float64
    """The inverse of `image_camera`: what a network would have said of a head that was fitted in weak perspective.

    Heads differ in where their origin lies; x and y compare with a network's on FLAME heads alone, s on all.
    Raises InputError for a camera with a focal length: it sees near parts larger, and no s, x and y say so.
    """
    if not camera.orthographic:
        raise InputError("the camera sees in perspective, which no s, x and y tell; fit with --camera weak")
    pose = np.asarray(camera.world_to_camera, np.float64)
    if square.angle or not np.allclose(pose[..., :3, :3], np.diag([1.0, -1.0, -1.0])):
        raise InputError("the crop or the camera is turned; wanted an upright crop, and a camera that looks along -z")
    focal = torch.as_tensor(np.asarray(camera.focal, np.float64)[..., :1])
    apart = torch.as_tensor(np.asarray(camera.centre, np.float64) - (square.x, square.y)) / focal
    shift = torch.as_tensor(pose[..., :2, 3])
    move = translation[..., :2].double() + (apart + shift) * torch.tensor([1.0, -1.0])
    scale = 2 * focal / square.size
    return torch.cat([scale.expand_as(move[..., :1]), move], -1)
