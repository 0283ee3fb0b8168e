"""Runs inside Blender or with `bpy`: open a file of ours as docs/programs.md says, and render some of its frames.

python blender.py -- FILE FPS OUT_FOLDER FRAME...        blender -b --factory-startup --python blender.py -- ...
"""

import os
import sys
from math import atan, pi

import bpy
from mathutils import Vector

SIZE = 400
SAMPLES = 96


def open_file(path, fps):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps  # before the import
    if path.endswith(".glb"):
        bpy.ops.import_scene.gltf(filepath=path)
    else:
        bpy.ops.import_scene.fbx(filepath=path, anim_offset=0)


def faces():
    """The meshes that are shown, without what importers draw bones with."""
    return [o for o in bpy.context.scene.objects if o.type == "MESH" and o.data.shape_keys]


def look_at_them():
    """A camera before the face, a lamp at either side, and one that looks into the mouth."""
    corners = [o.matrix_world @ Vector(corner) for o in faces() for corner in o.bound_box]
    low, high = (Vector(f(c[i] for c in corners) for i in range(3)) for f in (min, max))
    middle, height = (low + high) / 2, high.z - low.z
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.angle = 2 * atan(0.5 / 3)
    camera.location = middle + Vector((0, -3.3 * height, 0))
    camera.rotation_euler = (pi / 2, 0, 0)
    bpy.context.scene.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    for name, side, up, watts in (("key", -1.2, 1, 30), ("fill", 1.6, 1, 10), ("front", 0, -0.2, 12)):
        lamp = bpy.data.objects.new(name, bpy.data.lights.new(name, "AREA"))
        lamp.data.energy, lamp.data.size = watts * height**2, height
        lamp.location = middle + height * Vector((side, -2, up))
        lamp.rotation_euler = (middle - lamp.location).to_track_quat("-Z", "Y").to_euler()
        bpy.context.scene.collection.objects.link(lamp)
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.25, 0.27, 0.3, 1)
    bpy.context.scene.world = world


def main():
    path, fps, folder, *frames = sys.argv[sys.argv.index("--") + 1 :]
    open_file(path, int(fps))
    bpy.context.scene.frame_set(0)
    look_at_them()
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"  # the engine that needs no window and no GPU
    scene.cycles.device, scene.cycles.samples, scene.cycles.seed = "CPU", SAMPLES, 0
    scene.cycles.use_denoising = False
    scene.cycles.diffuse_bounces = 8  # the inside of a mouth is lit by its own walls
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x = scene.render.resolution_y = SIZE
    for frame in frames:
        scene.frame_set(int(frame))
        scene.render.filepath = os.path.join(folder, f"{frame}.png")
        bpy.ops.render.render(write_still=True)


main()
