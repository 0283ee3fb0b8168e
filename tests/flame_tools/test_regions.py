"""Regions by name, and what lies where."""

import dataclasses

import numpy as np
import pytest

from flame_tools import InputError, load_head
from flame_tools.regions import known, region, region_faces, region_mask, regions_at, regions_of, soft_mask


@pytest.fixture(scope="module")
def head():
    return load_head().arrays


def test_regions_join_and_cut(head):
    joined = region(head, ("lips", "nose"))
    assert set(joined) == set(head.regions["lips"]) | set(head.regions["nose"])
    bare = region(head, "face", without=("lips", "nose"))
    assert not np.isin(bare, joined).any()
    assert set(bare) | (set(head.regions["face"]) & set(joined)) == set(head.regions["face"])
    with pytest.raises(InputError, match="no region 'beard'; it has brow"):
        region(head, "beard")
    assert known(head, ("beard", "lips")) == ["lips"]


def test_faces_of_a_region_lie_in_it_or_touch_it(head):
    mask = region_mask(head, "left_eyeball")
    inside = region_faces(head, "left_eyeball")
    assert mask[head.faces[inside]].all()
    assert np.array_equal(inside, region_faces(head, "left_eyeball", touching=True))  # a piece of its own
    assert len(region_faces(head, "lips", touching=True)) > len(region_faces(head, "lips"))


def test_every_vertex_is_told_its_regions_smallest_first(head):
    vertices = [int(head.regions["left_pupil"][0]), int(head.regions["scalp"][0])]
    pupil, scalp = regions_of(head, vertices)
    assert pupil[0] == "left_pupil" and {"left_eyeball", "eyes"} <= set(pupil) and "right_eyeball" not in pupil
    assert "scalp" in scalp and "face" not in scalp
    for name in ("nose", "lips", "left_lids"):
        assert all(name in found for found in regions_of(head, head.regions[name]))
    with pytest.raises(InputError, match="reach 9999999"):
        regions_of(head, [9999999])


def test_points_near_the_surface_find_their_region(head):
    nose = head.v_template[head.regions["nose"]]
    tip = nose[nose[:, 2].argmax()]
    assert "nose" in regions_at(head, tip[None] + [0.0, 0.0, 0.003])[0]
    crown = head.v_template[head.v_template[:, 1].argmax()]
    assert "scalp" in regions_at(head, crown[None] + [0.0, 0.05, 0.0])[0]


def test_a_soft_mask_falls_over_the_border_and_not_across_the_mouth(head):
    mask = soft_mask(head, "nose", border_m=0.012)
    inside = region_mask(head, "nose")
    assert (mask[inside] == 1.0).all() and 0.0 < mask[~inside].max() < 1.0
    distance = np.linalg.norm(head.v_template[:, None] - head.v_template[None, head.regions["nose"]], axis=-1).min(1)
    assert (mask[distance > 0.0121] == 0.0).all()
    assert np.abs(mask - mask[head.mirror]).max() < 1e-6
    upper, lower = head.inner_lip_pairs[len(head.inner_lip_pairs) // 2]
    alone = dataclasses.replace(head, regions={"one": np.array([upper])})
    lip = soft_mask(alone, "one", border_m=0.004)
    assert np.linalg.norm(head.v_template[upper] - head.v_template[lower]) < 0.004 and lip[lower] == 0.0


@pytest.mark.parametrize("border_m", [float("nan"), float("inf"), -0.01])
def test_a_border_that_cannot_be_is_refused(head, border_m):
    with pytest.raises(InputError, match="0 or more metres"):
        soft_mask(head, "nose", border_m=border_m)
