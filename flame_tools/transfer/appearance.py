"""A painted skin from one head's UV layout to another's."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.correspondence import Correspondence
from flame_tools.surface.head_parts import SKIN, parts_of
from flame_tools.surface.nearest import Surface
from flame_tools.types import HeadArrays

_PADDING = 6  # texels around an island of the layout that are painted too, for filters


def carried_albedo(
    albedo: np.ndarray,  # [H, W, 3] uint8 sRGB in the source's UV, row 0 at v = 1
    source: HeadArrays,
    target: HeadArrays,
    match: Correspondence,
) -> np.ndarray | None:
    """The same picture in the target's UV [H, W, 3]; None where either head has no layout.

    Each texel of the skin belongs to a place of the target's surface, that place to one of the source's, and that to a
    colour. Eyes, teeth and tongue are plainly coloured, each material as the source's is on the whole.
    """
    if not (len(source.uv) and len(target.uv)):
        return None
    height, width = albedo.shape[:2]
    rows, columns = np.divmod(np.arange(height * width), width)
    texels = np.stack([(columns + 0.5) / width, 1 - (rows + 0.5) / height, 0 * rows], 1)
    flat = np.concatenate([target.uv, np.zeros((len(target.uv), 1))], 1).astype(np.float64)
    layout = Surface(flat, target.uv_faces).nearest(texels, within=_PADDING / min(height, width))
    painted = np.flatnonzero(layout.found)
    face, weights = layout.faces[painted], layout.barycentrics[painted]
    places = match.values(source.v_template.astype(np.float64))  # [W, 3] of the target's vertices on the source
    points = np.einsum("nkc,nk->nc", places[target.faces[face]], weights)
    skin = match.parts[target.faces[face, 0]] == SKIN
    plain = _plain_colours(albedo, source)
    colours = np.stack([plain.get(name, plain[""]) for name in target.materials])[target.face_material[face]]
    colours[skin] = _colours(albedo, _uv_on_skin(points[skin], source))
    picture = np.empty_like(albedo)
    picture[:] = plain[""]
    picture.reshape(-1, 3)[painted] = colours
    return picture


def _plain_colours(albedo: np.ndarray, head: HeadArrays) -> dict[str, np.ndarray]:
    """The median colour [3] of each material, and under "" of the whole head."""
    at_faces = _colours(albedo, head.uv[head.uv_faces].mean(1))
    found = {"": np.median(at_faces, axis=0).astype(np.uint8)}
    for i, name in enumerate(head.materials):
        if (head.face_material == i).any():
            found[name] = np.median(at_faces[head.face_material == i], axis=0).astype(np.uint8)
    return found


def _uv_on_skin(points: np.ndarray, head: HeadArrays) -> np.ndarray:
    """UV [N, 2] at the nearest place of the head's skin."""
    skin = (parts_of(head) == SKIN)[head.faces].all(1)
    found = Surface(head.v_template, head.faces, face_mask=skin).nearest(points)
    return np.einsum("nkc,nk->nc", head.uv[head.uv_faces[found.faces]], found.barycentrics)


def _colours(picture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Bilinear colours [N, 3] at `uv` [N, 2]."""
    height, width = picture.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1)
    left, top = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, down = (x - left)[:, None], (y - top)[:, None]
    upper = picture[top, left] * (1 - right) + picture[top, left + 1] * right
    lower = picture[top + 1, left] * (1 - right) + picture[top + 1, left + 1] * right
    return np.round(upper * (1 - down) + lower * down).astype(np.uint8)
