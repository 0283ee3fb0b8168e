"""Plain stand-ins from the source's helper meshes for parts that are still being made."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from flame_tools.types import Embedding
from tools.head.cut import Part, to_head_frame
from tools.head.source import RACES, macro_weights, mean_vertices

JOINT = {"left_eyeball": 3, "right_eyeball": 4, "upper_teeth": 1, "lower_teeth": 2, "tongue": 2}
GROUP = {
    "left_eyeball": "helper-l-eye", "right_eyeball": "helper-r-eye", "upper_teeth": "helper-upper-teeth",
    "lower_teeth": "helper-lower-teeth", "tongue": "helper-tongue",
}
MATERIAL = {"left_eyeball": "sclera", "right_eyeball": "sclera", "upper_teeth": "teeth", "lower_teeth": "teeth", "tongue": "tongue"}


def helper_part(source, name):
    members = source.vertex_groups[GROUP[name]]
    mean = to_head_frame(source, mean_vertices(source))
    quads = source.quads[np.isin(source.quads, members).all(1)]
    quad_uv = source.quad_uv[np.isin(source.quads, members).all(1)]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]) - members[0]
    uv_faces = np.concatenate([quad_uv[:, [0, 1, 2]], quad_uv[:, [0, 2, 3]]])
    used, uv_faces = np.unique(uv_faces, return_inverse=True)
    uv = source.uv[used]
    uv = (uv - uv.min(0)) / np.maximum(np.ptp(uv, axis=0).max(), 1e-9)
    follow = sp.csr_matrix((np.ones(len(members)), (np.arange(len(members)), members)), shape=(len(members), len(mean)))
    weights = np.zeros((len(members), 5))
    weights[:, JOINT[name]] = 1.0
    opposite = {"left_eyeball": "right_eyeball", "right_eyeball": "left_eyeball"}.get(name, name)
    mirror = source.mirror[members] - source.vertex_groups[GROUP[opposite]][0]
    return Part(
        name, mean[members], faces, uv, uv_faces.reshape(-1, 3), (MATERIAL[name],) * len(faces), follow, weights, mirror,
        {name: np.arange(len(members))},
    )


def identity(assembly):
    mean = assembly.positions(mean_vertices(assembly.source))
    options = [{"male": 0.0}, {"male": 1.0}, {"age_years": 11.0}, {"age_years": 80.0}, {"weight": 0.0}, {"weight": 1.0}]
    options += [{"races": {race: 1.0}} for race in RACES]
    moved = [assembly.positions(assembly.source.macro(macro_weights(**o))) - mean for o in options]
    dirs = [0.5 * (moved[1] - moved[0]), 0.5 * (moved[3] - moved[2]), 0.5 * (moved[5] - moved[4]), *moved[6:]]
    names = ("male", "age", "weight", *RACES)
    return np.stack(dirs, -1), names, {n: row for n, row in zip(names, np.eye(len(names)))}




def landmarks(template, faces, ranges):
    """Plain places by nearest vertex: good enough to run, not to measure."""
    import os

    def nearest(points, pool):
        index = np.array([pool[np.argmin(((template[pool] - p) ** 2).sum(1))] for p in points])
        face = np.array([np.flatnonzero((faces == i).any(1))[0] for i in index])
        return Embedding(face.astype(np.int32), (faces[face] == index[:, None]).astype(np.float32))

    skin = np.arange(ranges["skin"].stop)
    rings = []
    for name in ("right_eyeball", "left_eyeball"):
        ball = np.arange(ranges[name].start, ranges[name].stop)
        c, r = template[ball].mean(0), 0.0155
        pts = c + np.array([[0, 0, r], [0.006, 0, r], [0, 0.006, r], [-0.006, 0, r], [0, -0.006, r]])
        rings.append(nearest(pts, ball))
    iris = Embedding(np.concatenate([r.faces for r in rings]), np.concatenate([r.barycentrics for r in rings]))
    path = "../shared/data/heads/canonical_face_model.obj"
    points = np.array([[float(x) for x in line.split()[1:4]] for line in open(path) if line.startswith("v ")]) * 0.01
    eyes = 0.5 * (points[33] + points[263])
    target = np.array([0.0, 0.0125, 0.047])
    scale = 0.088 / np.linalg.norm(points[33] - points[263])
    down = (0.0125 + 0.092) / (scale * (eyes[1] - points[152, 1]))
    front = skin[template[skin, 2] > -0.06]
    fitted = (points - eyes) * scale * np.array([1.0, down, 1.0]) + target
    of68 = [127, 234, 93, 132, 172, 136, 150, 176, 152, 400, 379, 365, 397, 361, 323, 454, 356,
            70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305,
            33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
            61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87]
    normal_front = front
    e468 = nearest(fitted, normal_front)
    return {"468": e468, "68": Embedding(e468.faces[of68], e468.barycentrics[of68]), "iris": iris}


def regions(template, ranges, weights):
    skin = np.arange(ranges["skin"].stop)
    p = template[skin]
    ball = lambda n: np.arange(ranges[n].start, ranges[n].stop)
    near = lambda c, r: skin[np.linalg.norm(p - np.array(c), axis=1) < r]
    out = {"face": skin[(p[:, 2] > -0.01) & (p[:, 1] > -0.1)], "lips": near((0, -0.056, 0.065), 0.026),
           "left_eyeball": ball("left_eyeball"), "right_eyeball": ball("right_eyeball"),
           "left_lids": near((0.029, 0.0125, 0.05), 0.022), "right_lids": near((-0.029, 0.0125, 0.05), 0.022),
           "nose": near((0, -0.02, 0.07), 0.025), "brow": skin[(abs(p[:, 1] - 0.035) < 0.01) & (p[:, 2] > 0.03)],
           "left_ear": skin[(p[:, 0] > 0.068) & (p[:, 1] > -0.04) & (p[:, 1] < 0.04)],
           "right_ear": skin[(p[:, 0] < -0.068) & (p[:, 1] > -0.04) & (p[:, 1] < 0.04)],
           "scalp": skin[p[:, 1] > 0.06], "neck": skin[p[:, 1] < -0.1],
           "upper_teeth": ball("upper_teeth"), "lower_teeth": ball("lower_teeth"), "tongue": ball("tongue"),
           "gums": np.zeros(0, int), "mouth": near((0, -0.056, 0.03), 0.03)}
    out["eyes"] = np.concatenate([out["left_eyeball"], out["right_eyeball"]])
    out["ears"] = np.concatenate([out["left_ear"], out["right_ear"]])
    out["teeth"] = np.concatenate([out["upper_teeth"], out["lower_teeth"]])
    return out
