"""Teeth, gums and tongue of the bundled head: shape, place, and that they stay behind lips and cheeks."""

import math
from itertools import pairwise

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, cKDTree

from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.load import load_head
from render.camera import portrait_camera, to_clip
from render.raster import rasterize

HEAD = load_head(dtype=torch.float64)
A = HEAD.arrays
REST = A.v_template.astype(np.float64)
FLIP = np.array([-1.0, 1.0, 1.0])
UPPER, LOWER, TONGUE = A.regions["upper_teeth"], A.regions["lower_teeth"], A.regions["tongue"]
TEETH = np.concatenate([UPPER, LOWER])
LIPS = A.inner_lip_pairs
MOUTH_SHAPES = tuple(n for n in ARKIT_NAMES if n.startswith(("jaw", "mouth", "cheek", "noseSneer")))


def both(**weights: float) -> dict[str, float]:
    return {name + side: weight for name, weight in weights.items() for side in ("Left", "Right")}


COMBINED = {
    "open + funnel": {"jawOpen": 0.5, "mouthFunnel": 1.0},
    "open + smile": both(mouthSmile=1.0) | {"jawOpen": 0.4},
    "open + pucker": {"jawOpen": 0.3, "mouthPucker": 1.0},
    "open + rolls": {"jawOpen": 0.3, "mouthRollUpper": 1.0, "mouthRollLower": 1.0},
    "open + forward": {"jawOpen": 0.5, "jawForward": 1.0},
    "open + left": {"jawOpen": 0.5, "jawLeft": 1.0},
    "smile": both(mouthSmile=1.0),
    "press": both(mouthPress=1.0),
    "press + smile": both(mouthPress=1.0, mouthSmile=1.0),
    "rolls": {"mouthRollUpper": 1.0, "mouthRollLower": 1.0},
    "stretch": both(mouthStretch=1.0),
    "upper up + sneer": both(mouthUpperUp=1.0, noseSneer=1.0),
    "lower down": both(mouthLowerDown=1.0),
    "held shut over an open jaw": {"jawOpen": 0.4, "mouthClose": 0.4},
}
SHUT = {
    "rest": {},
    "smile": both(mouthSmile=1.0),
    "half a smile": both(mouthSmile=0.5),
    "press": both(mouthPress=1.0),
    "dimple": both(mouthDimple=1.0),
    "stretch": both(mouthStretch=1.0),
    "frown": both(mouthFrown=1.0),
    "pucker": {"mouthPucker": 1.0},
    "rolls": {"mouthRollUpper": 1.0, "mouthRollLower": 1.0},
    "puff": {"cheekPuff": 1.0},
    "left": {"mouthLeft": 1.0},
    "shrug": {"mouthShrugUpper": 1.0, "mouthShrugLower": 1.0},
    "held shut over an open jaw": {"jawOpen": 0.4, "mouthClose": 0.4},
}


def pose(shape: torch.Tensor | None = None, **weights: float) -> np.ndarray:
    """Vertices [V, 3] of ARKit weights and of the tongue's shapes, by name."""
    row = torch.zeros(len(ARKIT_NAMES), dtype=torch.float64)
    for name in set(weights) & set(INDEX):
        row[INDEX[name]] = weights[name]
    params = to_params(row, HEAD)
    for name in set(weights) - set(INDEX):
        params.expression[A.expression_names.index(name)] = weights[name]
    return HEAD.vertices(params if shape is None else params.replace(shape=shape)).numpy()


def person(seed: int) -> torch.Tensor:
    """A random identity within 2 SD."""
    return torch.randn(HEAD.shape_size, generator=torch.Generator().manual_seed(seed)).double().clamp(-2.0, 2.0)


def of_material(*names: str) -> np.ndarray:
    return np.isin(A.face_material, [A.materials.index(name) for name in names])


def closed_skin() -> np.ndarray:
    """Triangles of the skin with the neck's rim closed by a fan over one of its vertices."""
    inside = of_material("skin", "lips", "mouth")
    skin = A.faces[inside].astype(np.int64)
    edges = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    known = {tuple(edge) for edge in edges.tolist()}
    following = {b: a for a, b in known if (b, a) not in known}
    first = next(iter(sorted(following)))
    loop = [first]
    while following[loop[-1]] != first:
        loop.append(following[loop[-1]])
    assert len(loop) == len(following), "the skin has more than one rim"
    fan = np.array([[first, a, b] for a, b in pairwise(loop[1:])])
    return np.concatenate([skin, fan])


