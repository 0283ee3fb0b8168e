"""Runs in a process of its own, which a crash of the library may end: what assimp sees in files, by their endings.

python assimp_see.py OUT.npz FILE...
"""

import sys
from pathlib import Path

import assimp_py
import numpy as np

out, *paths = sys.argv[1:]
found = {}
for path in paths:
    scene = assimp_py.import_file(path, 0)
    points = [np.array(mesh.vertices, np.float32).reshape(-1, 3) for mesh in scene.meshes]
    corners = [
        part[np.array(mesh.indices, int).reshape(-1, 3)] for part, mesh in zip(points, scene.meshes, strict=True)
    ]
    uv = [np.array(mesh.texcoords[0], np.float32).reshape(len(part), -1)[:, :2]
          for part, mesh in zip(points, scene.meshes, strict=True) if mesh.texcoords]  # fmt: skip
    name = Path(path).suffix[1:]
    found[f"{name}.triangles"] = np.concatenate(corners)
    found[f"{name}.vertices"] = sum(mesh.num_vertices for mesh in scene.meshes)
    found[f"{name}.meshes"] = scene.num_meshes
    found[f"{name}.uv"] = np.concatenate(uv) if uv else np.zeros((0, 2))
np.savez(out, **found)
