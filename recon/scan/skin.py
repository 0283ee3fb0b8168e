"""The part of a head that a scan shows: its skin, vertex by vertex, and the landmarks that a face is found by."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Embedding, HeadArrays
from recon.fitting.evaluate import IBUG_68
from recon.fitting.landmark_model import LandmarkModel
from recon.fitting.layout import Layout
from recon.texture.surface import unit, vertex_normals

# how much the parts of the head count; what is named nowhere is the skin between them
SHARES = {"scalp": 0.1, "neck": 0.1, "ears": 0.3, "face": 1.0}
LID_TRAVEL_M = 0.002


class ScanModel:
    """The skin of a head, vertex by vertex, and its 468 landmarks, as functions of the unknowns."""

    def __init__(self, arrays: HeadArrays):
        self.arrays = arrays
        wanted = [k for k, name in enumerate(arrays.materials) if name in ("skin", "lips")]
        skin = np.isin(arrays.face_material, wanted) if wanted else np.ones(len(arrays.faces), bool)
        inside = np.zeros(len(arrays.v_template), bool)
        for name in ("teeth", "gums", "tongue", "eyes", "left_eyeball", "right_eyeball"):
            inside[arrays.regions.get(name, [])] = True
        skin &= ~inside[arrays.faces].any(1)
        self.vertices, faces = np.unique(arrays.faces[skin], return_inverse=True)
        self.faces = faces.reshape(-1, 3)
        corner = np.zeros(len(arrays.v_template), int)
        place = np.zeros(len(arrays.v_template), int)
        chosen = np.flatnonzero(skin)
        for k in range(3):
            place[arrays.faces[chosen, k]], corner[arrays.faces[chosen, k]] = chosen, k
        points = Embedding(place[self.vertices], np.eye(3)[corner[self.vertices]])
        self.numbers, marks = numbered_landmarks(arrays)
        self.model = LandmarkModel(
            dataclasses.replace(arrays, landmarks={"skin": points, "marks": marks}), ("skin", "marks")
        )
        self.rest_marks = self.landmarks(np.zeros(self.layout.size))  # [468, 3]
        row = np.full(len(arrays.v_template), -1)
        row[self.vertices] = np.arange(len(self.vertices))
        pairs = row[np.asarray(arrays.inner_lip_pairs, int).reshape(-1, 2)]
        self.lip_pairs = pairs[(pairs >= 0).all(1)]  # [P, 2] upper, lower among the skin's vertices
        self.share = np.full(len(arrays.v_template), 0.1)
        for name, share in SHARES.items():
            self.share[arrays.regions.get(name, [])] = share
        self.share = self.share[self.vertices]
        # the lids of an open eye lie next to the eyeball, which a scan shows as well
        travel = np.linalg.norm(arrays.eyelid_dirs[:, :, :2], axis=1).max(1) if len(arrays.eyelid_dirs) else np.zeros(0)
        moved = np.zeros(len(arrays.v_template), bool)
        moved[arrays.eyelid_vertices[travel > LID_TRAVEL_M]] = True
        self.share[moved[self.vertices]] *= 0.3
        self.rest = arrays.v_template[self.vertices].astype(np.float64)
        area = np.linalg.norm(vertex_normals(self.rest, self.faces), axis=1)
        face = self.share == 1
        self.share = self.share * np.clip(area / np.median(area[face] if face.any() else area), 0, 2)

    @property
    def layout(self) -> Layout:
        return self.model.layout

    def landmarks(self, unknowns: np.ndarray) -> np.ndarray:
        """MediaPipe's landmarks [468, 3]; NaN where the head has none."""
        places = np.full((468, 3), np.nan)
        places[self.numbers] = self.model.points(unknowns)[self.model.slices["marks"]]
        return places

    def surface(self, unknowns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Skin vertices [n, 3] and their outward unit normals [n, 3]."""
        points = self.model.points(unknowns)[self.model.slices["skin"]]
        return points, unit(vertex_normals(points, self.faces))


def numbered_landmarks(arrays: HeadArrays) -> tuple[np.ndarray, Embedding]:
    """A head's landmarks and their numbers [L] among MediaPipe's 468: all of them, the 105, or iBUG's 68."""
    for name, numbers in (("468", np.arange(468)), ("105", None), ("68", np.array(IBUG_68))):
        found = arrays.landmarks.get(name)
        if found is not None and len(found.faces):
            numbers = found.index if numbers is None else numbers
            inner = slice(17, None) if name == "68" else slice(None)  # the jaw line depends on the view
            return np.asarray(numbers)[inner], Embedding(found.faces[inner], found.barycentrics[inner])
    raise ShapeError(
        f"head {arrays.id!r} has no landmarks that a face can be found by; wanted 468, 105 or 68, "
        f"it has {sorted(arrays.landmarks) or 'none'}: emberface head add FILES, its landmark files among them, and "
        "then --head NAME"
    )
