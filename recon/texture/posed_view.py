"""A picture on the head that was fitted to it: which texels it shows, how well, and in what colours."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Camera, HeadArrays
from recon.texture.face_area import Face, lids_spread
from recon.texture.skin_mask import skin_tone
from recon.texture.surface import vertex_normals
from render.camera import FAR_M, NEAR_M, project, to_clip
from render.materials import linear_to_srgb, srgb_to_linear

if TYPE_CHECKING:
    from recon.fitting.observation import Observation

HIGHLIGHT = 0.5  # linear light that a well exposed picture reaches somewhere
SOME = 11  # one texel of so many tells how bright a face is
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
PALE, PALE_WARMTH = 0.38, 0.7  # luminance of pale skin, and the logarithm of its red over its blue
WARMER = 4.0  # how fast the logarithm of luminance falls with that: dark skins, and whom warm light hits, stay dark
BELIEVED = 0.67  # how much that says beside the picture's own exposure
FACING = (0.2, 0.6)  # cosines to the line of sight: edge on, and seen well
SLACK_M = 0.003  # a texel this much behind the nearest surface still counts as seen
_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PosedView:
    """A picture and the head as it is fitted to it."""

    image: np.ndarray  # [H, W, 3] uint8 sRGB
    vertices: np.ndarray  # [V, 3] metres, world
    camera: Camera  # one, of this picture
    observation: Observation | None  # what was read of it; nothing where no irises are wanted

    def __post_init__(self):
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ShapeError(f"image is {self.image.dtype} {list(self.image.shape)}, wanted uint8 [H, W, 3] sRGB")
        if self.image.shape[1::-1] != tuple(self.camera.size):
            raise ShapeError(
                f"the image is {self.image.shape[1]} x {self.image.shape[0]} pixels but its camera's size is "
                f"{self.camera.size[0]} x {self.camera.size[1]}; wanted the camera of this picture"
            )
        if np.asarray(self.camera.world_to_camera).shape != (4, 4):
            raise ShapeError("a view takes one camera; use render.camera.at_frame(camera, i) for a sequence")


@dataclass(frozen=True, eq=False)
class Sampled:
    """A view at the T texels of a face."""

    colours: np.ndarray  # [T, 3] float32, linear, exposed well
    normals: np.ndarray  # [T, 3] float32, unit, world
    seen: np.ndarray  # [T] in [0, 1]: visible, and how squarely; lids only as far as they are spread
    scale: np.ndarray  # [T] pixels a metre, foreshortened
    exposure: float  # what the picture's light was multiplied by


def sampled(view: PosedView, head: HeadArrays, face: Face) -> Sampled:
    """Look a view's colours up at the texels of a face; what it does not show is zero in all of `Sampled`."""
    from recon.texture.texels_numba import look_up

    camera, atlas, count = view.camera, face.atlas, len(face.cell)
    exposure = exposure_of(view.image)
    pose = np.asarray(camera.world_to_camera, np.float64)
    pixels = project(view.vertices, camera)
    around = _depth_image(view.vertices, pixels, head.faces, camera)
    part, left, top, factor = _linear_part(view.image, pixels[:, :2], atlas.size)
    normals = vertex_normals(view.vertices, head.faces)
    at = np.concatenate(
        [view.vertices @ pose[:3, :3].T + pose[:3, 3], normals, lids_spread(head, view.vertices)[:, None]], 1
    )
    colours, normals, seen, scale = (np.zeros((count, *rest), np.float32) for rest in ((3,), (3,), (), ()))
    look_up(
        atlas.corners, atlas.barycentrics, at, np.ascontiguousarray(pose[:3, :3]),
        (*map(float, np.broadcast_to(camera.focal, 2)), *map(float, camera.centre)), camera.orthographic,
        *camera.size, around.depth, (*map(float, around.low), 1 / around.scale), SLACK_M,
        part, (float(left), float(top), float(factor)), exposure, *FACING,
        colours, normals, seen, scale,
    )  # fmt: skip
    more = face_exposure(colours[::SOME], (face.area * face.plain * seen)[::SOME])
    return Sampled(np.minimum(colours * np.float32(more), 1), normals, seen, scale, exposure * more)


