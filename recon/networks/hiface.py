"""Detail as HiFace builds it (Chai et al. 2023): a static part of the person, a dynamic part that expression drives.

Static heights are a mean and a linear basis of displacement maps. Dynamic heights lie between two maps, one of the
skin compressed and one of it stretched, each linear as well: the mesh's tension, edge lengths posed against at rest
(Raman et al. 2023), says texel by texel how much of which is seen. The authors have published neither code nor
weights, so names and the numbers of components here are ours; `DisplacementBasis.of_maps` learns a basis from maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flame_tools.errors import ShapeError
from recon.networks.regressor import Regressor

STATIC, DYNAMIC = 300, 26  # components
MAP_SIZE = 256  # texels a side
FULL_TENSION = 0.3  # edges a third shorter or longer: the polarised maps are seen whole


@dataclass(frozen=True)
class DetailCodes:
    """Detail of faces [B], in standard deviations of each basis."""

    static: Tensor  # [B, static]
    compressed: Tensor  # [B, dynamic]
    stretched: Tensor  # [B, dynamic]


class DisplacementBasis(nn.Module):
    """Height maps as a mean and K directions, metres along the normal."""

    def __init__(self, components: int, size: int = MAP_SIZE):
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(size, size))
        self.directions = nn.Parameter(torch.zeros(components, size, size))

    @staticmethod
    def of_maps(maps: Tensor, components: int) -> DisplacementBasis:
        """The principal components of maps [N, h, h], one unit a standard deviation; beyond N - 1 they are zero."""
        if maps.ndim != 3 or len(maps) < 2 or maps.shape[1] != maps.shape[2]:
            raise ShapeError(f"maps are {list(maps.shape)}, wanted square ones [N, h, h], at least two")
        basis, mean = DisplacementBasis(components, maps.shape[-1]), maps.mean(0)
        _, size, way = torch.linalg.svd((maps - mean).flatten(1), full_matrices=False)
        way = way * way.gather(1, way.abs().argmax(1, keepdim=True)).sign()  # the same sign on every machine
        scaled = (way * (size / (len(maps) - 1) ** 0.5)[:, None])[: min(components, len(maps) - 1)]
        with torch.no_grad():
            basis.mean.copy_(mean)
            basis.directions[: len(scaled)] = scaled.unflatten(1, mean.shape)
        return basis

    def forward(self, codes: Tensor) -> Tensor:
        """Codes [B, K] -> heights [B, h, w]."""
        if codes.shape[-1] != len(self.directions):
            raise ShapeError(f"codes are {list(codes.shape)}, this basis has {len(self.directions)} components")
        return self.mean + torch.tensordot(codes, self.directions, 1)


def mesh_edges(faces: Tensor) -> Tensor:
    """Every edge of faces [F, 3] once, [E, 2]."""
    pairs = faces[:, [[0, 1], [1, 2], [2, 0]]].flatten(0, 1)
    return pairs.sort(-1).values.unique(dim=0)


def tension(
    rest: Tensor,  # [..., V, 3] metres, the person without expression
    posed: Tensor,  # [..., V, 3] with it
    edges: Tensor,  # [E, 2] as `mesh_edges` gives
) -> Tensor:  # [..., V] 1 - mean length posed / at rest: above 0 where the skin is compressed, below where stretched
    """How the skin at each vertex is pulled, whatever the head's place. Differentiable in both."""
    if rest.shape[-2:] != posed.shape[-2:]:
        raise ShapeError(
            f"a mesh of {list(rest.shape)} at rest, {list(posed.shape)} posed; wanted the same [..., V, 3]"
        )
    first, second = edges.long().unbind(-1)

    def lengths(vertices: Tensor) -> Tensor:
        return (vertices[..., first, :] - vertices[..., second, :]).square().sum(-1).clamp(min=1e-16).sqrt()

    change = 1 - lengths(posed) / lengths(rest)
    total = change.new_zeros(*change.shape[:-1], posed.shape[-2])
    count = total.new_zeros(posed.shape[-2])
    for ends in (first, second):
        total = total.index_add(-1, ends, change)
        count = count.index_add(0, ends, torch.ones_like(ends, dtype=count.dtype))
    return total / count.clamp(min=1)


class DetailModel(nn.Module):
    """Codes and tension to heights."""

    def __init__(self, *, static: int = STATIC, dynamic: int = DYNAMIC, size: int = MAP_SIZE):
        super().__init__()
        self.static = DisplacementBasis(static, size)
        self.compressed, self.stretched = DisplacementBasis(dynamic, size), DisplacementBasis(dynamic, size)

    def forward(self, codes: DetailCodes, tensions: Tensor) -> Tensor:
        """Codes and tension on texels [B, h, w] (`render.uv.Atlas.spread`) -> heights [B, h, w] in metres.

        Skin at rest shows the static part alone; up to FULL_TENSION the map of its side is mixed in linearly.
        """
        squeezed, pulled = ((sign * tensions / FULL_TENSION).clamp(0, 1) for sign in (1, -1))
        moving = squeezed * self.compressed(codes.compressed) + pulled * self.stretched(codes.stretched)
        return self.static(codes.static) + moving


class HiFace(nn.Module):
    """An image to detail codes, and those to heights."""

    def __init__(self, *, static: int = STATIC, dynamic: int = DYNAMIC, size: int = MAP_SIZE):
        super().__init__()
        self.sizes = [static, dynamic, dynamic]
        self.encoder = Regressor(sum(self.sizes))
        self.detail = DetailModel(static=static, dynamic=dynamic, size=size)

    def forward(self, images: Tensor) -> DetailCodes:
        """Images [B, 3, 224, 224] RGB in [0, 1]."""
        return DetailCodes(*self.encoder(images).split(self.sizes, -1))
