"""Levels of detail: fewer triangles, the same head."""

import dataclasses
import itertools
import re

import numpy as np
import pygltflib
import pytest
import torch

from flame_tools import Appearance, FaceParams, Head, HeadArrays, InputError, load_head, read_head, save_head
from flame_tools.arkit import INDEX, to_params
from flame_tools.export.gltf import write_glb
from flame_tools.identity import random_identities
from flame_tools.posing import still
from flame_tools.surface.collapse import collapse
from flame_tools.surface.lod import levels, simplify, track_on
from flame_tools.surface.mesh_graph import edge_matrix, pieces
from flame_tools.surface.nearest import Surface

RATIOS = (0.5, 0.25, 0.1)
POSES = {
    "jaw": {"jawOpen": 0.8},
    "smile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "cheekSquintLeft": 0.7, "cheekSquintRight": 0.7},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "pucker": {"mouthPucker": 1.0, "browInnerUp": 1.0},
}


@pytest.fixture(scope="module")
def full() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def made(full) -> list[HeadArrays]:
    return levels(full.arrays, RATIOS)


def posed(head: Head, weights: dict[str, float]) -> np.ndarray:
    row = torch.zeros(52)
    for name, value in weights.items():
        row[INDEX[name]] = value
    return head.vertices(to_params(row, head)).detach().numpy()


def edge_counts(faces: np.ndarray) -> np.ndarray:
    sides = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    assert len(np.unique(sides, axis=0)) == len(sides), "two triangles run along an edge the same way"
    return np.unique(np.sort(sides, 1), axis=0, return_counts=True)[1]


def test_levels_have_the_triangles_asked_for_and_nest(full, made):
    for level, ratio in zip(made, RATIOS, strict=True):
        assert ratio * 14672 * 0.98 <= len(level.faces) <= ratio * 14672
    assert [level.id for level in made] == ["default.lod1", "default.lod2", "default.lod3"]
    kept = [{tuple(v) for v in level.v_template.tolist()} for level in (full.arrays, *made)]
    assert all(small < large for large, small in itertools.pairwise(kept))


def test_levels_stay_manifolds_with_the_same_pieces_and_rims(full, made):

    def count(arrays):
        return pieces(edge_matrix(arrays.faces, len(arrays.v_template))).max() + 1

    for level in made:
        counts = edge_counts(level.faces)
        assert counts.max() == 2
        assert len(np.unique(level.faces)) == len(level.v_template)
        assert count(level) == count(full.arrays)
        assert set(level.face_material) == set(full.arrays.face_material)


def test_levels_are_symmetric(made):
    for level in made:
        reflected = level.v_template[level.mirror] * [-1.0, 1.0, 1.0]
        assert np.abs(reflected - level.v_template).max() < 1e-6
        own, across = np.sort(level.faces, 1), np.sort(level.mirror[level.faces], 1)
        assert np.array_equal(np.unique(own, axis=0), np.unique(across, axis=0))


def test_no_triangle_turns_over_in_rest_or_expression(full, made):
    place = {tuple(point): i for i, point in enumerate(full.arrays.v_template.tolist())}
    for level in made:
        head, original = Head(level), np.array([place[tuple(point)] for point in level.v_template.tolist()])
        for weights in ({}, *POSES.values()):
            normals = Surface(posed(full, weights), full.arrays.faces).vertex_normals[original]
            turned = Surface(posed(head, weights), level.faces).face_normals
            against = (normals[level.faces] * turned[:, None]).sum(-1).max(1) < 0.0  # against all three of its corners
            assert against.mean() < 0.004  # tight folds in the mouth and at the nostrils


def test_the_face_stays_near_in_every_pose(full, made):
    # Measured 0.06, 0.17 and 0.45 mm in the mean, 0.4, 0.9 and 1.7 mm for 99 of 100.
    face = full.arrays.regions["face"]
    for level, mean_mm, most_mm in zip(made, (0.08, 0.22, 0.6), (0.6, 1.2, 3.0), strict=True):
        head = Head(level)
        for weights in ({}, *POSES.values()):
            surface = Surface(posed(head, weights), level.faces)
            away = 1e3 * surface.nearest(posed(full, weights)[face]).distance
            assert away.mean() < mean_mm and np.percentile(away, 99) < most_mm


