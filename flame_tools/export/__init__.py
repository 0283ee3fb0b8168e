"""Writers: one format a file, each whole or not at all, the same bytes for the same track."""

from flame_tools.export.alembic import write_alembic
from flame_tools.export.curves import write_curve_csv, write_curve_json
from flame_tools.export.fbx import write_fbx
from flame_tools.export.flame_params import write_flame_params
from flame_tools.export.gltf import write_glb
from flame_tools.export.livelink import write_csv
from flame_tools.export.obj import write_obj_sequence
from flame_tools.export.options import Options, read_names
from flame_tools.export.ply import write_ply, write_ply_sequence
from flame_tools.export.pointcache import write_mdd, write_pc2
from flame_tools.export.relief import write_heights
from flame_tools.export.sound import write_wav
from flame_tools.export.srt import write_viseme_srt, write_word_srt
from flame_tools.export.stl import write_stl
from flame_tools.export.usd import write_usd
from flame_tools.export.visemes import write_visemes
from flame_tools.export.vmd import write_vmd
from flame_tools.export.vrm import write_vrm_json

__all__ = [
    "TAKES",
    "WRITERS",
    "Options",
    "read_names",
    "write_alembic",
    "write_csv",
    "write_curve_csv",
    "write_curve_json",
    "write_fbx",
    "write_flame_params",
    "write_glb",
    "write_heights",
    "write_mdd",
    "write_obj_sequence",
    "write_pc2",
    "write_ply",
    "write_ply_sequence",
    "write_stl",
    "write_usd",
    "write_viseme_srt",
    "write_visemes",
    "write_vmd",
    "write_vrm_json",
    "write_wav",
    "write_word_srt",
]

# What the ending of a file's name asks for; a folder of OBJ files has none.
WRITERS = {
    ".glb": write_glb,
    ".fbx": write_fbx,
    ".usd": write_usd,
    ".usda": write_usd,
    ".usdc": write_usd,
    ".usdz": write_usd,
    ".csv": write_csv,
    ".curves.csv": write_curve_csv,
    ".curves.json": write_curve_json,
    ".vrm.json": write_vrm_json,
    ".vmd": write_vmd,
    ".visemes.json": write_visemes,
    ".visemes.srt": write_viseme_srt,
    ".words.srt": write_word_srt,
    ".smplx.npz": write_flame_params,
    ".smplx.pkl": write_flame_params,
    ".emote.npz": write_flame_params,
    ".emote.pkl": write_flame_params,
    ".abc": write_alembic,
    ".mdd": write_mdd,
    ".pc2": write_pc2,
    ".ply": write_ply,
    ".stl": write_stl,
    ".height.png": write_heights,
    "": write_obj_sequence,
}

_AXES = {"unit", "up"}
_RIG = {"shapes", "names", "tolerance_mm"}
_BUILT = _RIG | _AXES | {"inbetweens"}
# Which of the Options each of them takes; the others take none.
TAKES = {
    ".glb": _RIG,
    ".fbx": _BUILT,
    ".usd": _BUILT,
    ".usda": _BUILT,
    ".usdc": _BUILT,
    ".usdz": _BUILT,
    ".curves.csv": {"shapes", "names"},
    ".curves.json": {"shapes", "names"},
    ".mdd": _AXES,
    ".pc2": _AXES,
    ".ply": _AXES,
    ".stl": _AXES,
    "": _AXES,
}
