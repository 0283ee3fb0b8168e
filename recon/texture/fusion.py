"""Several views of one face to one even colour a texel: lights taken out, what disagrees left out, the sharpest kept.

What changes slowly over the face is the views' robust mean (`joint_light`); what is fine comes from the views that
show it best, each brought to that mean first, so that no seam shows where one gives way to another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from flame_tools.errors import InputError
from flame_tools.types import HeadArrays
from readers.sampling import gaussian
from recon.texture.bare import hair_colour
from recon.texture.face_area import Face
from recon.texture.fill import push_pull
from recon.texture.joint_light import Joint, joint_light
from recon.texture.light import evened, fit_light, harmonics, white_balance
from recon.texture.mouth import off_mouth
from recon.texture.posed_view import PosedView, Sampled, exposed, sampled
from recon.texture.skin_mask import lids_clear, skin_like, skin_tone

MOST_VIEWS = 16  # held at once: each further one takes the place of that which tells least
SOME = 11  # one texel of so many is enough for the nine numbers of a light, and for a tone; odd: not every row alike
SMOOTH = 0.6  # cells: over how much of the face a view is brought to the mean
GAINS = (0.35, 3.0)  # least and most


@dataclass(frozen=True, eq=False)
class Lit:
    """What a view was lit by, and where it shows the person's skin."""

    light: np.ndarray  # [9, 3] linear colours = albedo * (recon.texture.light.harmonics(normals) @ light)
    kept: (
        np.ndarray
    )  # [grid, grid] in [0, 1] over the atlas: how well the view agrees with all; 0 where something covers it
    seen: np.ndarray  # [grid, grid] in [0, 1]: how well it shows the face


@dataclass(frozen=True, eq=False)
class Fused:
    """The face as all views show it, at the T texels of a face."""

    colours: np.ndarray  # [T, 3] linear, evenly lit
    seen: np.ndarray  # [T] in [0, 1]
    tone: np.ndarray  # [3] linear: skin in good light
    hair: np.ndarray  # [3] linear
    lit: tuple[Lit | None, ...]  # of each view; None of those that told too little to be held
    coverage: tuple[float, ...]  # share of the frontal face that each view shows
    best: int  # the view that shows most


@dataclass(frozen=True, eq=False)
class _Held:
    number: int
    colours: np.ndarray  # [T, 3] float16 over tone, without the light that the view alone tells of
    weights: np.ndarray  # [T] float16
    fine: np.ndarray  # [T] float16 weight of what is fine
    even: np.ndarray  # [K, 3] means of `colours` over the cells
    means: np.ndarray  # [K, 3] the same of what the picture shows, its light left in
    known: np.ndarray  # [K]
    basis: np.ndarray  # [K, 9]
    contrast: np.ndarray  # [K] within the cells
    tone: np.ndarray  # [3]
    hair: np.ndarray  # [3] over tone
    exposure: float


def fuse(views: Iterable[PosedView], head: HeadArrays, face: Face) -> Fused:
    """Go once through any number of views; at most MOST_VIEWS are held.

    Raises InputError where there is none.
    """
    held: list[_Held] = []
    coverage: list[float] = []
    for number, view in enumerate(views):
        one, share = _looked_at(view, number, head, face)
        coverage.append(share)
        held.append(one)
        if len(held) > MOST_VIEWS:
            held.pop(_least(held, np.array([coverage[one.number] for one in held])))
    if not held:
        raise InputError("no view was given to take a texture from; wanted at least one picture with a fitted head")
    plain = face.mean(face.plain[:, None], np.ones(len(face.plain)))[0][:, 0]
    alone = len(held) == 1  # nobody knows what of its slow changes is light and what is skin
    joint = joint_light(
        np.stack([one.means for one in held]),
        np.stack([one.known for one in held]),
        np.stack([one.basis for one in held]),
        plain,
    )
    if alone:
        joint = replace(joint, albedo=held[0].even)
    colours, seen = _blended(held, joint, face)
    share = np.array([coverage[one.number] for one in held]) ** 2
    tone = np.exp(np.average(np.log([one.tone for one in held]), axis=0, weights=share + 1e-6))
    tone = tone * white_balance(tone)
    if not alone:  # skin in good light is 1 by definition
        some = slice(None, None, SOME)
        colours /= skin_tone(colours[some], (face.area * face.plain * seen)[some])
    lit: list[Lit | None] = [None] * len(coverage)
    for one, light, kept in zip(held, joint.light, joint.kept, strict=True):
        lit[one.number] = Lit(
            (light * one.tone / tone / one.exposure).astype(np.float32), face.gridded(kept), face.gridded(one.known)
        )
    best = held[int(np.argmax(share))]
    colours *= tone.astype(np.float32)
    np.clip(colours, 0, 1, out=colours)
    return Fused(colours, seen, tone, best.hair * tone, tuple(lit), tuple(coverage), best.number)