@numba.njit(cache=False)
def winding(points, triangles):
    """Winding number [n] of a closed surface [m, 3, 3] (van Oosterom and Strackee 1983): 1 inside the flesh."""
    total = np.zeros(len(points))
    for i in range(len(points)):
        p = points[i]
        for j in range(len(triangles)):
            ax, ay, az = triangles[j, 0, 0] - p[0], triangles[j, 0, 1] - p[1], triangles[j, 0, 2] - p[2]
            bx, by, bz = triangles[j, 1, 0] - p[0], triangles[j, 1, 1] - p[1], triangles[j, 1, 2] - p[2]
            cx, cy, cz = triangles[j, 2, 0] - p[0], triangles[j, 2, 1] - p[1], triangles[j, 2, 2] - p[2]
            a, b, c = (
                math.sqrt(ax**2 + ay**2 + az**2),
                math.sqrt(bx**2 + by**2 + bz**2),
                math.sqrt(cx**2 + cy**2 + cz**2),
            )
            volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
            ab, bc, ca = ax * bx + ay * by + az * bz, bx * cx + by * cy + bz * cz, cx * ax + cy * ay + cz * az
            total[i] += math.atan2(volume, a * b * c + ab * c + bc * a + ca * b)
    return total / (2.0 * math.pi)


SKIN = closed_skin()


