"""ICT-FaceKit's face model as a head (Li et al., "Learning formation of physically-based face attributes", 2020).

Read from an npz that holds its arrays, or from the original folder of OBJ files (`FaceXModel`). Identity components are
in standard deviations. The meshes laid over the eyes (lashes, lacrimal fluid, shading) are transparent in the original
and left out; they are the last vertices, so the others keep their numbers.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.errors import FormatError
from flame_tools.ict_regions import MATERIALS, ict_materials, ict_regions, lip_pairs
from flame_tools.owners import everyday_sd, share_out
from flame_tools.rigging import regressor, rig
from flame_tools.surface.mesh_graph import mirror_of
from flame_tools.types import Embedding, HeadArrays

LICENCE = "MIT (c) 2020 USC ICT"
CM = 0.01
EYEBALLS = ("eyeball_left", "eyeball_right")
# Where each tile of the original's UV stands in ours: lower left corner and size. The eyeballs are drawn over the face.
FACE_CELL = (0.0, 0.25, 0.75)
CELLS = {1: (0.75, 0.75, 0.25), 2: (0.75, 0.5, 0.25), 3: (0.75, 0.25, 0.25)}
EYE_CELLS = ((0.5, 0.0, 0.25), (0.75, 0.0, 0.25))
KEPT = 24591  # vertices before the overlays
ARKIT_SIDES = {"_L": "Left", "_R": "Right"}


@dataclass(frozen=True, eq=False)
class IctModel:
    """ICT-FaceKit's own arrays, centimetres."""

    neutral: np.ndarray  # [N, 3]
    identity: np.ndarray  # [100, N, 3] per standard deviation
    expression: dict[str, np.ndarray]  # ICT's name -> [N, 3]
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2] in tiles: [0, 7] x [0, 1]
    faces_uv: np.ndarray  # [F, 3]
    groups: dict[str, np.ndarray]  # name -> vertices
    landmarks: np.ndarray  # [68] vertices
    name: str


def read_ict(path: str | os.PathLike) -> HeadArrays:
    """ICT-FaceKit from an npz or from the original folder. Raises FormatError where the file is something else."""
    return ict_head(read_model(Path(path)))


def is_ict(path: Path) -> bool:
    """Whether the names in an npz, or in a folder, are ICT-FaceKit's."""
    if path.is_dir():
        return (path / "generic_neutral_mesh.obj").is_file()
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"neutral.npy", "expression_names.npy", "group_ranges.npy"} <= set(archive.namelist())


def read_model(path: Path) -> IctModel:
    keys = ("neutral", "identity", "expression", "expression_names", "faces", "faces_uv", "uv", "group_names")
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError) as error:
        raise FormatError(f"{path} is not a readable npz of plain arrays ({error})") from error
    missing = [key for key in (*keys, "group_ranges", "landmarks_multipie68") if key not in content]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no ICT-FaceKit model")
    return IctModel(
        neutral=content["neutral"],
        identity=content["identity"],
        expression=dict(zip(content["expression_names"].tolist(), content["expression"], strict=True)),
        faces=content["faces"],
        uv=content["uv"],
        faces_uv=content["faces_uv"],
        groups={
            name: np.arange(*ends)
            for name, ends in zip(content["group_names"].tolist(), content["group_ranges"].tolist(), strict=True)
        },
        landmarks=content["landmarks_multipie68"],
        name=path.stem,
    )


