"""Readers: what comes back from other programs, as a Track. One format a file; nothing that is read is executed."""

from flame_tools.imports.fbx import read_fbx
from flame_tools.imports.flame_params import read_flame_params
from flame_tools.imports.gltf import read_glb
from flame_tools.imports.livelink import read_csv
from flame_tools.imports.read import READERS, read_track

__all__ = ["READERS", "read_csv", "read_fbx", "read_flame_params", "read_glb", "read_track"]
