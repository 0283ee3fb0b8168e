"""Levels of detail of a head for games: fewer triangles, the same parameters.

A level is a head like any other: its vertices are some of the original's, where they were, and every basis, weight,
lid and region is the original's at those vertices, so that one performance drives every level.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.surface.collapse import Triangles, collapse
from flame_tools.surface.embedding import carry
from flame_tools.types import LEFT_EYE, RIGHT_EYE, Embedding, FaceParams, HeadArrays, Track

# What an error costs beside one on plain skin (its square is weighted); regions that a head has not are passed over.
IMPORTANCE = {
    "scalp": 0.3, "neck": 0.2, "ears": 0.5, "mouth": 0.03, "gums": 0.03, "tongue": 0.1, "eyes": 2.0,
    "lower_teeth": 3.0, "upper_teeth": 10.0,  # of the incisors; the further back, the less
    "face": 1.0, "nose": 1.5, "lips": 3.0, "left_lids": 3.0, "right_lids": 3.0,
}  # fmt: skip
GAZE = {"iris": 4.0, "pupil": 100.0}  # materials: small, and looked at first
JAW_LINE, JAW_REACH_M = 3.0, 0.012  # the face's outline, and how far around the 68's jaw line it counts
UNSEEN = 0.01  # shells inside an eyeball: they shrink, and so do not cut through it
KEPT = ("_lid_margin",)  # regions by ending whose vertices every level keeps, beside the inner lips
POSES = 8  # expressions that the surface is held in, beside rest, the open jaw and the shut lids
LEAST_TRIANGLES = 200


def simplify(arrays: HeadArrays, *, triangles: int | None = None, ratio: float | None = None) -> HeadArrays:
    """A head of about `triangles`, or of a share `ratio` of them; its id ends in .lod1."""
    if (triangles is None) == (ratio is None):
        raise InputError("simplify wants either triangles=2000 or ratio=0.25")
    count = len(arrays.faces)
    if triangles is not None:
        whole = isinstance(triangles, (int, np.integer)) and not isinstance(triangles, bool)
        if not whole or not LEAST_TRIANGLES <= triangles <= count:
            raise InputError(
                f"triangles is {triangles!r}, wanted a whole number, {LEAST_TRIANGLES} or more, up to the {count} that "
                f"head {arrays.id!r} has"
            )
        ratio = triangles / count
    return levels(arrays, [ratio])[0]


def levels(arrays: HeadArrays, ratios: Sequence[float] = (0.5, 0.25, 0.1)) -> list[HeadArrays]:
    """Heads with these shares of the triangles, falling; each one's vertices are among those of the one before.

    Their ids are `ID.lod1`, `ID.lod2`, ... The inner lips and the lids' margins stay whole, so that there is a
    least number of triangles: `provenance["lod"]` says what was reached and how far the surface moved.
    """
    count = len(arrays.faces)
    try:
        shares = [float(ratio) for ratio in ratios]
    except (TypeError, ValueError):
        raise InputError(f"ratios are {ratios!r}, wanted shares of the triangles, as (0.5, 0.25, 0.1)") from None
    least = LEAST_TRIANGLES / count
    if not shares or any(not least <= share <= 1.0 for share in shares):
        raise InputError(
            f"levels have shares {shares}; wanted {least:.2g} to 1, which is {LEAST_TRIANGLES} or more of the {count} "
            f"triangles of head {arrays.id!r}"
        )
    if any(b >= a for a, b in itertools.pairwise(shares)):
        raise InputError(f"levels have shares {shares}; wanted falling ones, as 0.5, 0.25, 0.1")
    poses = telling_poses(arrays)
    uv_faces = arrays.uv_faces if len(arrays.uv) else arrays.faces
    found = collapse(
        arrays.faces,
        uv_faces,
        arrays.face_material,
        poses,
        [round(share * count) for share in shares],
        mirror=arrays.mirror if _is_symmetric(arrays) else None,
        kept=_kept(arrays),
        importance=_importance(arrays),
    )
    return [_level(arrays, triangles, poses, number) for number, triangles in enumerate(found, start=1)]


def telling_poses(arrays: HeadArrays, count: int = POSES) -> np.ndarray:  # [P, V, 3] metres
    """Rest, the open jaw, shut lids, and the expressions that move most of what those before them leave still."""
    head = Head(arrays, dtype=torch.float64)
    rest = FaceParams.neutral(head, 1)
    jaw = torch.tensor([[float(arrays.jaw_open_rad) or 0.35, 0.0, 0.0]], dtype=torch.float64)
    chosen = [rest, rest.replace(jaw=jaw)]
    if len(arrays.eyelid_vertices):
        chosen.append(rest.replace(eyelids=torch.ones(1, 2, dtype=torch.float64)))
    reach = np.abs(arrays.expression_bounds).max(1) * np.sign(arrays.expression_bounds.sum(1) + 1e-9)
    moves = np.linalg.norm(arrays.expressiondirs, axis=1) * np.abs(reach)  # [V, E]
    covered = np.zeros(len(moves))
    for _ in range(min(count, moves.shape[1])):
        best = int(np.maximum(moves - covered[:, None], 0.0).sum(0).argmax())
        covered = np.maximum(covered, moves[:, best])
        expression = torch.zeros(1, head.expression_size, dtype=torch.float64)
        expression[0, best] = float(reach[best])
        chosen.append(rest.replace(expression=expression))
    with torch.no_grad():
        return torch.cat([head.vertices(params) for params in chosen]).numpy()


def _is_symmetric(arrays: HeadArrays) -> bool:
    """Whether the mirror takes every triangle to a triangle."""
    if not np.array_equal(arrays.mirror[arrays.mirror], np.arange(len(arrays.mirror))):
        return False
    own, across = np.sort(arrays.faces, 1), np.sort(arrays.mirror[arrays.faces], 1)
    return np.array_equal(np.unique(own, axis=0), np.unique(across, axis=0))


def _kept(arrays: HeadArrays) -> np.ndarray:  # [V] bool
    kept = np.zeros(len(arrays.v_template), bool)
    kept[arrays.inner_lip_pairs.ravel()] = True
    for name, vertices in arrays.regions.items():
        if name.endswith(KEPT):
            kept[vertices] = True
    for iris in _irises(arrays):  # where the eye looks from
        points = arrays.v_template[iris]
        kept[iris[((points - points.mean(0)) ** 2).sum(1).argmin()]] = True
    return kept | kept[arrays.mirror]


def _irises(arrays: HeadArrays) -> list[np.ndarray]:
    """Vertices of the iris and pupil of each eyeball's outer surface."""
    balls = [arrays.regions.get(f"{side}_eyeball", ()) for side in ("left", "right")]
    return [iris for ball in balls if len(iris := np.intersect1d(_made_of(arrays, *GAZE), ball))]


