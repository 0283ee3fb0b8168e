"""Runs inside Blender or with `bpy`, never imported: play a vertex cache on a mesh and save it as Alembic.

    blender -b --factory-startup --python alembic_blender.py -- JOB.json
    python alembic_blender.py -- JOB.json

JOB.json, written by `alembic.py`: "mesh", an OBJ file; "cache", a PC2 file in its order of vertices, both in Blender's
own axes; "out"; "first" and "last" frame; "rate" [numerator, denominator]; "notes", names and texts for the mesh. A
Blender without Alembic ends with status 3 and writes nothing; another has nothing to do where JOB.json is {}.
"""

import json
import sys

NO_ALEMBIC = 3


def main() -> int:
    import bpy

    with open(sys.argv[sys.argv.index("--") + 1], encoding="utf-8") as file:
        job = json.load(file)
    if not bpy.app.build_options.alembic:
        return NO_ALEMBIC
    if not job:
        return 0
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    over, under = job["rate"]
    scene.render.fps = max(round(over / under), 1)
    scene.render.fps_base = scene.render.fps * under / over
    scene.frame_start, scene.frame_end = job["first"], job["last"]
    bpy.ops.wm.obj_import(filepath=job["mesh"], forward_axis="Y", up_axis="Z")  # as the numbers stand: nothing turns
    (head,) = bpy.data.objects
    head.name = head.data.name = "head"
    for name, note in job["notes"].items():
        head[name] = note
    play = head.modifiers.new("performance", "MESH_CACHE")
    play.cache_format = "PC2"
    play.filepath = job["cache"]
    play.frame_start = job["first"]
    bpy.ops.wm.alembic_export(
        filepath=job["out"], start=job["first"], end=job["last"],
        uvs=True, packuv=False, normals=False, orcos=False, face_sets=True, export_custom_properties=True,
        global_scale=1.0, as_background_job=False, evaluation_mode="RENDER",
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