def ict_head(model: IctModel) -> HeadArrays:
    """The model with an owner for each motion."""
    kept = (model.faces < KEPT).all(1)
    faces = model.faces[kept]
    uv, uv_faces = one_atlas(model.uv, model.faces_uv[kept], *(faces.min(1) >= model.groups[n][0] for n in EYEBALLS))
    template = CM * model.neutral[:KEPT].astype(np.float64)
    shapes = {arkit_name(name): CM * offsets[:KEPT].astype(np.float64) for name, offsets in model.expression.items()}
    groups = {name: members[members < KEPT] for name, members in model.groups.items()}
    regions = ict_regions(template, faces, groups, model.landmarks)
    balls = (groups["eyeball_left"], groups["eyeball_right"])
    rigging = rig(template, faces, shapes, eyeballs=balls, rigid_jaw=groups["teeth_lower"])
    owned = share_out(template, shapes, rigging)
    irises = {
        side: groups[f"iris_{side}"][np.abs(shapes[f"pupilDilate{side.title()}"][groups[f"iris_{side}"]]).max(1) > 1e-4]
        for side in ("left", "right")
    }
    size, count = len(model.identity), len(owned.expression_names)
    return HeadArrays(
        v_template=template.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=uv.astype(np.float32),
        uv_faces=uv_faces.astype(np.int32),
        materials=MATERIALS,
        face_material=ict_materials(template, faces, groups, regions, irises),
        shapedirs=np.moveaxis(CM * model.identity[:, :KEPT].astype(np.float32), 0, -1),
        expressiondirs=owned.expressiondirs.astype(np.float32),
        posedirs=owned.posedirs.astype(np.float32),
        J_regressor=regressor(template, rigging).astype(np.float32),
        weights=rigging.weights.astype(np.float32),
        eyelid_vertices=owned.eyelid_vertices,
        eyelid_dirs=owned.eyelid_dirs.astype(np.float32),
        eyelid_shapedirs=np.zeros((*owned.eyelid_dirs.shape, size), np.float32),
        shape_names=tuple(f"identity{i:03d}" for i in range(size)),
        expression_names=owned.expression_names,
        expression_bounds=np.tile(np.float32([0, 1]), (count, 1)),
        expression_sd=everyday_sd(owned.expression_names).astype(np.float32),
        jaw_open_rad=rigging.jaw_open_rad,
        jaw_side_rad=rigging.jaw_side_rad,
        look_rad=rigging.look_rad.astype(np.float32),
        landmarks={"68": vertex_embedding(faces, model.landmarks)},
        regions=regions,
        inner_lip_pairs=lip_pairs(template, faces, model.landmarks),
        mirror=mirror_of(template),
        directions={},
        arkit_map=owned.arkit_map,
        id=model.name,
        licence=LICENCE,
        provenance={"source": "ICT-FaceKit, https://github.com/ICT-VGL/ICT-FaceKit", "file": model.name},
    )


def arkit_name(name: str) -> str:
    """ICT's name in ARKit's spelling: mouthSmile_L is mouthSmileLeft."""
    stem, side = name[:-2], ARKIT_SIDES.get(name[-2:])
    spelled = stem + side if side else name
    return spelled[0].lower() + spelled[1:]


def one_atlas(
    uv: np.ndarray, uv_faces: np.ndarray, from_left_eye: np.ndarray, from_right_eye: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The tiles of UV [U, 2] packed into one square; the masks [F] mark faces from the first of each eyeball on."""
    cell = np.floor(uv[uv_faces].mean(1)[:, 0]).astype(int)  # the tile
    cells = [FACE_CELL, *CELLS.values(), *EYE_CELLS]
    cell[from_left_eye], cell[from_right_eye] = len(cells) - 2, len(cells) - 1
    tile = np.where(cell < len(cells) - 2, cell, 0)
    corners, packed = np.unique(
        np.stack([uv_faces, np.repeat(cell[:, None], 3, 1)], -1).reshape(-1, 2), axis=0, return_inverse=True
    )
    place = np.array(cells)[corners[:, 1]]
    first = np.unique(packed, return_index=True)[1]
    inside = uv[corners[:, 0]] - np.stack([np.repeat(tile, 3)[first], np.zeros(len(first))], -1)
    return place[:, :2] + place[:, 2:] * inside, packed.reshape(-1, 3).astype(np.int32)


def vertex_embedding(faces: np.ndarray, vertices: np.ndarray) -> Embedding:
    """Landmarks that are vertices: each as a corner of a triangle."""
    flat = faces.ravel()
    order = np.argsort(flat, kind="stable")
    first = order[np.searchsorted(flat[order], vertices)]
    barycentrics = np.eye(3, dtype=np.float32)[first % 3]
    return Embedding((first // 3).astype(np.int32), barycentrics)
