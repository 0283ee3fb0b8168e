import dataclasses

import numpy as np
import pytest

from flame_tools import load_head
from flame_tools.surface.correspondence import correspond
from flame_tools.surface.head_parts import SKIN, parts_of
from flame_tools.surface.lod import simplify
from flame_tools.transfer.appearance import carried_albedo

SIZE = 128


def painted(head, colour_of) -> np.ndarray:
    """A picture whose every texel near a vertex has that vertex's colour."""
    rng = np.random.default_rng(0)
    share = rng.dirichlet((1, 1, 1), size=(len(head.faces), 12))
    points = np.einsum("fnk,fkc->fnc", share, head.v_template[head.faces]).reshape(-1, 3)
    uv = np.einsum("fnk,fkc->fnc", share, head.uv[head.uv_faces]).reshape(-1, 2)
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    at = np.clip(np.stack([(1 - uv[:, 1]) * SIZE, uv[:, 0] * SIZE], 1).astype(int), 0, SIZE - 1)
    picture[at[:, 0], at[:, 1]] = colour_of(points)
    return picture


@pytest.fixture(scope="module")
def heads():
    head = load_head().arrays
    other = simplify(head, ratio=0.4)
    turned = np.stack([other.uv[:, 1], 1 - other.uv[:, 0]], 1)  # another layout: a quarter turn
    return head, dataclasses.replace(other, uv=turned.astype(np.float32))


def test_a_colour_stays_at_its_place_on_the_face(heads):
    head, other = heads

    def colour_of(points):
        return np.clip(128 + points * np.array([900, 700, 500]), 0, 255).astype(np.uint8)

    found = carried_albedo(painted(head, colour_of), head, other, correspond(head, other))
    wanted = painted(other, colour_of)
    skin = dataclasses.replace(other, **_only(other, parts_of(other) == SKIN))
    there = painted(skin, lambda points: np.full((len(points), 3), 255, np.uint8))[..., 0] > 0
    difference = np.abs(found.astype(int) - wanted)[there]
    assert np.median(difference) <= 6 and np.percentile(difference, 90) < 25


def _only(head, keep) -> dict:
    faces = keep[head.faces].all(1)
    return {"faces": head.faces[faces], "uv_faces": head.uv_faces[faces], "face_material": head.face_material[faces]}


def test_heads_without_a_layout_take_no_picture(heads):
    head, other = heads
    bare = dataclasses.replace(other, uv=np.zeros((0, 2)), uv_faces=np.zeros_like(other.faces))
    assert carried_albedo(np.zeros((8, 8, 3), np.uint8), head, bare, correspond(head, bare)) is None
