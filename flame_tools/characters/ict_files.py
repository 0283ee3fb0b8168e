"""The files of ICT-FaceKit: the original folder of OBJ meshes (`FaceXModel`), or one npz with the same arrays.

The mesh's numbering is described in the project's README, https://github.com/ICT-VGL/ICT-FaceKit (MIT).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.archive import member_names
from flame_tools.errors import FormatError
from flame_tools.files.data import read_data
from flame_tools.files.obj import read_obj

NEUTRAL = "generic_neutral_mesh.obj"
LICENCE = "MIT (c) 2020 USC ICT"
VERTICES = 26719
# First vertex and the one after the last. What follows lies over the eyes and is transparent in the original.
GROUPS = {
    "face": (0, 9409),
    "face_narrow": (0, 6706),
    "head_neck": (9409, 11248),
    "mouth_socket": (11248, 13294),
    "eye_socket_left": (13294, 13678),
    "eye_socket_right": (13678, 14062),
    "gums_tongue": (14062, 17039),
    "teeth": (17039, 21451),
    "teeth_upper": (17039, 19247),
    "teeth_lower": (19247, 21451),
    "eyeball_left": (21451, 23021),
    "eyeball_right": (23021, 24591),
    "iris_left": (22221, 23021),
    "iris_right": (23791, 24591),
}
OVERLAYS = 24591
# Pieces of gums_tongue.
THROAT, TONGUE = (15954, 16566), (16566, 17039)
# The 68 landmarks of Multi-PIE, which are iBUG's, as vertices.
LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
    268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147,
    4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081,
    0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
)  # fmt: skip
MAX_BYTES = 64 << 20  # of one OBJ; the original's have 3.4 MB


@dataclass(frozen=True, eq=False)
class IctModel:
    """ICT-FaceKit's own arrays, centimetres."""

    neutral: np.ndarray  # [N, 3]
    identity: np.ndarray  # [I, N, 3] per standard deviation
    expression: dict[str, np.ndarray]  # ICT's name -> [N, 3]
    faces: np.ndarray  # [F, 3]
    uv: np.ndarray  # [U, 2] in tiles: [0, 7] x [0, 1]
    uv_faces: np.ndarray  # [F, 3]


def is_ict(path: str | os.PathLike) -> bool:
    """Whether the names in an npz, or in a folder, are ICT-FaceKit's."""
    path = Path(path)
    if path.is_dir():
        return (path / NEUTRAL).is_file()
    return {"neutral.npy", "identity.npy", "expression_names.npy"} <= set(member_names(path))


def read_model(path: str | os.PathLike) -> IctModel:
    """The arrays of an npz or of the folder. Raises FormatError where the mesh is not ICT-FaceKit's."""
    path = Path(path)
    model = _from_folder(path) if path.is_dir() else _from_npz(path)
    shapes = [model.neutral, *model.identity, *model.expression.values()]
    if any(array.shape != (VERTICES, 3) for array in shapes):
        found = next(array.shape for array in shapes if array.shape != (VERTICES, 3))
        raise FormatError(f"{path} has a mesh of {list(found)}, wanted {[VERTICES, 3]}, as ICT-FaceKit's is")
    if not all(np.isfinite(array).all() for array in shapes):
        raise FormatError(f"{path} holds NaN or infinite values; copy the model again")
    for corners, limit in ((model.faces, VERTICES), (model.uv_faces, len(model.uv))):
        if corners.shape != (len(model.faces), 3) or not (corners.min() >= 0 and corners.max() < limit):
            raise FormatError(f"{path} has triangles outside its {limit} corners; copy the model again")
    missing = [name for name in ("jawOpen", "eyeBlink_L", "eyeBlink_R") if name not in model.expression]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; copy the whole model")
    return model


def _from_npz(path: Path) -> IctModel:
    names = ("neutral", "identity", "expression", "expression_names", "faces", "faces_uv", "uv")
    content = read_data(path, only=names)
    arrays = content if isinstance(content, dict) else {}
    missing = [name for name in names if not isinstance(arrays.get(name), np.ndarray)]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}; it is no ICT-FaceKit model")
    labels = arrays["expression_names"].tolist()
    if len(labels) != len(arrays["expression"]):
        raise FormatError(f"{path} names {len(labels)} of {len(arrays['expression'])} expressions")
    return IctModel(
        arrays["neutral"].astype(np.float64),
        arrays["identity"],
        dict(zip(map(str, labels), arrays["expression"].astype(np.float64), strict=True)),
        arrays["faces"].astype(np.int64),
        arrays["uv"].astype(np.float64),
        arrays["faces_uv"].astype(np.int64),
    )


def _from_folder(path: Path) -> IctModel:
    mesh = read_obj(path / NEUTRAL)
    identity = []
    while (path / f"identity{len(identity):03d}.obj").is_file():
        identity.append(_offsets(path / f"identity{len(identity):03d}.obj", mesh.vertices))
    names = sorted(file.stem for file in path.glob("*.obj") if file.name != NEUTRAL)
    expression = {
        name: _offsets(path / f"{name}.obj", mesh.vertices) for name in names if not re.fullmatch(r"identity\d+", name)
    }
    stacked = np.stack(identity) if identity else np.zeros((0, *mesh.vertices.shape))
    return IctModel(
        mesh.vertices, stacked, expression, mesh.faces.astype(np.int64), mesh.uv, mesh.uv_faces.astype(np.int64)
    )


def _offsets(file: Path, neutral: np.ndarray) -> np.ndarray:
    """What an OBJ's vertices add to the neutral's [N, 3]; its faces are the same and are not read."""
    if file.stat().st_size > MAX_BYTES:
        raise FormatError(f"{file} has {file.stat().st_size >> 20} MiB; the limit is {MAX_BYTES >> 20}")
    rows = re.findall(rb"^v[ \t]+([^\r\n]*)", file.read_bytes(), re.MULTILINE)
    try:
        numbers = np.array(b" ".join(rows).split(), np.float64).reshape(len(rows), -1)[:, :3]
    except ValueError as error:
        raise FormatError(f"{file} has vertices that are no numbers ({error})") from None
    if numbers.shape != neutral.shape:
        raise FormatError(f"{file} has {len(numbers)} vertices, its neutral {len(neutral)}; copy the model again")
    return numbers - neutral