def _looked_at(view: PosedView, number: int, head: HeadArrays, face: Face) -> tuple[_Held, float]:
    """A view for itself: its own light, the tone of its skin, and where it shows skin at all."""
    look = sampled(view, head, face)
    even, tone, bare = skin_in(look, face)
    clear = lids_clear(even, tone, face)
    even = even * clear[:, None] + tone * (1 - clear[:, None])  # skin, as long as no other view shows the lid
    seen = look.seen * bare * (0.3 + 0.7 * clear)
    seen *= face.off_lip_edges * off_mouth(view, look.scale, head, face)
    coverage = float(seen[face.area > 0.5].mean(dtype=np.float64))
    hair = hair_colour(exposed(view.image, look.exposure), head, view.vertices, view.camera, tone) / tone
    return _held(look, number, even, seen, tone, hair, face), coverage


def skin_in(look: Sampled, face: Face) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A view's colours [T, 3] without the light that it tells of, its skin's tone [3], and [T] 0 where hair is seen."""
    skin = face.area * look.seen * face.plain
    some = slice(None, None, SOME)
    light = fit_light(look.normals[some], look.colours[some] / face.open[some, None], skin[some])
    even = evened(look.colours, look.normals, face.open, look.seen, light)
    tone = np.maximum(skin_tone(even[some], skin[some]), 1e-3).astype(np.float32)
    balance = white_balance(tone)
    return even, tone, skin_like(even * balance, look.seen, tone * balance, face)


def _held(
    look: Sampled, number: int, even: np.ndarray, weights: np.ndarray, tone: np.ndarray, hair: np.ndarray, face: Face
) -> _Held:
    colours = np.minimum(even / tone, 60000)  # the most that float16 holds
    grey = colours @ np.full(3, 1 / 3, np.float32)
    averaged = np.stack([face.open, grey * grey], 1)
    (shown, known), (normals, _), (level, _), (rest, _) = (
        face.mean(values, weights) for values in (look.colours, look.normals, colours, averaged)
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    usual = level.mean(1)
    contrast = np.sqrt(np.maximum(rest[:, 1] - usual**2, 0)) / np.maximum(usual, 1e-3)
    return _Held(
        number,
        colours.astype(np.float16),
        weights.astype(np.float16),
        (weights * look.scale / 1000).astype(np.float16),
        level,
        shown / tone,
        known,
        harmonics(normals) * rest[:, :1],
        contrast,
        tone,
        hair,
        look.exposure,
    )


def _least(held: list[_Held], coverage: np.ndarray) -> int:
    """Which view the others miss least. What two views show counts less than twice; that which shows most stays."""
    known = np.stack([one.known for one in held])
    told = np.exp(-4 * np.maximum(known.sum(0) - known, 0)) - np.exp(-4 * known.sum(0))
    told = told.sum(1)
    told[np.argmax(coverage)] = np.inf
    return int(np.argmin(told))


def _sharpness(held: list[_Held]) -> np.ndarray:
    """[N] in (0, 1]: the contrast of brows, lips and lids in each view, over that of the view with most."""
    contrast = np.stack([one.contrast for one in held])
    known = np.stack([one.known for one in held])
    usual = (contrast * known).sum(0) / np.maximum(known.sum(0), 1e-9)
    marked = usual > np.quantile(usual, 0.8)
    share = [
        np.average(c[marked] / usual[marked], weights=k[marked] + 1e-9) for c, k in zip(contrast, known, strict=True)
    ]
    return np.maximum(np.array(share) / max(share), 0.05)


def _blended(held: list[_Held], joint: Joint, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Colours [T, 3] over tone, and how well they were seen [T]."""
    from recon.texture.texels_numba import blend

    sums, total, seen = (np.zeros((len(face.cell), *rest), np.float32) for rest in ((3,), (), ()))
    for one, kept, sharp in zip(held, joint.kept, _sharpness(held), strict=True):
        fields = np.concatenate([_gains(one, kept, joint, face), _whole(kept, one, face)], -1)
        wide = (half.astype(np.float32) for half in (one.colours, one.weights, one.fine))
        blend(np.float32(fields), face.atlas.texels, face.atlas.size, *wide, sharp, sums, total, seen)
    return sums / np.maximum(total, 1e-12)[:, None], np.minimum(seen, 1)


def _gains(one: _Held, kept: np.ndarray, joint: Joint, face: Face) -> np.ndarray:
    """[grid, grid, 3] what brings a view's slow changes to the albedo."""
    gains = np.clip(joint.albedo / np.maximum(one.even, 1e-3), *GAINS)
    weights = face.gridded(one.known * kept)
    logs = face.gridded(np.log(gains)) * weights[..., None]
    blurred = gaussian(weights, SMOOTH)
    logs = gaussian(logs, SMOOTH) / np.maximum(blurred, 1e-6)[..., None]
    return np.exp(push_pull(logs, np.minimum(blurred * 20, 1) * (blurred > 1e-4)))


def _whole(kept: np.ndarray, one: _Held, face: Face) -> np.ndarray:
    """[grid, grid, 1] agreement, carried on over the rim of what the view shows."""
    weights = face.gridded(np.minimum(one.known * 20, 1))
    return push_pull(face.gridded(kept)[..., None], weights)
