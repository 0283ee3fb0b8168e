"""What a scanner would give of a known surface: noise, holes, a cropped back, any unit and orientation."""

from __future__ import annotations

import numpy as np

from flame_tools.types import HeadArrays
from recon.scan.file import Scan


def exposed(arrays: HeadArrays) -> np.ndarray:
    """[F] bool: the triangles that a scanner can see on a head of our layout."""
    hidden = [k for k, name in enumerate(arrays.materials) if name in ("teeth", "gums", "tongue", "mouth")]
    return ~np.isin(arrays.face_material, hidden)


def visible(vertices: np.ndarray, faces: np.ndarray, *, size: int = 512) -> np.ndarray:
    """[F] bool: triangles that a scanner walking round the head sees; not the mouth's inside, nor an eye's back."""
    import torch

    from render.raster import rasterize

    middle = (vertices.min(0) + vertices.max(0)) / 2
    reach = np.linalg.norm(vertices - middle, axis=1).max()
    seen = np.zeros(len(faces), bool)
    for yaw in np.radians(np.arange(0, 360, 30)):
        for pitch in np.radians([-25, 10, 40]):
            z = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
            x = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
            local = (vertices - middle) @ np.stack([x, np.cross(z, x), -z]).T / reach
            clip = torch.from_numpy(np.concatenate([local, np.ones((len(local), 1))], 1)[None])
            ids = rasterize(clip, torch.from_numpy(faces.astype(np.int32)), (size, size)).face_id.numpy()
            seen[np.unique(ids[ids >= 0])] = True
    return seen


def turned(rng: np.random.Generator) -> np.ndarray:
    """[3, 3] a uniformly random rotation."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def scanned(
    vertices: np.ndarray,  # [V, 3] metres, y up, facing +z
    faces: np.ndarray,  # [F, 3] what can be seen
    *,
    seed: int,
    noise_m: float = 0.00025,
    holes: int = 12,
    hole_m: float = 0.008,
    crop: bool = True,  # the back of the head and the lower neck are missing
    half: bool = False,  # only the subject's left half and a little more
    per_metre: float = 1.0,
    rotation: np.ndarray | None = None,  # [3, 3] how the file's axes lie
    cloud: bool = False,
) -> tuple[Scan, np.ndarray]:
    """A scan, and its vertices as they were before the noise, in metres and the head's axes [N, 3]."""
    rng = np.random.default_rng(seed)
    rotation = np.eye(3) if rotation is None else rotation
    low, high = vertices.min(0), vertices.max(0)
    middle = vertices[faces].mean(1)
    keep = np.ones(len(faces), bool)
    if crop:
        keep &= middle[:, 2] > low[2] + 0.35 * (high[2] - low[2]) + rng.normal(size=len(faces)) * 0.001
        keep &= middle[:, 1] > low[1] + 0.2 * (high[1] - low[1])
    if half:
        keep &= middle[:, 0] > -0.012
    front = middle[:, 2] > np.quantile(middle[:, 2], 0.5)
    for centre in middle[rng.choice(np.flatnonzero(front), holes, replace=False)]:
        keep &= np.linalg.norm(middle - centre, axis=1) > hole_m * rng.uniform(0.5, 1.2)
    used, row = np.unique(faces[keep], return_inverse=True)
    clean = vertices[used].astype(np.float64)
    noisy = clean + rng.normal(size=clean.shape) * noise_m
    placed = (noisy @ rotation.T + rng.normal(size=3) * 0.3) * per_metre
    order = rng.permutation(len(placed)) if cloud else np.arange(len(placed))
    triangles = np.zeros((0, 3), np.int32) if cloud else row.reshape(-1, 3).astype(np.int32)
    return Scan(placed[order], triangles), clean[order]


def ict_identity(data, seed: int, *, amount: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] in metres of a random ICT-FaceKit person and its exposed triangles (skin and eyeballs).

    Expects the mapping of arrays `neutral`, `identity`, `faces`, `group_ranges` (in `group_names`' order).
    """
    rng = np.random.default_rng(seed)
    weights = np.clip(rng.normal(size=len(data["identity"])), -2.5, 2.5) * amount
    vertices = data["neutral"] + np.tensordot(weights, data["identity"].astype(np.float32), 1)
    ranges = dict(zip(map(str, data["group_names"]), data["group_ranges"].tolist(), strict=True))
    seen = np.zeros(len(vertices), bool)
    for name in ("face", "head_neck", "eyeball_left", "eyeball_right"):
        seen[slice(*ranges[name])] = True
    vertices = vertices * float(data["unit_to_metre"])
    faces = data["faces"][seen[data["faces"]].all(1)]
    return vertices, faces[visible(vertices, faces)]