def _made_of(arrays: HeadArrays, *names: str) -> np.ndarray:
    """Vertices of the triangles of some materials."""
    wanted = [i for i, name in enumerate(arrays.materials) if name in names]
    return np.unique(arrays.faces[np.isin(arrays.face_material, wanted)])


def _importance(arrays: HeadArrays) -> np.ndarray:  # [V]
    weight = np.ones(len(arrays.v_template))
    for name, value in IMPORTANCE.items():
        vertices = np.asarray(arrays.regions.get(name, ()), int)
        weight[vertices] = value
        if name.endswith("_teeth") and len(vertices):
            depth = arrays.v_template[vertices, 2]
            weight[vertices] *= ((depth - depth.min()) / max(np.ptp(depth), 1e-9)) ** 4
    if "68" in arrays.landmarks:
        line = _jaw_line(arrays)
        near = (((arrays.v_template[:, None] - line) ** 2).sum(-1) < JAW_REACH_M**2).any(1)
        weight[near & (weight <= 1.0) & (weight > 0.1)] = JAW_LINE
    for material, value in GAZE.items():
        weight[_made_of(arrays, material)] = value
    turning = arrays.weights[:, [LEFT_EYE, RIGHT_EYE]].sum(1) > 0.5
    if len(arrays.regions.get("eyes", ())):
        turning[arrays.regions["eyes"]] = False
        weight[turning] = UNSEEN
    return weight


def _jaw_line(arrays: HeadArrays) -> np.ndarray:  # [n, 3] metres
    marks = arrays.landmarks["68"]
    corners = arrays.v_template[arrays.faces[marks.faces[:17]]]
    points = np.einsum("lc,lcd->ld", marks.barycentrics[:17], corners)
    return np.concatenate([points, 0.5 * (points[1:] + points[:-1])])


