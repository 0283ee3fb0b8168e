"""Runs inside Blender or with `bpy`: open files, play them, and report what Blender sees, one .npz a file.

blender -b --factory-startup --python blender_play.py -- JOBS.json        python blender_play.py -- JOBS.json

JOBS.json is a list of objects: "path", what to open; "out", the .npz to write, or the .fbx to save the scene as;
"frames", which to look at, whole or not; "fps", the rate the scene has before the import; "caches", vertex caches to
play on an OBJ; "importer", "fbx_import" for the one of Blender 4.5 and later; "refused", true where Blender should
not open it: then "out" gets what it says.
"""

import json
import sys

import bpy
import numpy

if not hasattr(numpy, "bool"):
    numpy.bool = bool  # Blender 3.4's glTF importer asks for a name that Debian's numpy has dropped


def load(path, importer=None):
    kind = path.rsplit(".", 1)[1]
    if importer:
        getattr(bpy.ops.wm, importer)(filepath=path, anim_offset=0)
    elif kind == "fbx":
        bpy.ops.import_scene.fbx(filepath=path, anim_offset=0)
    elif kind == "glb":
        bpy.ops.import_scene.gltf(filepath=path)
    elif kind == "obj":
        bpy.ops.wm.obj_import(filepath=path)  # its default axes turn the object, not its vertices
    elif kind == "abc":
        bpy.ops.wm.alembic_import(filepath=path, set_frame_range=True)
    elif kind in ("usda", "usdc", "usdz"):
        bpy.ops.wm.usd_import(filepath=path, import_textures_mode="IMPORT_PACK")
    else:
        raise SystemExit(f"no way to open {path}")


def stated_fps(path):
    """The rate that a USD file states, which Blender's importer passes over; elsewhere 0."""
    if not path.rsplit(".", 1)[1].startswith("usd"):
        return 0
    bpy.utils.expose_bundled_modules()
    from pxr import Usd  # Blender's own, older than ours

    return Usd.Stage.Open(path).GetFramesPerSecond()


def seen_at(frame):
    """Every vertex of the one mesh of a head, in the world."""
    whole, part = divmod(frame, 1)
    bpy.context.scene.frame_set(int(whole), subframe=part)
    evaluated = head().evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    points = numpy.empty(3 * len(mesh.vertices), numpy.float32)
    mesh.vertices.foreach_get("co", points)
    matrix = numpy.array(evaluated.matrix_world)
    evaluated.to_mesh_clear()
    return points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def head():
    meshes = [o for o in bpy.data.objects if o.type == "MESH" and o.name in bpy.context.scene.objects]
    (one,) = [o for o in meshes if o.data.shape_keys] or meshes  # beside it: what importers draw bones with
    return one


def curves_of(owner):
    """The curves that drive a data block; since Blender 4.4 an action has a slot for each block it drives."""
    data = owner and owner.animation_data
    if not data or not data.action:
        return []
    if hasattr(data.action, "fcurves"):
        return list(data.action.fcurves)
    strips = [strip for layer in data.action.layers for strip in layer.strips]
    return [c for strip in strips for bag in strip.channelbags if bag.slot == data.action_slot for c in bag.fcurves]


def seen(frames):
    scene = bpy.context.scene
    mesh = head().data
    keys = mesh.shape_keys
    weights = [c for c in curves_of(keys) if c.data_path.startswith("key_blocks")]
    armatures = [o for o in bpy.data.objects if o.type == "ARMATURE"]
    every = [c for owner in (keys, *armatures) for c in curves_of(owner)]
    spans = [c.range() for c in every]
    times = [[point.co[0] for point in c.keyframe_points] for c in every]
    faces = numpy.empty(len(mesh.loops), numpy.int32)
    mesh.loops.foreach_get("vertex_index", faces)
    uv = numpy.empty(2 * len(mesh.loops), numpy.float32)
    if mesh.uv_layers:
        mesh.uv_layers[0].data.foreach_get("uv", uv)
    return {
        "positions": numpy.array([seen_at(frame) for frame in frames]),
        "faces": faces.reshape(-1, 3),
        "uv": uv.reshape(-1, 2),
        "keys": numpy.array([k.name for k in keys.key_blocks] if keys else []),
        "curves": numpy.array([c.data_path.split('"')[1] for c in weights]),
        "values": numpy.array([[c.evaluate(frame) for frame in frames] for c in weights], numpy.float32),
        "bones": numpy.array([bone.name for o in armatures for bone in o.data.bones]),
        "materials": numpy.array([m.name for m in mesh.materials if m]),
        "fps": scene.render.fps / scene.render.fps_base,
        "scene_span": (scene.frame_start, scene.frame_end),
        "span": numpy.array(spans).reshape(-1, 2),
        "key_times": numpy.unique(numpy.concatenate(times) if times else []),
        "actions": numpy.array([a.name for a in bpy.data.actions]),
        "images": numpy.array([i.name for i in bpy.data.images if i.size[0]]),
        "sizes": numpy.array([tuple(i.size) for i in bpy.data.images if i.size[0]]),
        "notes": numpy.array([f"{key}={value}" for key, value in head().items() if isinstance(value, str)]),
    }


def played(caches, frames, fps):
    """Vertices at `frames` with each cache on the mesh; MDD's own clock, which need not be the scene's, too."""
    found = {}
    for cache in caches:
        kind = cache.rsplit(".", 1)[1].upper()
        modifier = head().modifiers.new(kind, "MESH_CACHE")
        modifier.cache_format = kind
        modifier.filepath = cache
        modifier.frame_start = 0.0
        found[kind] = numpy.array([seen_at(frame) for frame in frames])
        if kind == "MDD":
            modifier.time_mode = "TIME"
            modifier.play_mode = "CUSTOM"
            modifier.eval_time = frames[-1] / fps
            found["MDD_at_time"] = seen_at(frames[0])
        head().modifiers.remove(modifier)
    return found


def main():
    with open(sys.argv[sys.argv.index("--") + 1], encoding="utf-8") as file:
        jobs = json.load(file)
    for job in jobs:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = job["fps"]  # before the import, which turns seconds into frames
        try:
            load(job["path"], job.get("importer"))
        except RuntimeError as error:
            if not job.get("refused"):
                raise
            numpy.savez(job["out"], refused=str(error))
            continue
        if job["out"].endswith(".fbx"):
            bpy.ops.export_scene.fbx(filepath=job["out"], add_leaf_bones=False)
        else:
            more = played(job.get("caches", []), job["frames"], job["fps"])
            numpy.savez(job["out"], **seen(job["frames"]), **more, stated_fps=stated_fps(job["path"]))


main()
