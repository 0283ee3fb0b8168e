"""A rig as a user asks for it: fewer shapes, other names, shapes in between, another unit, another upward axis."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from flame_tools.arkit_names import ARKIT_NAMES, INDEX, has_named_shapes
from flame_tools.errors import InputError
from flame_tools.export.axes import OURS, Axes
from flame_tools.export.options import Options
from flame_tools.export.rig import Between, Rig, make_rig, possible_targets
from flame_tools.head import Head
from flame_tools.types import Track


def rig_for(track: Track, head: Head, options: Options) -> Rig:
    """`make_rig`, then as `options` want it.

    Raises ShapeError where the track does not fit together or was made on another head, and InputError where the
    options name a shape that is not there, leave none, or give two shapes one name.
    """
    rig = make_rig(track, head)
    rig = _with_lids_between(rig, options.inbetweens)
    if options.shapes:
        rig = _with_halves_joined(rig, ARKIT_NAMES if options.shapes == ("arkit",) else options.shapes)
    possible = possible_targets(head.arrays)
    kept = options.kept(rig.target_names, possible)
    nameless = options.shapes == ("arkit",) and not has_named_shapes(head.arrays)
    if options.shapes and (nameless or not kept):
        raise InputError(
            f"head {head.arrays.id!r} has none of the shapes {', '.join(options.shapes)}: its own are called "
            f"{', '.join(rig.target_names[:4])}, ...; leave out the choice of shapes, or carry the track over to a "
            "head that has them first (--to default, emberface.transfer)"
        )
    rig = _only(rig, kept)
    rig = _renamed(rig, options.called({name: name for name in rig.target_names}, possible))
    return _placed(rig, options.axes())


def _only(rig: Rig, names: list[str]) -> Rig:
    kept = [rig.target_names.index(name) for name in names]
    return dataclasses.replace(
        rig,
        target_names=tuple(names),
        targets=rig.targets[kept],
        weights=rig.weights[:, kept],
        between={name: shapes for name, shapes in rig.between.items() if name in names},
    )


def _with_halves_joined(rig: Rig, wanted: Collection[str]) -> Rig:
    """With a target for each wanted name of ARKit's without a side whose halves a head has apart, as browInnerUpLeft
    and browInnerUpRight: both at their mean weight. ARKit's names come first, in Apple's order."""
    at = {name: i for i, name in enumerate(rig.target_names)}
    halves = {name: [at.get(f"{name}{side}", -1) for side in ("Left", "Right")] for name in ARKIT_NAMES}
    joined = {name: pair for name, pair in halves.items() if name in wanted and name not in at and min(pair) >= 0}
    if not joined:
        return rig
    names = [*rig.target_names, *joined]
    targets = np.stack([*rig.targets, *(rig.targets[pair].sum(0) for pair in joined.values())])
    weights = np.stack([*rig.weights.T, *(rig.weights[:, pair].mean(1) for pair in joined.values())], -1)
    rig = dataclasses.replace(rig, target_names=tuple(names), targets=targets, weights=weights)
    return _only(rig, [name for name in ARKIT_NAMES if name in names] + [name for name in names if name not in INDEX])


def _with_lids_between(rig: Rig, count: int) -> Rig:
    """Lids that go round the eyeball by `count` shapes in between instead of targets of their own.

    Between two neighbours programs go straight, so a lid leaves its way by at most 1 / (count + 1)^2 of its bulge.
    """
    if not count:
        return rig
    between = {}
    for name, bulge in rig.lid_bulges.items():
        if name not in rig.target_names:  # a head without this lid
            continue
        shut = rig.targets[rig.target_names.index(name)]
        steps = [(i + 1) / (count + 1) for i in range(count)]
        between[name] = tuple(Between(w, w * shut + 4 * w * (1 - w) * bulge) for w in steps)
    rest = [name for name in rig.target_names if name.removesuffix("_bulge") not in between or name in between]
    return dataclasses.replace(_only(rig, rest), between=between)


def _renamed(rig: Rig, names: dict[str, str]) -> Rig:
    between = {names[name]: shapes for name, shapes in rig.between.items()}
    return dataclasses.replace(rig, target_names=tuple(names.values()), between=between)


def _placed(rig: Rig, axes: Axes) -> Rig:
    """The rig in another unit and with another axis upwards: every joint is bound along the new axes."""
    if axes == rig.axes:
        return rig
    assert rig.axes == OURS
    turned = np.concatenate([axes.turn(rig.rotations[..., :3]), rig.rotations[..., 3:]], -1)
    between = {
        name: tuple(Between(b.weight, axes.place(b.shape)) for b in shapes) for name, shapes in rig.between.items()
    }
    return dataclasses.replace(
        rig,
        base=axes.place(rig.base),
        targets=axes.place(rig.targets),
        rest_joints=axes.place(rig.rest_joints),
        rotations=turned,
        translations=axes.place(rig.translations),
        lid_bulges={name: axes.place(bulge) for name, bulge in rig.lid_bulges.items()},
        between=between,
        axes=axes,
    )
