"""Writers: one format a file, each whole or not at all, the same bytes for the same track."""

from flame_tools.export.fbx import write_fbx
from flame_tools.export.gltf import write_glb
from flame_tools.export.livelink import write_csv
from flame_tools.export.obj import write_obj_sequence
from flame_tools.export.sound import write_wav

__all__ = ["write_csv", "write_fbx", "write_glb", "write_obj_sequence", "write_wav"]
