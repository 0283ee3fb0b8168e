"""Pictures on the head: fused, evened out, completed across the face, faded to skin where nothing was seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flame_tools.types import HeadArrays
from recon.texture.bare import bare_albedo
from recon.texture.face_area import Face, face_of
from recon.texture.fill import push_pull
from recon.texture.fusion import Fused, fuse
from recon.texture.lips import with_even_lips
from recon.texture.posed_view import PosedView, encode
from recon.texture.skin_mask import beard, held_in_hue
from recon.texture.uv_map import UvMap, uv_map

SIZE = 1024  # texels
COARSE = 32  # cells along the atlas over which light is levelled
BEARD_AREA = 0.8  # how far a beard keeps its colour towards the face's outline
LEVEL = 0.75  # how far it is levelled: 0 leaves the photo's light, 1 takes all slow changes out


def make_albedo(
    views: Iterable[PosedView],
    head: HeadArrays,
    *,
    size: int = SIZE,
) -> tuple[np.ndarray, Fused]:
    """Albedo [size, size, 3] uint8 sRGB of a person, and what the views showed. Goes through the views once.

    Raises InputError where there is no view.
    """
    face = face_of(head, size)
    fused = fuse(views, head, face)
    hairy = beard(fused.colours, fused.seen, fused.tone, face)
    area = face.area ** (1 - BEARD_AREA * hairy)  # it reaches the jaw's edge
    colours = _completed(fused, face, area, hairy)
    albedo = bare_albedo(head, uv_map(head, size), fused.tone, fused.hair)
    area, texels = area[:, None], face.atlas.texels
    around = albedo.reshape(-1, 3)[texels]
    albedo.reshape(-1, 3)[texels] = colours * area + around * (1 - area)
    return encode(albedo), fused


def _completed(fused: Fused, face: Face, area: np.ndarray, hairy: np.ndarray) -> np.ndarray:
    """Colours [T, 3] of the whole face: what no view shows is taken from across it, then from around."""
    even, seen, atlas = held_in_hue(fused.colours, fused.tone, face), fused.seen, face.atlas
    theirs = atlas.across(np.concatenate([even, seen[:, None]], 1))
    borrowed = theirs[:, 3] * (1 - seen)
    known = seen + borrowed
    mixed = (even * seen[:, None] + theirs[:, :3] * borrowed[:, None]) / np.maximum(known, 1e-6)[:, None]
    # beyond the face plain skin is as good as known, so that what fills the gaps fades into it
    photo, beyond = known * area, 0.5 * (1 - area)
    weight = photo + beyond
    mixed = (mixed * photo[:, None] + fused.tone * beyond[:, None]) / np.maximum(weight, 1e-6)[:, None]
    mixed *= _levelled(mixed, weight * face.plain * (1 - hairy), fused.tone, atlas)
    filled = push_pull(atlas.image(mixed), atlas.image(np.where(weight < 0.05, 0, weight)))
    return with_even_lips(filled.reshape(-1, 3)[atlas.texels], known, fused.tone, face)


def _levelled(colours: np.ndarray, weights: np.ndarray, tone: np.ndarray, atlas: UvMap) -> np.ndarray:
    """[T, 3] gains that pull what varies slowly over the skin towards its tone: light that harmonics cannot hold."""
    blocks = atlas.size // COARSE
    weight = atlas.image(weights.astype(np.float32)).reshape(COARSE, blocks, COARSE, blocks).mean((1, 3))
    image = atlas.image(colours * weights[:, None]).reshape(COARSE, blocks, COARSE, blocks, 3).mean((1, 3))
    coarse = push_pull(image / np.maximum(weight, 1e-6)[..., None], np.where(weight < 0.1, 0, weight))
    for _ in range(2):
        coarse = push_pull(coarse, np.full(coarse.shape[:2], 0.3, np.float32))  # a soft blur
    ratio = np.clip(tone / np.maximum(coarse, 1e-3), 0.5, 2.0).astype(np.float32) ** np.float32(LEVEL)
    return atlas.interpolated(ratio)
