"""A face's crop by its landmarks as if it looked into the lens: pose taken out, every feature near its usual place.

Landmarks, with the depth that their network guesses, are laid over those of the mean face by a similarity; the picture
between them is brought to where they lie on the mean face, seen from the front. What is left are differences from the
mean face, which are what a network has to read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, grid_sample

from flame_tools.types import HeadArrays
from readers.face_parts import OVAL
from recon.learned.crop import TIGHT

REACH = 1.12  # how far beyond the face's outline the picture goes, of the way from its middle
MARGIN = 1.02
DIFFERENCE_M = 0.005  # about how far a landmark lies from where it is usually
_FLIP = (1.0, -1.0, -1.0)  # crop axes (y down, z away) to the head's


@dataclass(frozen=True)
class Upright:
    """Crops with the pose taken out."""

    picture: Tensor  # [N, 6, G, G] colours, and the mean face's normals as the camera sees them
    marks: Tensor  # [N, 478, 3] differences from the mean face, in DIFFERENCE_M; irises as they lie
    turn: Tensor  # [N, 3, 3] head frame to the crop's camera, world axes
    place: Tensor  # [N, 3] of recon.learned.crop


class Canonical(nn.Module):
    """Pictures [N, 3, P, P] and marks [N, 478, 3] of recon.learned.regressor to Upright. No gradient flows."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("template", torch.zeros(468, 3))  # metres, about their mean
        self.register_buffer("normals", torch.zeros(468, 3))
        self.register_buffer("places", torch.zeros(468, 2))  # in [-1, 1], right and down
        self.register_buffer("corners", torch.zeros(size * size, 3, dtype=torch.int64))  # of 468 landmarks and the rim
        self.register_buffer("weights", torch.zeros(size * size, 3))

    def fit(self, head: HeadArrays) -> None:
        """To a head's mean face."""
        from scipy.spatial import Delaunay

        from flame_tools.surface.nearest import Surface

        marks = head.landmarks["468"]
        corners = head.faces[marks.faces]
        template = np.einsum("lk,lkc->lc", marks.barycentrics, head.v_template[corners].astype(np.float64))
        normals = Surface(head.v_template.astype(np.float64), head.faces).vertex_normals
        normals = np.einsum("lk,lkc->lc", marks.barycentrics, normals[corners])
        flat = _with_rim(torch.as_tensor(template[None, :, :2]))[0].numpy()
        low, high = flat.min(0), flat.max(0)
        middle, half = (low + high) / 2, MARGIN * (high - low).max() / 2
        steps = (np.arange(self.size) + 0.5) / self.size * 2 - 1
        across, down = np.meshgrid(steps, steps)
        at = middle + half * np.stack([across, -down], -1).reshape(-1, 2)
        mesh = Delaunay(flat)
        # What lies outside takes the triangle that is nearest: weights beyond [0, 1] go on evenly.
        simplex = mesh.find_simplex(at)
        inside = np.flatnonzero(simplex >= 0)
        for i in np.flatnonzero(simplex < 0):
            simplex[i] = simplex[inside[np.argmin(((at[inside] - at[i]) ** 2).sum(1))]]
        affine = mesh.transform[simplex]
        two = np.einsum("nij,nj->ni", affine[:, :2], at - affine[:, 2])
        self.places.copy_(torch.as_tensor((flat[:468] - middle) / half * (1, -1)))
        self.template.copy_(torch.as_tensor(template - template.mean(0)))
        self.normals.copy_(torch.as_tensor(normals / np.linalg.norm(normals, axis=1, keepdims=True)))
        self.corners.copy_(torch.as_tensor(mesh.simplices[simplex]).long())
        self.weights.copy_(torch.as_tensor(np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)))

    @torch.no_grad()
    def forward(self, pictures: Tensor, marks: Tensor) -> Upright:
        turn, scale, middle = _similarity(marks[:, :468] * marks.new_tensor(_FLIP), self.template)
        seen = marks * marks.new_tensor(_FLIP)
        seen[:, 468:, 2] = seen[:, _EYES, 2].mean(1, keepdim=True)  # irises have no depth of their own
        seen = (seen - middle[:, None]) @ turn / scale[:, None, None]
        usual = torch.cat([self.template, self.template[[*_EYES]].mean(0, keepdim=True).expand(10, 3)])
        differences = (seen - usual) / DIFFERENCE_M
        at = self._spread(_with_rim(marks[:, :468, :2]))
        colours = grid_sample(pictures, (at - 0.5) / TIGHT * 2, padding_mode="border", align_corners=False)
        mean = colours.mean((1, 2, 3), keepdim=True)
        spread = colours.var((1, 2, 3), keepdim=True, correction=0)
        normals = (self._spread(_with_rim(self.normals[None])).flatten(1, 2) @ turn.transpose(1, 2)).transpose(1, 2)
        place = torch.cat([middle[:, :2] * middle.new_tensor(_FLIP[:2]) - 0.5, scale.log()[:, None]], 1)
        return Upright(
            torch.cat([(colours - mean) * torch.rsqrt(spread + 1e-3), normals.unflatten(2, (self.size, self.size))], 1),
            differences, turn, place,
        )  # fmt: skip

    def moved(self, upright: Upright, off: Tensor) -> Tensor:
        """[N, 468, 3] `upright.marks` of landmarks that lie `off` [N, 468, 2] crop units from where they were."""
        away = torch.cat([off, torch.zeros_like(off[..., :1])], -1) * off.new_tensor(_FLIP)
        unit = DIFFERENCE_M * upright.place[:, 2].exp()[:, None, None]
        return upright.marks[:, :468] + (away @ upright.turn) / unit

    def _spread(self, points: Tensor) -> Tensor:
        """Values at landmarks and rim [N, 504, C] between them: [N, G, G, C]."""
        count, _, channels = points.shape
        table = points.transpose(0, 1).flatten(1)
        between = embedding_bag(self.corners, table, mode="sum", per_sample_weights=self.weights)
        return between.view(self.size, self.size, count, channels).movedim(2, 0)

    def at_landmarks(self, features: Tensor) -> Tensor:
        """Features [N, C, h, w] of such pictures at the landmarks: [N, 468, C]."""
        at = self.places.expand(len(features), 1, -1, -1).to(features)
        return grid_sample(features, at, padding_mode="border", align_corners=False)[:, :, 0].transpose(1, 2)


_EYES = (33, 133, 263, 362)


def _with_rim(points: Tensor) -> Tensor:
    """Points [N, 468, C] and, beyond the outline, as many again as it has: [N, 504, C]."""
    rim, middle = points[:, list(OVAL)], points.mean(1, keepdim=True)
    return torch.cat([points, middle + REACH * (rim - middle)], 1)


def _similarity(points: Tensor, template: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turn [N, 3, 3], scale [N] and middle [N, 3] that bring the template [L, 3] to points [N, L, 3] (Umeyama 1991)."""
    middle = points.mean(1)
    u, s, v = torch.linalg.svd((points - middle[:, None]).transpose(1, 2) @ template)
    sign = torch.ones_like(s)
    sign[:, 2] = torch.sign(torch.linalg.det(u) * torch.linalg.det(v))
    return (u * sign[:, None]) @ v, (s * sign).sum(1) / template.square().sum(), middle