def test_a_level_takes_the_parameters_of_its_head(full, made):
    shapes = random_identities(full, 6, seed=1)
    params = FaceParams.neutral(full).replace(shape=shapes, jaw=torch.tensor([0.2, 0.05, 0.0]))
    for level, joint_mm, mark_mm in zip(made, (0.6, 0.9, 1.2), (0.6, 1.0, 2.5), strict=True):
        head = Head(level)
        before, after = full(params), head(params)
        assert 1e3 * (before.joints - after.joints).norm(dim=-1).max() < joint_mm
        marks = full.landmarks(before.vertices, "68") - head.landmarks(after.vertices, "68")
        assert 1e3 * marks.norm(dim=-1).mean() < mark_mm
        kept = np.array([np.flatnonzero((full.arrays.v_template == v).all(1))[0] for v in level.v_template[::40]])
        same = before.vertices[:, kept] - after.vertices[:, ::40]
        assert 1e3 * same.norm(dim=-1).max() < joint_mm  # vertices are the original's but for their joints
        upper, lower = level.inner_lip_pairs.T
        assert np.array_equal(level.v_template[upper], full.arrays.v_template[full.arrays.inner_lip_pairs[:, 0]])
        assert len(lower) == len(full.arrays.inner_lip_pairs)
        for name in ("left_upper_lid_margin", "right_lower_lid_margin"):
            assert len(level.regions[name]) == len(full.arrays.regions[name])


def test_uv_charts_and_materials_keep_their_borders(full, made):
    a = full.arrays
    for level in made:
        # Every corner's place in the atlas is one that this vertex had, and no triangle leaps between charts.
        where = {tuple(p): i for i, p in enumerate(a.v_template.tolist())}
        original = np.array([where[tuple(p)] for p in level.v_template.tolist()])
        pairs = {(int(v), *uv) for v, uv in zip(a.faces.ravel(), a.uv[a.uv_faces.ravel()].tolist(), strict=True)}
        corners = level.uv[level.uv_faces.ravel()].tolist()
        assert all((int(original[v]), *uv) in pairs for v, uv in zip(level.faces.ravel(), corners, strict=True))
        uv = level.uv[level.uv_faces]
        longest = np.linalg.norm(uv - np.roll(uv, 1, 1), axis=-1).max(1)
        metres = level.v_template[level.faces]
        scale = longest / np.linalg.norm(metres - np.roll(metres, 1, 1), axis=-1).max(1)
        assert scale.max() < 40.0  # the densest chart has 27 per metre


def test_a_level_saves_loads_and_leaves_as_gltf(full, made, tmp_path):

    level = made[-1]
    save_head(level, tmp_path / "low.npz")
    again = load_head(tmp_path / "low.npz")
    assert again.arrays.id == "default.lod3" and again.arrays.provenance["lod"]["of"] == "default"
    assert np.array_equal(read_head(tmp_path / "low.npz").faces, level.faces)
    offsets = np.random.default_rng(0).normal(0.0, 1e-3, full.arrays.v_template.shape)
    track = still(full, random_identities(full, 1, seed=2)[0])
    track = track.replace(appearance=Appearance(vertex_offsets=offsets))
    low = track_on(track, full.arrays, level)
    kept = np.array([np.flatnonzero((full.arrays.v_template == v).all(1))[0] for v in level.v_template])
    assert np.array_equal(low.appearance.vertex_offsets, offsets[kept])
    write_glb(low, again, tmp_path / "low.glb")
    file = pygltflib.GLTF2().load(tmp_path / "low.glb")
    triangles = sum(file.accessors[p.indices].count for mesh in file.meshes for p in mesh.primitives) // 3
    assert triangles == len(level.faces)
    with pytest.raises(InputError, match="no level of"):
        track_on(track, dataclasses.replace(full.arrays, id="other"), level)


