"""Runs in a Python that has bpy: import USD files, play each, and report what Blender sees.

python bpy_usd.py FILE OUT.npz "FRAME ..." [FILE OUT.npz "FRAME ..."]...
"""

import sys

import bpy
import numpy

bpy.utils.expose_bundled_modules()
from pxr import Usd  # noqa: E402 - Blender's own, older than ours


def curves_of(action):
    return [c for layer in action.layers for strip in layer.strips for bag in strip.channelbags for c in bag.fcurves]


def seen(head):
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = numpy.empty(3 * len(mesh.vertices), numpy.float32)
    mesh.vertices.foreach_get("co", points)
    matrix = numpy.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def play(path, out, frames):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.wm.usd_import(filepath=path, import_textures_mode="IMPORT_PACK")
    (head,) = [o for o in bpy.data.objects if o.type == "MESH"]
    positions = []
    for frame in frames:
        whole, part = divmod(frame, 1)
        scene.frame_set(int(whole), subframe=part)
        positions.append(seen(head))
    keys = head.data.shape_keys
    curves = curves_of(keys.animation_data.action)
    numpy.savez(
        out,
        positions=numpy.array(positions),
        keys=numpy.array([k.name for k in keys.key_blocks]),
        curves=numpy.array([c.data_path.split('"')[1] for c in curves]),
        values=numpy.array([[c.evaluate(f) for f in frames] for c in curves], numpy.float32),
        bones=numpy.array([b.name for o in bpy.data.objects if o.type == "ARMATURE" for b in o.data.bones]),
        materials=numpy.array([m.name for m in head.data.materials]),
        uv=numpy.array([tuple(corner.uv) for corner in head.data.uv_layers.active.data]),
        stated_fps=Usd.Stage.Open(path).GetFramesPerSecond(),
        scene_span=(scene.frame_start, scene.frame_end),
        span=numpy.array([a.frame_range for a in bpy.data.actions]).reshape(-1, 2),
        actions=numpy.array([a.name for a in bpy.data.actions]),
        sizes=numpy.array([tuple(i.size) for i in bpy.data.images if i.size[0]]),
    )


arguments = sys.argv[1:]
for i in range(0, len(arguments), 3):
    file, report, numbers = arguments[i : i + 3]
    play(file, report, [float(number) for number in numbers.split()])
