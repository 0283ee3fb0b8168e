"""Small grey pictures of a talking head for networks that look: the mouth or the face, with gradients to vertices.

A stage keeps of a head what its view shows, lights it at the vertices and draws it through the rasterizer, outlines
included. The camera is orthographic and sits in the head's own frame, as a tracker's crops do: it is framed on the
person at rest, so an open jaw moves in the picture. What a picture is made with besides the face (light, complexion,
turn, blur, noise) is a `Variation` (readers.variation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.normals import vertex_normals
from flame_tools.types import FaceParams
from readers.seen import seen_faces
from readers.surface import MATERIALS, Surface, surface_of
from readers.variation import Variation, finished
from render import antialias, interpolate, rasterize


@dataclass(frozen=True)
class View:
    """What a picture shows, said in landmarks of the 68 so that it means the same on every head."""

    above: tuple[int, ...]  # the mean of these ...
    below: tuple[int, ...]  # ... and of these span the picture's unit, from top to bottom
    centre: float  # where between them, 0 above and 1 below, the picture's middle lies
    reach: float  # half of the picture's side in units
    size: int  # pixels a side


VIEWS = {
    "mouth": View(above=(33,), below=(8,), centre=0.48, reach=0.56, size=48),
    "face": View(above=(27,), below=(8,), centre=0.36, reach=0.74, size=64),
}
_DEEP_M = 0.010  # behind the lips at which the mouth has lost all but 1 / e of its light
_ENCODED = 1 / 2.2  # display gamma


@dataclass(frozen=True)
class Framing:
    """Where the camera looks, for one person or many."""

    centre: Tensor  # [..., 3] metres, head frame
    half: Tensor  # [...] half of the picture's side, metres

    def repeated(self, frames: int) -> Framing:
        """Of people [B] for B * frames pictures, sequence by sequence."""
        return Framing(self.centre.repeat_interleave(frames, 0), self.half.repeat_interleave(frames, 0))


class Stage:
    """One view of one head.

    `head` is cut down to the n vertices that the view can show: pose it, `stage(stage.vertices(params), ...)`.
    """

    def __init__(self, head: Head, view: str = "mouth", *, size: int | None = None, reach: float = 1.0):
        """`size`: pixels a side, the view's own if not given; `reach`: how much further than the view it sees."""
        if view not in VIEWS:
            raise InputError(f"there is no view {view!r} of a stage; choose {' or '.join(VIEWS)}")
        arrays = head.arrays
        if "68" not in arrays.landmarks or not len(arrays.inner_lip_pairs):
            raise InputError(
                f"head {arrays.id!r} lacks the 68 landmarks or inner_lip_pairs that a stage is framed by; "
                "`emberface head add` gives a FLAME both"
            )
        self.view = replace(VIEWS[view], reach=VIEWS[view].reach * reach)
        self.name = view
        self.size = self.view.size if size is None else size
        marks = arrays.landmarks["68"]
        self._marks = torch.as_tensor(np.ascontiguousarray(arrays.faces[marks.faces])).long()
        self._weights = torch.as_tensor(np.asarray(marks.barycentrics))
        corners, places = torch.unique(self._marks, return_inverse=True)
        self._at_marks, self._places = head.only(corners), places  # of the landmarks' corners among its vertices
        kept = seen_faces(
            head, lambda vertices: self._clip(vertices, self._framed(self._landmarks(vertices[:1], self._marks)))
        )
        corners = arrays.faces[kept]
        used = np.unique(np.concatenate([corners.ravel(), arrays.inner_lip_pairs.ravel()]))
        self.index = torch.as_tensor(used).long()  # [n] on the head
        self.faces = torch.as_tensor(np.searchsorted(used, corners)).long()  # [F, 3] in 0..n
        self.pairs = torch.as_tensor(np.searchsorted(used, arrays.inner_lip_pairs)).long()  # [P, 2] in 0..n
        self.head = head.only(self.index)
        self.surface: Surface = surface_of(arrays, used, kept)

    def vertices(self, params: FaceParams) -> Tensor:
        """Posed vertices [..., n, 3] in the head's own frame: neck, root and translation are left out."""
        return self.head.vertices(params.in_head_frame())

    def framing(self, shape: Tensor) -> Framing:
        """Of people [..., S] at rest. Constant: no gradient flows into it."""
        with torch.no_grad():
            rest = FaceParams.neutral(self._at_marks).replace(shape=shape)
            return self._framed(self._landmarks(self._at_marks.vertices(rest), self._places))

    def __call__(
        self,
        vertices: Tensor,  # [N, n, 3] metres, as `vertices` gives them
        framing: Framing,  # of one person, or of N
        variation: Variation | None = None,  # of N pictures; None: the canonical look
    ) -> Tensor:
        """Grey pictures [N, H, W] in [0, 1], row 0 at the top. Differentiable in the vertices."""
        if vertices.ndim != 3 or vertices.shape[1:] != (len(self.index), 3):
            raise ShapeError(
                f"vertices are {list(vertices.shape)}, wanted [N, {len(self.index)}, 3]; use stage.vertices"
            )
        if variation is None:
            variation = Variation.none(len(vertices)).to(vertices)
        elif len(variation) != len(vertices):
            raise ShapeError(f"the variation is of {len(variation)} pictures, the vertices of {len(vertices)}")
        clip = self._clip(vertices, framing, variation)
        grey = self._lit(vertices, variation)
        raster = rasterize(clip, self.faces, (self.size, self.size))
        paint = self.surface.painted(raster, variation.paint, variation.tones) ** _ENCODED
        backdrop = variation.backdrop[:, None, None] * (raster.face_id < 0)
        pictures = interpolate(grey[..., None], self.faces, raster)[..., 0] * paint + backdrop
        pictures = antialias(pictures[..., None], raster, clip, self.faces)[..., 0]
        return finished(pictures, variation)

    # --- camera -----------------------------------------------------------------------------------------------------

    def _landmarks(self, vertices: Tensor, places: Tensor) -> Tensor:  # [..., V, 3] -> [..., 68, 3]
        corners = vertices[..., places, :]
        return (corners * self._weights.to(corners)[..., None]).sum(-2)

    def _framed(self, marks: Tensor) -> Framing:
        above = marks[..., list(self.view.above), :].mean(-2)
        below = marks[..., list(self.view.below), :].mean(-2)
        unit = (above[..., 1] - below[..., 1]).abs()
        centre = above + self.view.centre * (below - above)
        return Framing(centre, self.view.reach * unit)

    def _clip(self, vertices: Tensor, framing: Framing, variation: Variation | None = None) -> Tensor:
        """[N, n, 4] clip space: x right, y up, z away from the camera, w 1."""
        half = framing.half.reshape(-1, 1, 1)
        local = (vertices - framing.centre.reshape(-1, 1, 3)) / half
        if variation is not None:
            local = local @ variation.turn.transpose(-1, -2) * variation.zoom[:, None, None]
            local = torch.cat([local[..., :2] + variation.shift[:, None], local[..., 2:]], -1)
        # Nothing of a head lies further than eight halves of a mouth from its centre.
        return torch.cat([local[..., :2], local[..., 2:] * -0.125, torch.ones_like(local[..., :1])], -1)

    # --- light ------------------------------------------------------------------------------------------------------

    def _lit(self, vertices: Tensor, variation: Variation) -> Tensor:
        """Grey [N, n] of the vertices, gamma-encoded: a wrapped key light, a sky, and darkness inside the mouth."""
        normals = vertex_normals(vertices, self.faces)
        # One product: the key light and the sky are both linear in the normal.
        light = torch.einsum("bnc,bkc->kbn", normals, torch.stack([variation.key, variation.up], 1))
        wrapped = (light[0] + 0.25).clamp(min=0) / 1.25
        sky = (0.6 + 0.4 * light[1]) * self.surface.occlusion.to(normals)
        shade = variation.key_strength[:, None] * wrapped + variation.sky_strength[:, None] * sky
        inside = self.surface.inside
        if len(inside):
            lips = vertices[:, self.pairs.flatten(), 2].mean(1, keepdim=True)
            depth = (lips - vertices[:, inside, 2]).clamp(min=0)
            shade = shade.index_copy(1, inside, shade[:, inside] * torch.exp(-depth / _DEEP_M))
        return (variation.tones[:, self.surface.material] * shade).clamp(min=1e-4) ** _ENCODED


__all__ = ["MATERIALS", "VIEWS", "Framing", "Stage", "View"]
