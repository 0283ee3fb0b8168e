"""What a face looks like, taken from pictures: its texture and light, with eyes painted in their own colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from flame_tools.types import Appearance, HeadArrays
from recon.texture.albedo import SIZE, make_albedo
from recon.texture.eyes import common_colour, iris_colours, paint_eyes
from recon.texture.fill import past_borders
from recon.texture.fusion import Lit
from recon.texture.posed_view import PosedView
from recon.texture.uv_map import uv_map

__all__ = ["Lit", "PosedView", "Taken", "fuse_appearance"]


@dataclass(frozen=True)
class Taken:
    """An appearance, and how much of it was seen."""

    appearance: Appearance  # `light` is that of the view which shows most
    coverage: float  # share of the face that the view shows which shows most
    iris: np.ndarray  # [3] uint8 sRGB
    coverages: tuple[float, ...]  # of each view
    lit: tuple[
        Lit | None, ...
    ]  # the light of each view and what it shows; None of views that told too little to be held
    best: int  # number of the view that shows most


def fuse_appearance(views: Iterable[PosedView], head: HeadArrays, *, size: int = SIZE) -> Taken:
    """The texture of one person from any number of views: one picture, many, or frames of a film.

    The views are gone through once, and at most `fusion.MOST_VIEWS` are held, so that they may be read as they
    are needed. Raises InputError where there is none.
    """
    irises = []

    def watched() -> Iterator[PosedView]:
        for view in views:
            irises.append(iris_colours(view.image, view.observation.iris, view.observation.iris_radius))
            yield view

    albedo, fused = make_albedo(watched(), head, size=size)
    iris = common_colour(irises)
    albedo = past_borders(paint_eyes(albedo, head, iris), uv_map(head, size).material >= 0)
    appearance = Appearance(albedo=albedo, light=fused.lit[fused.best].light)
    return Taken(appearance, fused.coverage[fused.best], iris, fused.coverage, fused.lit, fused.best)