def _level(arrays: HeadArrays, left: Triangles, poses: np.ndarray, number: int) -> HeadArrays:
    """The head at the vertices that are left."""
    kept = np.unique(np.concatenate([left.faces.ravel(), arrays.inner_lip_pairs.ravel()]))
    place = np.full(len(arrays.v_template), -1)
    place[kept] = np.arange(len(kept))
    faces = place[left.faces].astype(np.int32)
    corners, uv_faces = np.unique(left.uv_faces, return_inverse=True)
    has_uv = len(arrays.uv) > 0
    lids = np.isin(arrays.eyelid_vertices, kept)
    near = carry(poses[:2], arrays.faces, poses[:2][:, kept], faces)

    def moved(embedding: Embedding) -> Embedding:
        return near(embedding) if embedding.faces.size else embedding

    regions = {name: place[vertices][place[vertices] >= 0] for name, vertices in arrays.regions.items()}
    identity = f"{arrays.id}.lod{number}"
    return dataclasses.replace(
        arrays,
        v_template=arrays.v_template[kept],
        faces=faces,
        uv=arrays.uv[corners] if has_uv else arrays.uv,
        uv_faces=uv_faces.reshape(-1, 3).astype(np.int32) if has_uv else np.zeros_like(faces),
        face_material=arrays.face_material[left.origin],
        shapedirs=arrays.shapedirs[kept],
        expressiondirs=arrays.expressiondirs[kept],
        posedirs=arrays.posedirs[kept],
        J_regressor=regressor_on(arrays, kept).astype(np.float32),
        weights=arrays.weights[kept],
        eyelid_vertices=place[arrays.eyelid_vertices[lids]].astype(np.int32),
        eyelid_dirs=arrays.eyelid_dirs[lids],
        eyelid_shapedirs=arrays.eyelid_shapedirs[lids],
        landmarks={name: moved(embedding) for name, embedding in arrays.landmarks.items()},
        contour=moved(arrays.contour),
        regions={name: vertices.astype(np.int32) for name, vertices in regions.items()},
        inner_lip_pairs=place[arrays.inner_lip_pairs].astype(np.int32),
        mirror=_mirror_on(arrays, kept, place),
        id=identity,
        provenance={
            **arrays.provenance,
            "lod": {"of": arrays.id, "level": number, "triangles": len(faces), "vertices": len(kept)},
        },
    )


def _mirror_on(arrays: HeadArrays, kept: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The mirror among the kept vertices; where one side alone was kept, the nearest vertex across."""
    across = place[arrays.mirror[kept]]
    alone = np.flatnonzero(across < 0)
    if len(alone):
        from scipy.spatial import cKDTree

        wanted = arrays.v_template[kept[alone]] * np.array([-1.0, 1.0, 1.0])
        across[alone] = cKDTree(arrays.v_template[kept]).query(wanted)[1]
    return across.astype(np.int32)


def regressor_on(arrays: HeadArrays, kept: np.ndarray, components: int = 12) -> np.ndarray:  # [5, len(kept)]
    """Joints from the kept vertices alone: the same at rest, and as nearly as can be under every identity.

    Rows start even over the kept vertices that the original used, or the nearest ones, and change as little as
    possible: the template exactly, the first identity components in the least-squares sense.
    """
    joints = np.einsum("jv,vck->jck", arrays.J_regressor.astype(np.float64), arrays.shapedirs)
    places = arrays.J_regressor.astype(np.float64) @ arrays.v_template
    template, dirs = arrays.v_template[kept].astype(np.float64), arrays.shapedirs[kept].astype(np.float64)
    rows = np.zeros((len(places), len(kept)))
    many = min(components, dirs.shape[-1])
    for j, joint in enumerate(places):
        used = np.flatnonzero(arrays.J_regressor[j, kept] != 0)
        if len(used) < 8:
            used = np.argsort(((template - joint) ** 2).sum(1), kind="stable")[:32]
        wanted = np.concatenate([[1.0], np.zeros(3), joints[j, :, :many].T.ravel()])
        equations = np.concatenate(
            [
                np.ones((1, len(used))),
                (template[used] - joint).T,
                dirs[used, :, :many].transpose(2, 1, 0).reshape(-1, len(used)),
            ]
        )
        exact = np.array([1e3] * 4 + [1.0] * (3 * many))[:, None]
        even = np.full(len(used), 1.0 / len(used))
        # Least change of the row (ridge) that meets the equations, in units of a millimetre and of the even share.
        system = exact * equations / 1e-3
        missing = exact[:, 0] * wanted / 1e-3 - system @ even
        step = system.T @ np.linalg.solve(system @ system.T + np.eye(len(system)) * len(used), missing)
        rows[j, used] = even + step
    return rows


def at_detail(track: Track, head: Head, ratio: float) -> tuple[Track, Head]:
    """A performance, and its head, with a share `ratio` of the triangles."""
    level = simplify(head.arrays, ratio=ratio)
    return track_on(track, head.arrays, level), Head(level)


def track_on(track: Track, arrays: HeadArrays, level: HeadArrays) -> Track:
    """A performance of head `arrays` on one of its levels: the same parameters, vertex offsets where vertices are."""
    if track.head_id != arrays.id or level.provenance.get("lod", {}).get("of") != arrays.id:
        raise InputError(f"{level.id!r} is no level of {track.head_id!r}, on which the track was made")
    look = track.appearance
    if look is not None and look.vertex_offsets is not None:
        place = {tuple(point): i for i, point in enumerate(arrays.v_template.tolist())}
        kept = [place[tuple(point)] for point in level.v_template.tolist()]
        look = dataclasses.replace(look, vertex_offsets=look.vertex_offsets[kept])
    return track.replace(head_id=level.id, appearance=look)
