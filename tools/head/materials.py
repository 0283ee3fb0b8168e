"""Which triangle is made of what."""

from __future__ import annotations

import numpy as np

from flame_tools.surface.mesh_graph import edge_matrix
from tools.head.cut import Assembly, Cut
from tools.head.lips import contact_ring
from tools.head.skeleton import side_of
from tools.head.uv import island_of_quad

MATERIALS = ("skin", "lips", "sclera", "iris", "pupil", "teeth", "gums", "tongue", "mouth")
VERMILION_RING = 455  # source vertex, upper lip on the midline: outside of this ring is skin
WET_RING = 554  # and inside of this one the mouth begins


def face_materials(assembly: Assembly) -> np.ndarray:
    """[F] indices into MATERIALS."""
    cut = assembly.cut
    names = np.full(len(cut.faces), "skin", dtype="U8")
    names[_within(cut, VERMILION_RING)] = "lips"
    names[_within(cut, WET_RING) | (island_of_quad(assembly)[cut.face_quad] == "mouth_bag")] = "mouth"
    every = np.concatenate([names, *[np.array(part.material, dtype="U8") for part in assembly.parts]])
    return np.array([MATERIALS.index(name) for name in every.tolist()], np.int32)


def _within(cut: Cut, source_vertex: int) -> np.ndarray:
    """Mask of the triangles on the inner side of a ring round the mouth."""
    ring = contact_ring(cut, source_vertex)
    outside = side_of(edge_matrix(cut.faces, len(cut.source)), ring, int(cut.rim[0]))
    return ~outside[cut.faces].any(1)