def exposure_of(image: np.ndarray) -> float:
    """What to multiply an underexposed picture's light by, 1 to 4, so that its brightest hundredth is a highlight.

    Where a wall is bright and the face is not, `face_exposure` says more.
    """
    step = max(1, min(image.shape[:2]) // 200)
    brightest = np.percentile(_LINEAR[image[::step, ::step]].max(-1), 99)
    gain = float(np.clip(HIGHLIGHT / max(brightest, 1e-3), 1, 4))
    return 1.0 if gain < 1.1 else gain


def face_exposure(colours: np.ndarray, skin: np.ndarray) -> float:
    """What to multiply the light of a face by, 1 to 2, that is darker than skin of its hue is known to be.

    Of linear colours [T, 3] with skin's weights [T]. Melanin takes more blue than red, so that skin is dark where its
    hue is warm, and only pale skin can be too dark; the lightest of it stays below white. A picture is believed, too.
    """
    tone = skin_tone(colours, skin)
    warmth = np.log(tone[0] / max(tone[2], 1e-4))
    usual = PALE * np.exp(-WARMER * max(warmth - PALE_WARMTH, 0))
    wanted = (usual / max(LUMINANCE @ tone, 1e-3)) ** BELIEVED
    lit = colours[skin > 0.3].max(-1)
    room = 1 / max(float(np.percentile(lit, 98)), 1e-3) if len(lit) else 1.0
    return float(np.clip(min(wanted, room), 1, 2))


def exposed(image: np.ndarray, gain: float | None = None) -> np.ndarray:
    """A picture brightened by `gain`; by up to two stops if it is underexposed, where None."""
    gain = exposure_of(image) if gain is None else gain
    return image if gain == 1 else encode(_LINEAR * gain)[image]


def linear(colours: np.ndarray) -> np.ndarray:
    """sRGB uint8 [...] -> linear float32 in [0, 1]."""
    return _LINEAR[colours]


def encode(light: np.ndarray) -> np.ndarray:
    """Linear [...] in [0, 1] -> sRGB uint8, by a table fine enough for every step of 8 bits."""
    steps = np.clip(light, 0, 1) * 16383
    return _ENCODED[np.rint(steps, out=steps).astype(np.uint16)]


_ENCODED = np.rint(linear_to_srgb(np.arange(16384) / 16383) * 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _DepthImage:
    depth: np.ndarray  # [h, w] metres of the nearest surface; FAR_M where there is none
    low: np.ndarray  # [2] pixels of the picture: its upper left corner
    scale: float  # of its pixels to one of the picture


def _depth_image(vertices: np.ndarray, pixels: np.ndarray, faces: np.ndarray, camera: Camera) -> _DepthImage:
    """How far away a head is whose vertices [V, 3] are seen at pixels [V, 2 or 3]: a crop of its own, 768 long."""
    from render.raster_numba import rasterize_numba

    low, high = pixels[:, :2].min(0) - 2, pixels[:, :2].max(0) + 2
    scale = 768 / float((high - low).max())
    width, height = np.ceil((high - low) * scale).astype(int)
    crop = dataclasses.replace(
        camera,
        focal=np.asarray(camera.focal) * scale,
        centre=(np.asarray(camera.centre) - low) * scale,
        size=(int(width), int(height)),
    )
    clip = to_clip(vertices, crop)
    _, _, depth = rasterize_numba(clip[None], np.ascontiguousarray(faces, np.int32), (height, width))
    near, far, depth = NEAR_M, FAR_M, np.minimum(depth[0], 1)
    if camera.orthographic:
        metres = ((far + near) + depth * (far - near)) / 2
    else:
        metres = 2 * far * near / ((far + near) - depth * (far - near))
    return _DepthImage(metres, low, scale)


def visible(pixels: np.ndarray, vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> np.ndarray:
    """[T] 1 where a point at pixels [T, 3] is the nearest surface and inside the picture."""
    image = _depth_image(vertices, project(vertices, camera), faces, camera)
    height, width = image.depth.shape
    place = (pixels[:, :2] - image.low) * image.scale
    column = np.clip(place[:, 0].astype(int), 0, width - 1)
    row = np.clip(place[:, 1].astype(int), 0, height - 1)
    front = pixels[:, 2] < image.depth[row, column] + SLACK_M
    inside = ((pixels[:, :2] > 1) & (pixels[:, :2] < np.array(camera.size) - 1)).all(1)
    return (front & inside).astype(np.float64)


def _linear_part(image: np.ndarray, pixels: np.ndarray, most: int) -> tuple[np.ndarray, int, int, int]:
    """Linear light of the part of a picture round pixels [V, 2], its left and top, and by how much it was reduced.

    Where the picture is finer than `most` pixels from end to end, sampling the part whole would alias.
    """
    from recon.texture.texels_numba import decoded_blocks

    low, high = pixels.min(0), pixels.max(0)
    factor = max(1, int((high - low).max() / most))
    size = np.array(image.shape[1::-1])
    left, top = (int(n) for n in np.clip(low - 2 * factor, 0, size - 1))
    right, bottom = np.clip(np.ceil(high + 2 * factor), (left + 1, top + 1), size).astype(int)
    return decoded_blocks(image[top:bottom, left:right], _LINEAR, factor), left, top, factor
