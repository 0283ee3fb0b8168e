"""Writers: one format a file, each whole or not at all, the same bytes for the same track."""

from flame_tools.export.curves import write_curve_csv, write_curve_json
from flame_tools.export.fbx import write_fbx
from flame_tools.export.gltf import write_glb
from flame_tools.export.livelink import write_csv
from flame_tools.export.obj import write_obj_sequence
from flame_tools.export.options import Options, read_names
from flame_tools.export.ply import write_ply, write_ply_sequence
from flame_tools.export.pointcache import write_mdd, write_pc2
from flame_tools.export.sound import write_wav
from flame_tools.export.stl import write_stl
from flame_tools.export.visemes import write_visemes
from flame_tools.export.vrm import write_vrm_json

__all__ = [
    "TAKES",
    "WRITERS",
    "Options",
    "read_names",
    "write_csv",
    "write_curve_csv",
    "write_curve_json",
    "write_fbx",
    "write_glb",
    "write_mdd",
    "write_obj_sequence",
    "write_pc2",
    "write_ply",
    "write_ply_sequence",
    "write_stl",
    "write_visemes",
    "write_vrm_json",
    "write_wav",
]

# What the ending of a file's name asks for; a folder of OBJ files has none.
WRITERS = {
    ".glb": write_glb,
    ".fbx": write_fbx,
    ".csv": write_csv,
    ".curves.csv": write_curve_csv,
    ".curves.json": write_curve_json,
    ".vrm.json": write_vrm_json,
    ".visemes.json": write_visemes,
    ".mdd": write_mdd,
    ".pc2": write_pc2,
    ".ply": write_ply,
    ".stl": write_stl,
    "": write_obj_sequence,
}

_AXES = {"unit", "up"}
_RIG = {"shapes", "names", "tolerance_mm"}
# Which of the Options each of them takes; the others take none.
TAKES = {
    ".glb": _RIG,
    ".fbx": _RIG | _AXES | {"inbetweens"},
    ".curves.csv": {"shapes", "names"},
    ".curves.json": {"shapes", "names"},
    ".mdd": _AXES,
    ".pc2": _AXES,
    ".ply": _AXES,
    ".stl": _AXES,
    "": _AXES,
}
