"""Crops of made faces: what is drawn, and what is told of it."""

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX
from recon.synthetic.crops import FARTHER, made_crops, random_faces
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.random_expressions import AGAINST_TONGUE, random_weights


def test_some_faces_move_farther_than_the_head_and_what_is_told_of_them_stays_within_its_bounds(head):
    rng, names = np.random.default_rng(5), head.arrays.expression_names
    drawn = torch.cat([random_faces(head, rng)[1].expression for _ in range(8)])
    assert 1 < drawn.max() <= FARTHER[1] and drawn[:, names.index("mouthClose")].max() <= 1
    assert 0.1 < (drawn > 1).any(1).float().mean() < 0.6

    def farthest(head, rng):
        rest, params = random_faces(head, rng)
        return rest, params.replace(expression=torch.full_like(params.expression, 1.5))

    told = made_crops(head, 2, 6, faces=farthest).face[:, head.shape_size :][:, : head.expression_size]
    assert (told == 1).all()


def test_tongues_come_out_of_mouths_that_make_way():
    rng = np.random.default_rng(6)
    weights = np.stack([random_weights(rng) for _ in range(3000)])
    assert ((weights >= 0) & (weights <= 1)).all() and weights.shape[1] == len(ARKIT_NAMES)
    out = weights[:, INDEX["tongueOut"]] > 0
    assert 0.04 < out.mean() < 0.1
    assert (weights[out, INDEX["jawOpen"]] > 0.07).all()
    assert not weights[out][:, [INDEX[name] for name in AGAINST_TONGUE]].any()


def test_mouths_differ_inside(head):
    rng = np.random.default_rng(8)
    looks = [look_of_person(head.arrays, random_person(head.arrays, rng)) for _ in range(6)]
    colours = np.stack([look.table[look.names.index("tongue"), :3] for look in looks])
    assert len(np.unique(colours, axis=0)) == 6 and colours.std(0).min() > 0.02
    assert all((look.table[:, :3] >= 0).all() and (look.table[:, :3] <= 0.9).all() for look in looks)
    skin = looks[0].names.index("skin")
    assert all((look.table[skin] == looks[0].table[skin]).all() for look in looks)  # that is painted
