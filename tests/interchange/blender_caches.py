"""Runs inside Blender: import an OBJ, play vertex caches on it, and report the vertices in the world.

blender -b --factory-startup --python blender_caches.py -- FILE.obj OUT.npz FPS "FRAME ..." CACHE...
"""

import sys

import bpy
import numpy

path, out, fps, frames, *caches = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps = int(fps)
bpy.ops.wm.obj_import(filepath=path)  # its default axes, y up and -z forward, turn the object, not its vertices
(head,) = [o for o in bpy.data.objects if o.type == "MESH"]


def seen():
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = numpy.empty(3 * len(mesh.vertices), numpy.float32)
    mesh.vertices.foreach_get("co", points)
    matrix = numpy.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


played = {"rest": seen()}
for cache in caches:
    kind = cache.rsplit(".", 1)[1].upper()
    modifier = head.modifiers.new(kind, "MESH_CACHE")
    modifier.cache_format = kind
    modifier.filepath = cache
    modifier.frame_start = 0.0
    positions = []
    for frame in frames.split():
        scene.frame_set(int(frame))
        positions.append(seen())
    played[kind] = numpy.array(positions)
    if kind == "MDD":  # it has a clock of its own, which need not be the scene's
        modifier.time_mode = "TIME"
        modifier.play_mode = "CUSTOM"
        modifier.eval_time = int(frames.split()[-1]) / int(fps)
        played["MDD_at_time"] = seen()
    head.modifiers.remove(modifier)
numpy.savez(out, **played)
