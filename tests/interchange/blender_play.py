"""Runs inside Blender: import a GLB or FBX, play it, and report what Blender sees.

blender -b --factory-startup --python blender_play.py -- FILE.glb|FILE.fbx OUT.npz FPS FRAME...
"""

import sys

import bpy
import numpy

numpy.bool = bool  # Blender 3.4's importer asks for a name that numpy dropped; Debian's numpy still has it

path, out, fps, *frames = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps = int(fps)  # before the import, which turns seconds into frames
if path.endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=path, anim_offset=0)
else:
    bpy.ops.import_scene.gltf(filepath=path)
meshes = [o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys]
(head,) = meshes
positions = []
for frame in frames:
    scene.frame_set(int(frame))
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = numpy.empty(3 * len(mesh.vertices), numpy.float32)
    mesh.vertices.foreach_get("co", points)
    matrix = numpy.array(evaluated.matrix_world)
    positions.append(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
    evaluated.to_mesh_clear()
keys = head.data.shape_keys
action = keys.animation_data.action if keys.animation_data else None
curves = [c.data_path.split('"')[1] for c in action.fcurves] if action else []
values = [[c.evaluate(int(f)) for f in frames] for c in action.fcurves] if action else []
numpy.savez(
    out,
    positions=numpy.array(positions),
    keys=numpy.array([k.name for k in keys.key_blocks]),
    curves=numpy.array(curves),
    values=numpy.array(values, numpy.float32),
    bones=numpy.array([b.name for o in bpy.data.objects if o.type == "ARMATURE" for b in o.data.bones]),
    materials=numpy.array([m.name for m in head.data.materials]),
    fps=scene.render.fps / scene.render.fps_base,
    span=numpy.array([a.frame_range for a in bpy.data.actions]).reshape(-1, 2),
    actions=numpy.array([a.name for a in bpy.data.actions]),
    images=numpy.array([i.name for i in bpy.data.images if i.size[0]]),
)
