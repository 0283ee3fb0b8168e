"""The motion of one head on another: copied where both own it, solved for elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flame_tools.transfer.carry import Carrier
from flame_tools.transfer.fit import Terms, Unknowns, fit_motion
from flame_tools.transfer.motion import JAW_SD, OTHERS, columns
from flame_tools.transfer.points import FacePoints
from flame_tools.types import HeadArrays

_NAMED = Terms(expected=0.2)  # where heads share names, these are followed unless the surface says otherwise
_SEEN_M = 2e-5  # a component that moves no sample further than this cannot be solved for
_JAW_LIMITS = (0.7, 0.25, 0.06)  # radians, where the head does not say how far its jaw goes
_JAW_SHUT = -0.1  # radians past rest


@dataclass(frozen=True)
class Performed:
    """A motion on another head."""

    motion: np.ndarray  # [T, E + 11] of the target
    residual_mm: np.ndarray  # [T] mean distance from where the target's face should be
    lost: list[str]  # components that move on the source and that the target has no place for


def perform(
    motion: np.ndarray,  # [T, E + 11] of the source
    carrier: Carrier,
    *,
    expected: np.ndarray | None = None,  # [T, E + 11] of the target, where both heads' names say it
    coherent: bool = True,  # False: frames have nothing to do with each other
) -> Performed:
    """The source's motion on the target: copied where both own a motion, solved for elsewhere."""
    source, target = carrier.source, carrier.target
    own, other = columns(source), columns(target)
    shown = motion.copy()  # what the target's face is to follow ...
    during = np.zeros((len(motion), len(target.expression_names) + OTHERS))  # ... with this already done ...
    after = np.zeros_like(during)  # ... and this done afterwards, each head in its own way
    during[:, other["eyes"]] = motion[:, own["eyes"]]
    copies_lids = len(source.eyelid_vertices) > 0 and len(target.eyelid_vertices) > 0
    if copies_lids:
        for name in ("eyes", "eyelids"):  # lids shut and follow the gaze by each head's own shapes
            shown[:, own[name]] = during[:, other[name]] = 0.0
            after[:, other[name]] = motion[:, own[name]]
    own_seen, seen = (_seen(points) for points in (carrier.source_points, carrier.points))
    lost = []
    for column in np.flatnonzero(~own_seen & (np.abs(motion[:, own["expression"]]).max(0, initial=0.0) > 0.05)):
        name = source.expression_names[column]
        there = target.expression_names.index(name) if name in target.expression_names else None
        if there is None or seen[there]:
            lost.append(name)
        else:
            after[:, there] = motion[:, column]
    unknowns = _unknowns(target, seen, solve_lids=not copies_lids)
    fit = fit_motion(
        carrier.points,
        lambda rows: carrier.wanted(shown[rows]),
        unknowns,
        during,
        weights=carrier.weights,
        pairs=carrier.pairs,
        expected=None if expected is None else expected @ unknowns.directions.T,
        terms=Terms() if expected is None else _NAMED,
        coherent=coherent,
    )
    return Performed(fit.motion + after, fit.residual_mm, lost)


def _unknowns(target: HeadArrays, seen: np.ndarray, *, solve_lids: bool) -> Unknowns:
    """Every component that shows on the face, the jaw, and the lids where they cannot be copied."""
    e = len(target.expression_names)
    spans = [target.jaw_open_rad, target.jaw_side_rad]
    jaw = [1.3 * own if own > 0 else limit for own, limit in zip(spans, _JAW_LIMITS, strict=False)] + [_JAW_LIMITS[2]]
    low = np.concatenate([target.expression_bounds[:, 0], [_JAW_SHUT, -jaw[1], -jaw[2]], np.zeros(8)])
    high = np.concatenate([target.expression_bounds[:, 1], jaw, np.zeros(6), np.ones(2)])
    sd = np.concatenate([np.maximum(target.expression_sd, 1e-3), JAW_SD, np.ones(6), np.full(2, 0.3)])
    lids = solve_lids and len(target.eyelid_vertices) > 0
    chosen = np.flatnonzero(np.concatenate([seen, np.ones(3, bool), np.zeros(6, bool), np.full(2, lids)]))
    return Unknowns(np.eye(e + OTHERS)[chosen], low[chosen], high[chosen], sd[chosen])


def _seen(points: FacePoints) -> np.ndarray:
    """Which expression components [E] move any of the points."""
    return np.linalg.norm(points.expression, axis=1).max(0, initial=0.0) > _SEEN_M
