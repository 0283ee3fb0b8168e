"""Finds the identity nearest to MediaPipe's canonical face: what people have on average and the head has not.

    python tools/head/canonical_identity.py canonical_face_model.obj

The default head's mean is that of a crowd of MakeHuman's sliders, whose noses droop and eyes lie shallow beside real
ones. MediaPipe's canonical face (google-ai-edge/mediapipe, Apache-2.0) is another measure of an average person, made
from others. What is found is kept in tools/head/data/canonical_identity.npz, as the canonical model is in no pip
package; `build_head.py` makes it the head's direction "canonical". Run this again when the identities change.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from flame_tools.archive import read_npz, write_npz  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.surface.alignment import align  # noqa: E402
from flame_tools.types import HeadArrays  # noqa: E402

IDENTITY = Path(__file__).with_name("data") / "canonical_identity.npz"
KIND = "canonical-identity"
NOISE_M = 0.0055  # of a coordinate of a landmark: hundreds of them, whose errors are alike, tell 100 numbers
ROUNDS = 10


def nearest_identity(head: HeadArrays, points: np.ndarray) -> np.ndarray:
    """[S] the likeliest identity of which the 468 landmarks are a similarity of `points` [468, 3]."""
    places = head.landmarks["468"]
    corners, weights = head.faces[places.faces], places.barycentrics.astype(np.float64)
    mean = np.einsum("lk,lkc->lc", weights, head.v_template[corners])
    basis = np.einsum("lk,lkcs->lcs", weights, head.shapedirs[corners]).reshape(mean.size, -1)
    normal = basis.T @ basis / NOISE_M**2 + np.eye(basis.shape[1])
    found, identity = mean, np.zeros(basis.shape[1])
    for _ in range(ROUNDS):
        target = align(found, points, kind="similarity").inverse()(points)
        identity = np.linalg.solve(normal, basis.T @ (target - mean).ravel() / NOISE_M**2)
        found = mean + (basis @ identity).reshape(mean.shape)
    return identity


def canonical_identity() -> np.ndarray:
    """[S] what is kept, in SD."""
    return read_npz(IDENTITY, KIND, 1)[0]["identity"]


def main() -> None:
    from tools.head.register_mediapipe import CREDIT, read_obj

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("canonical", type=Path, help="canonical_face_model.obj")
    found = nearest_identity(load_head().arrays, read_obj(parser.parse_args().canonical)[0])
    write_npz(IDENTITY, {"identity": found.astype(np.float32)}, {"format": KIND, "version": 1, "source": CREDIT})


if __name__ == "__main__":
    main()
