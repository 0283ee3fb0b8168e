"""Runs inside Blender: import a GLB and export it as FBX.

blender -b --factory-startup --python blender_fbx.py -- FILE.glb OUT.fbx
"""

import sys

import bpy
import numpy

numpy.bool = bool  # Blender 3.4's importer asks for a name that numpy dropped; Debian's numpy still has it

path, out = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=path)
bpy.ops.export_scene.fbx(filepath=out, add_leaf_bones=False)
