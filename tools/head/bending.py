"""The offset of the skin that takes given values at some vertices and bends it least around them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

from flame_tools.surface.mesh_graph import edge_matrix
from tools.head.cut import Assembly

_STIFFNESS = 0.002  # of staying put against bending


def least_bending(assembly: Assembly, skin: np.ndarray, held: dict[int, np.ndarray], reach_m: float) -> np.ndarray:
    """Offsets [Vs, 3] of the skin [Vs, 3]: the `held` [3] of each vertex, and 0 farther than `reach_m` from all."""
    ids = np.array(sorted(held))
    distance = np.min([np.linalg.norm(skin - skin[i], axis=1) for i in ids], axis=0)
    free = np.setdiff1d(np.flatnonzero(distance < reach_m), ids)
    adjacency = edge_matrix(assembly.cut.faces, len(skin))
    walk = sp.diags(1.0 / np.asarray(adjacency.sum(1)).ravel()) @ adjacency
    laplacian = (sp.identity(len(skin)) - walk).tocsr()
    energy = (laplacian.T @ laplacian + _STIFFNESS * sp.identity(len(skin))).tocsr()
    values = np.array([held[int(i)] for i in ids])
    offsets = np.zeros_like(skin)
    offsets[ids] = values
    right = -(energy[free][:, ids] @ values)
    offsets[free] = scipy.sparse.linalg.spsolve(energy[free][:, free].tocsc(), right)
    return offsets
