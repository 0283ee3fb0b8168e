"""Most motions of a face are alike on both sides: what says so, and what it leaves of those that are not."""

import dataclasses

import numpy as np

from recon.fitting.fit import fit
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.priors import sides

from .test_fit import photographed


def test_sides_are_found_by_name(head):
    names = head.arrays.expression_names
    pairs = [(names[a], names[b]) for a, b in sides(head.arrays)]
    assert ("browDownLeft", "browDownRight") in pairs and len(pairs) > 10
    assert all(a.removesuffix("Left") == b.removesuffix("Right") for a, b in pairs)
    assert not {"mouthLeft", "mouthRight"} & {name for pair in pairs for name in pair}
    nameless = dataclasses.replace(head.arrays, expression_names=tuple(f"c{k}" for k in range(len(names))))
    assert sides(nameless).shape == (0, 2)  # nobody knows which of them belong together
    some = tuple(name.replace("browDownRight", "other") for name in names)
    assert len(sides(dataclasses.replace(head.arrays, expression_names=some))) == len(pairs) - 1


def test_what_is_read_badly_moves_both_sides_alike_and_a_crooked_face_is_met(head, model):
    lay, pairs = model.layout, sides(head.arrays)
    alone = LandmarkModel(head.arrays)
    alone.sides, alone.sides_sd = pairs[:0], model.sides_sd[:0]
    left, right = lay.expression.start + pairs.T
    truth, seen = photographed(head, model, 3, noise_px=2.0)
    crooked = truth[left] - truth[right]
    assert np.abs(crooked).max() > 0.4
    off = {}
    for name, one in (("together", model), ("alone", alone)):
        x = fit(head.arrays, one, seen).unknowns
        apart = x[left] - x[right]
        off[name] = np.abs(apart).mean()
        assert np.corrcoef(apart, crooked)[0, 1] > 0.6, name
    assert off["together"] < 0.9 * off["alone"]
