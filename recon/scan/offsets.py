"""Free-form offsets: what a scan shows that the head's parameters cannot, as a smooth field on its surface.

Every vertex is asked to move along its normal to the scan, and the field must be smooth: features shorter than a few
`LENGTH_M`, a scanner's noise among them, are not followed. Hair and neck ask for nothing.
"""

from __future__ import annotations

import numpy as np

from flame_tools.head import Head
from flame_tools.surface.mesh_graph import edge_lengths, edge_matrix, pieces
from flame_tools.types import FaceParams
from recon.scan.fit import Target
from recon.scan.skin import ScanModel
from recon.texture.surface import unit, vertex_normals

LENGTH_M = 0.004  # bumps of about six times this are followed in full
REACH_M, COSINE = 0.008, 0.6
REST = 1e-3  # how strongly an offset of nothing is preferred where the scan says nothing, against the scan's 1
ROUNDS = 3


def free_offsets(head: Head, skin: ScanModel, params: FaceParams, target: Target) -> np.ndarray:
    """Offsets [V, 3] in metres, to be added to the identity at rest, that lay the posed head on the scan.

    `params` are of one face (no leading dimensions), `target` lies in the same place.
    """
    import scipy.sparse as sp
    import torch

    with torch.no_grad():
        posed = head(params)
    vertices = posed.vertices.numpy().astype(np.float64)
    faces = head.arrays.faces
    count = len(vertices)
    adjacency = edge_matrix(faces, count)
    degree = np.maximum(np.asarray(adjacency.sum(1)).ravel(), 1)
    length = np.asarray(edge_lengths(vertices, faces).sum(1)).ravel() / degree
    area = np.maximum(length, 1e-5) ** 2
    bend = sp.diags(4 / np.maximum(length, 1e-4) ** 2) @ (sp.diags(1 / degree) @ adjacency - sp.identity(count))
    seeking = np.zeros(count)
    seeking[skin.vertices] = skin.share > 0.25  # of the face and the ears
    seeking[_margins(head)] = 0
    smooth = LENGTH_M**4 * (bend.T @ sp.diags(area) @ bend)

    moved = vertices.copy()
    for _ in range(ROUNDS):
        normals = unit(vertex_normals(moved, faces))
        match = target.match(moved, normals, reach_m=REACH_M, cosine=COSINE)
        away = ((match.points - moved) * match.normals).sum(1)
        trust = area * seeking * match.trust * np.exp(-((away / REACH_M) ** 2))
        wanted = moved - vertices + away[:, None] * normals
        matrix = (sp.diags(trust + REST * area) + smooth).tocsc()
        moved = vertices + sp.linalg.splu(matrix).solve(trust[:, None] * wanted)
    offsets = moved - vertices
    _carry_eyes(head, adjacency, offsets)
    blend = np.einsum("vj,jab->vab", head.arrays.weights, posed.rotations.numpy().astype(np.float64))
    return np.linalg.solve(blend, offsets[..., None])[..., 0]


def _margins(head: Head) -> np.ndarray:
    """Vertices at the lids' and the lips' edges, where the nearest point may be an eyeball or the other lip."""
    regions = head.arrays.regions
    names = [name for name in regions if name.endswith("_lid_margin")]
    lips = np.asarray(head.arrays.inner_lip_pairs).ravel()
    return np.unique(np.concatenate([lips, *(regions[name] for name in names)]).astype(int))


def _carry_eyes(head: Head, adjacency, offsets: np.ndarray) -> None:
    """Give each eyeball the mean movement of its lids, and every other loose piece that of its neighbourhood: none."""
    piece = pieces(adjacency)
    skin = np.bincount(piece).argmax()
    offsets[piece != skin] = 0
    for side in ("left", "right"):
        ball = head.arrays.regions.get(f"{side}_eyeball", ())
        lids = head.arrays.regions.get(f"{side}_lids", ())
        if len(ball) and len(lids):
            offsets[ball] = offsets[lids].mean(0)