def test_simplify_by_number_on_a_head_without_mirror_or_uv(full):

    bare = dataclasses.replace(
        full.arrays,
        mirror=np.arange(len(full.arrays.mirror), dtype=np.int32),
        uv=np.zeros((0, 2), np.float32),
        uv_faces=np.zeros_like(full.arrays.faces),
        landmarks={},
        regions={},
        id="bare",
    )
    small = simplify(bare, triangles=2000)
    assert len(small.faces) <= 2000 and small.id == "bare.lod1" and edge_counts(small.faces).max() == 2
    with pytest.raises(InputError, match="either"):
        simplify(bare)
    with pytest.raises(InputError, match="200 or more"):
        simplify(bare, triangles=20)
    with pytest.raises(InputError, match="falling"):
        levels(bare, (0.5, 0.5))


def sheet() -> tuple[np.ndarray, np.ndarray]:
    """A flat sheet of 9 x 9 vertices, a centimetre apart: vertices [81, 3] and triangles [128, 3]."""
    x, y = np.divmod(np.arange(81), 9)
    flat = np.stack([x, y, 0 * x], -1) * 0.01
    low = np.arange(81)[(x < 8) & (y < 8)]
    return flat, np.concatenate([low[:, None] + [0, 9, 10], low[:, None] + [0, 10, 1]])


def test_a_vertex_that_only_an_expression_needs_is_kept():
    # A flat sheet, 9 x 9; in the second pose its middle is raised to a peak.
    n = 9
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    flat = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1) * 0.01
    quads = np.array(
        [[i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1] for i in range(8) for j in range(8)]
    )
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    peak = flat.copy()
    peak[40, 2] = 0.02
    material = np.zeros(len(faces), int)
    (alone,) = collapse(faces, faces, material, flat[None], [20])
    (both,) = collapse(faces, faces, material, np.stack([flat, peak]), [20])
    assert 40 in both.faces and len(both.faces) <= 40
    corners = {0, 8, 72, 80}
    assert corners <= set(alone.faces.ravel().tolist())  # a rim keeps its shape


def test_a_seam_collapses_along_itself():
    # Two charts meet on the middle column of a sheet: its vertices may go, the seam stays straight.
    n = 9
    x, y = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    flat = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1) * 0.01
    quads = np.array(
        [[i * n + j, (i + 1) * n + j, (i + 1) * n + j + 1, i * n + j + 1] for i in range(8) for j in range(8)]
    )
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    right = (faces.min(1) // 9 >= 4)[:, None]
    uv_faces = np.where(right, faces + 1000, faces)
    (left,) = collapse(faces, uv_faces, np.zeros(len(faces), int), flat[None], [16])
    chart = left.uv_faces >= 1000
    assert (chart.all(1) | ~chart.any(1)).all() and len(left.faces) <= 16
    assert np.array_equal(left.uv_faces % 1000, left.faces)
    columns = left.faces // 9
    assert (columns[chart.all(1)] >= 4).all() and (columns[~chart.any(1)] <= 4).all()


@pytest.mark.parametrize("triangles", [0, -5, 10**9, "many", 2.5, True, float("nan")])
def test_what_is_no_number_of_triangles(full, triangles):
    with pytest.raises(InputError, match=rf"triangles is {re.escape(repr(triangles))}, wanted a whole number"):
        simplify(full.arrays, triangles=triangles)


@pytest.mark.parametrize("ratios", [0.5, "0.5", ("half",), None])
def test_what_is_no_list_of_shares(full, ratios):
    with pytest.raises(InputError, match=r"ratios are .* wanted shares"):
        levels(full.arrays, ratios)


@pytest.mark.parametrize("ratios", [(0,), (-1,), (5,), (), (float("nan"),)])
def test_shares_that_no_level_has(full, ratios):
    with pytest.raises(InputError, match=r"wanted 0.014 to 1"):
        levels(full.arrays, ratios)
