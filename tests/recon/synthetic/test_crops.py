"""What parts made people from those whom the head can say."""

import numpy as np
import pytest
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from recon.synthetic.crops import FARTHER, Marks, made_crops, random_bumps, random_faces, random_manner, turn_tongue
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.random_expressions import AGAINST_TONGUE, random_weights


@pytest.fixture(scope="module")
def marks(head):
    return Marks(head.arrays)


def test_a_manner_changes_motions_and_nothing_else(head, marks):
    arrays = head.arrays
    manner = random_manner(arrays, marks, np.random.default_rng(3))
    assert not manner(np.zeros_like(arrays.v_template)).any()
    smile = np.asarray(arrays.expressiondirs[..., arrays.expression_names.index("mouthSmileLeft")], np.float64)
    moved = manner(smile)
    share = np.linalg.norm(moved - smile) / np.linalg.norm(smile)
    assert 0.02 < share < 0.8
    np.testing.assert_allclose(manner(2 * smile), 2 * moved, atol=1e-12)
    assert not moved[~smile.any(1)].any()  # what an expression leaves alone stays
    np.testing.assert_array_equal(moved, random_manner(arrays, marks, np.random.default_rng(3))(smile))


def test_lids_go_where_eyes_are(head, marks):
    arrays = head.arrays
    manner = random_manner(arrays, marks, np.random.default_rng(4))
    down = np.zeros((len(arrays.v_template), 3))
    down[:, 1] = -0.01
    near = np.linalg.norm(arrays.v_template - marks.of(arrays.v_template, "iris")[0], axis=1) < 0.008
    assert near.any() and np.abs(manner(down) - down)[near].max() < 0.3 * np.abs(manner(down) - down).max()


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


def test_bumps_are_smooth(head):
    arrays = head.arrays
    bumps = random_bumps(arrays, np.random.default_rng(5))
    highest, (a, b) = np.linalg.norm(bumps, axis=1).max(), arrays.faces[:, :2].T
    assert 1e-4 < highest < 0.02
    step = np.linalg.norm(bumps[a] - bumps[b], axis=1)[
        np.linalg.norm(arrays.v_template[a] - arrays.v_template[b], axis=1) < 0.005
    ]
    assert step.max() < 0.4 * highest


def test_tongues_come_out_of_mouths_that_make_way():
    rng = np.random.default_rng(6)
    weights = np.stack([random_weights(rng) for _ in range(3000)])
    assert ((weights >= 0) & (weights <= 1)).all() and weights.shape[1] == len(ARKIT_NAMES)
    out = weights[:, INDEX["tongueOut"]] > 0
    assert 0.04 < out.mean() < 0.1
    assert (weights[out, INDEX["jawOpen"]] > 0.07).all()
    assert not weights[out][:, [INDEX[name] for name in AGAINST_TONGUE]].any()


@pytest.mark.parametrize("seed", range(3))
def test_a_tongue_leans_only_where_it_is_out(head, seed):
    arrays = head.arrays
    weights = torch.zeros(2, 52, dtype=head.v_template.dtype)
    weights[:, INDEX["jawOpen"]] = 0.3
    weights[1, INDEX["tongueOut"]] = 1.0
    with torch.no_grad():
        posed = head.vertices(to_params(weights, head)).numpy().astype(np.float64)
    for vertices, out in zip(posed, (False, True), strict=True):
        before = vertices.copy()
        turn_tongue(vertices, arrays, np.random.default_rng(seed))
        moved = np.linalg.norm(vertices - before, axis=1)
        assert not np.delete(moved, arrays.regions["tongue"]).any()
        lips = before[arrays.inner_lip_pairs[:, 1], 2].max()
        assert not moved[before[:, 2] < lips - 0.009].any()  # what is behind the teeth stays
        assert (moved.max() > 0.002) == out


def test_mouths_differ_inside(head):
    rng = np.random.default_rng(8)
    looks = [look_of_person(head.arrays, random_person(head.arrays, rng)) for _ in range(6)]
    colours = np.stack([look.table[look.names.index("tongue"), :3] for look in looks])
    assert len(np.unique(colours, axis=0)) == 6 and colours.std(0).min() > 0.02
    assert all((look.table[:, :3] >= 0).all() and (look.table[:, :3] <= 0.9).all() for look in looks)
    skin = looks[0].names.index("skin")
    assert all((look.table[skin] == looks[0].table[skin]).all() for look in looks)  # that is painted