def depth_in_flesh_mm(vertices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How deep points [n, 3] lie in the flesh (mm, 0 outside of it), to about half the size of a triangle."""
    corners = vertices[SKIN]
    inside = np.abs(winding(points, corners)) > 0.5
    depth = np.zeros(len(points))
    if inside.any():
        near = corners[(np.abs(corners.mean(1) - points.mean(0)) < 0.06).all(1)]
        middles = 0.5 * (near + np.roll(near, 1, axis=1))
        surface = np.concatenate([near.reshape(-1, 3), middles.reshape(-1, 3), near.mean(1)])
        depth[inside] = 1e3 * cKDTree(surface).query(points[inside])[0]
    return depth


def seen(vertices: np.ndarray, *materials: str, yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> int:
    """Pixels of materials in a close-up of the mouth, 512 pixels for 7 cm."""
    centre = vertices[LIPS.ravel()].mean(0)
    bounds = np.stack([centre - 0.035, centre + 0.035])
    camera = portrait_camera((512, 512), bounds, yaw_deg=yaw_deg, pitch_deg=pitch_deg, fill=1.0)
    face = rasterize(to_clip(vertices, camera)[None], A.faces, (512, 512)).face_id[0].numpy()
    return int(of_material(*materials)[face[face >= 0]].sum())


def crowns(row: np.ndarray) -> list[np.ndarray]:
    """Vertices of each tooth of a row."""
    faces = A.faces[np.isin(A.faces, row).all(1)]
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sp.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(REST), len(REST)))
    label = connected_components(graph, directed=False)[1][row]
    return [row[label == one] for one in np.unique(label)]


# --- what is there ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [UPPER, LOWER], ids=["upper", "lower"])
def test_a_row_has_fourteen_crowns_of_human_size(row):
    teeth = crowns(row)
    assert len(teeth) == 14
    for tooth in teeth:
        width, height, depth = np.ptp(REST[tooth], axis=0) * 1e3
        assert 6.0 < height < 14.0
        assert 3.5 < width < 14.0
        assert 3.5 < depth < 14.0


def test_every_crown_looks_outwards():
    for tooth in crowns(UPPER) + crowns(LOWER):
        corners = REST[A.faces[np.isin(A.faces, tooth).all(1)]] - REST[tooth].mean(0)
        volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6.0
        assert volume > 2e-8  # more than 20 cubic millimetres


def test_the_inside_of_the_mouth_is_light():
    assert of_material("teeth", "gums", "tongue", "mouth").sum() < 4800


def test_mouth_mirrors_to_the_bit():
    part = np.unique(A.faces[of_material("teeth", "gums", "tongue")])
    assert np.isin(A.mirror[part], part).all()
    np.testing.assert_array_equal(REST[A.mirror[part]], REST[part] * FLIP)
    np.testing.assert_array_equal(A.weights[A.mirror[part]], A.weights[part])


def test_upper_incisors_overlap_the_lower_ones_in_front():
    front = [row[np.abs(REST[row, 0]) < 0.004] for row in (UPPER, LOWER)]
    overlap = REST[front[1], 1].max() - REST[front[0], 1].min()
    ahead = REST[front[0], 2].max() - REST[front[1], 2].max()
    assert 0.0003 < overlap < 0.004
    assert 0.001 < ahead < 0.005


# --- what moves -------------------------------------------------------------------------------------------------------


def test_the_upper_row_is_part_of_the_skull_in_all_52_shapes():
    for name in ARKIT_NAMES:
        np.testing.assert_allclose(pose(**{name: 1.0})[UPPER], REST[UPPER], atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    "name", ["jawOpen", "jawLeft", "jawRight", "jawForward", "mouthFunnel", "mouthClose", "tongueOut"]
)
def test_the_lower_row_is_rigid_and_rides_on_the_jaw(name):
    moved = pose(**{name: 1.0})[LOWER]
    apart = np.linalg.norm(REST[LOWER][:, None] - REST[LOWER][None, ::37], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(moved[:, None] - moved[None, ::37], axis=-1), apart, atol=1e-9)
    travel = 1e3 * np.linalg.norm(moved - REST[LOWER], axis=1).max()
    assert (travel > 4.0) == name.startswith("jaw")


# --- what stays behind the skin ---------------------------------------------------------------------------------------


# mouthClose is half of a pose: it is held to account over an open jaw, below.
@pytest.mark.parametrize("name", ["rest", *(name for name in MOUTH_SHAPES if name != "mouthClose")])
def test_no_tooth_enters_lips_or_cheeks(name):
    depth = depth_in_flesh_mm(posed := pose(**({} if name == "rest" else {name: 1.0})), posed[TEETH])
    assert depth.max() < 0.6  # mm, mouthRollUpper's 0.2 is the worst


@pytest.mark.parametrize("name", COMBINED)
def test_no_tooth_comes_near_the_outside_of_the_lips_in_mixed_shapes(name):
    depth = depth_in_flesh_mm(posed := pose(**COMBINED[name]), posed[TEETH])
    # Sums of shapes may press the inside of a lip on a tooth; lips are over 8 mm thick there. Worst: press + smile 4.0.
    assert depth.max() < 4.6
    assert (depth > 0).sum() <= 20


@pytest.mark.parametrize("name", SHUT)
def test_shut_lips_show_no_teeth(name):
    posed = pose(**SHUT[name])
    assert seen(posed, "teeth", "gums", "tongue", "mouth") == 0
    for yaw_deg in (-35.0, 35.0):
        assert (
            seen(posed, "teeth", "gums", "tongue", "mouth", yaw_deg=yaw_deg) <= 12
        )  # of 262144: a speck at the corner


def test_a_smile_over_an_open_jaw_shows_the_upper_teeth():
    assert seen(pose(**COMBINED["open + smile"]), "teeth") > 4000


@pytest.mark.parametrize("yaw_deg, pitch_deg", [(0, 0), (25, 0), (45, 0), (0, -30), (30, -30)])
@pytest.mark.parametrize("jaw", [0.3, 1.0])
def test_nobody_sees_through_an_open_mouth(yaw_deg, pitch_deg, jaw):
    posed = pose(jawOpen=jaw)
    centre = posed[LIPS.ravel()].mean(0)
    bounds = np.stack([centre - 0.012, centre + 0.012])
    camera = portrait_camera((256, 256), bounds, yaw_deg=yaw_deg, pitch_deg=pitch_deg, fill=1.0)
    face = rasterize(to_clip(posed, camera)[None], A.faces, (256, 256)).face_id[0].numpy()
    patches = ndimage.label(face < 0)[0]
    outside = np.concatenate([patches[0], patches[-1], patches[:, 0], patches[:, -1]])
    assert np.isin(patches, [0, *outside]).all()  # what is empty lies beside the head
    face = face[face >= 0]
    corners = posed[A.faces[np.unique(face)]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    eye = np.linalg.inv(camera.world_to_camera)[:3, 3]
    towards = np.einsum("fi,fi->f", normal, eye - corners.mean(1)) / np.linalg.norm(normal, axis=1).clip(1e-20)
    count = np.bincount(face, minlength=len(A.faces))[np.unique(face)]
    from_behind = count[towards < -0.01].sum()  # metres: faces seen from behind
    assert from_behind <= 40  # of 65536 pixels


@pytest.mark.parametrize("seed", range(20))
def test_teeth_fit_other_people(seed):
    shape = person(seed)
    rest = pose(shape)
    depth = depth_in_flesh_mm(rest, rest[TEETH])
    assert (depth > 0).mean() < 0.015  # a molar may touch a narrow cheek from inside
    assert depth.max() < 3.0
    assert seen(rest, "teeth", "gums", "tongue", "mouth") <= 2
    opened = pose(shape, jawOpen=0.3)
    assert (depth_in_flesh_mm(opened, opened[TEETH]) > 0).mean() < 0.03
    assert seen(opened, "teeth") > 100


# --- the tongue -------------------------------------------------------------------------------------------------------

SPEECH = [
    {},
    {"jawOpen": 0.4},
    {"jawOpen": 1.0},
    {"tongueUp": 1.0, "jawOpen": 0.12},
    {"tongueUp": 1.0, "jawOpen": 0.3},
    {"tongueUp": 0.5, "jawOpen": 0.2},
    {"tongueBack": 1.0, "jawOpen": 0.1},
    {"tongueBack": 1.0, "jawOpen": 0.4},
    {"tongueBetweenTeeth": 1.0, "jawOpen": 0.2},
    {"tongueBetweenTeeth": 1.0, "jawOpen": 0.3},
    {"tongueOut": 1.0, "jawOpen": 0.4},
    {"tongueOut": 1.0, "jawOpen": 0.6},
]


def tongue_probes(posed: np.ndarray) -> np.ndarray:
    """Vertices, middles of edges and centres of the tongue's triangles."""
    corners = posed[A.faces[of_material("tongue")]]
    middles = 0.5 * (corners + np.roll(corners, 1, axis=1))
    return np.concatenate([posed[TONGUE], middles.reshape(-1, 3), corners.mean(1)])


@pytest.mark.parametrize("weights", SPEECH, ids=str)
def test_the_tongue_crosses_no_tooth_and_no_lip(weights):
    posed = pose(**weights)
    probes = tongue_probes(posed)
    for tooth in crowns(UPPER) + crowns(LOWER):
        planes = ConvexHull(posed[tooth]).equations
        inside = -(probes @ planes[:, :3].T + planes[:, 3]).max(1)
        assert 1e3 * inside.max() < 0.6  # mm; soft tissue gives way by more
    front = probes[probes[:, 2] > posed[TONGUE, 2].max() - 0.022]  # the part that is not rooted in the floor
    assert depth_in_flesh_mm(posed, front).max() < 1.0


def test_the_tip_reaches_the_ridge_behind_the_upper_incisors():
    posed = pose(tongueUp=1.0, jawOpen=0.12)
    tip = posed[TONGUE][posed[TONGUE, 2] > posed[TONGUE, 2].max() - 0.006]
    gums = np.intersect1d(A.regions["gums"], np.flatnonzero(A.weights[:, 2] < 0.5))
    behind = gums[(np.abs(posed[gums, 0]) < 0.006) & (posed[gums, 2] < posed[UPPER, 2].max())]
    assert 1e3 * cKDTree(posed[behind]).query(tip)[0].min() < 3.5


def test_the_back_reaches_the_palate():
    posed = pose(tongueBack=1.0, jawOpen=0.15)
    gums = np.intersect1d(A.regions["gums"], np.flatnonzero(A.weights[:, 2] < 0.5))
    palate = posed[gums][np.abs(posed[gums, 0]) < 1e-6]
    back = posed[TONGUE][np.abs(posed[TONGUE, 0]) < 1e-6]
    height = np.interp(back[:, 2], *palate[np.argsort(palate[:, 2])][:, [2, 1]].T)
    assert 1e3 * (height - back[:, 1]).min() < 4.0


def test_the_tip_lies_between_the_incisors():
    posed = pose(tongueBetweenTeeth=1.0, jawOpen=0.2)
    tip = posed[TONGUE][posed[TONGUE, 2].argmax()]
    middle = [row[np.abs(REST[row, 0]) < 0.004] for row in (UPPER, LOWER)]
    assert posed[middle[1], 1].max() < tip[1] < posed[middle[0], 1].min()
    assert tip[2] > posed[middle[1], 2].max() - 0.001


def test_the_tongue_comes_out_over_the_lower_lip():
    posed = pose(tongueOut=1.0, jawOpen=0.4)
    assert posed[TONGUE, 2].max() > posed[LIPS[:, 1], 2].max() + 0.004
