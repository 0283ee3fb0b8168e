"""Runs in a process of its own, since ufbx's bindings may crash as they end: what ufbx sees in an FBX file of one mesh.

Where TIMEs in seconds are given: the names and spans of its takes, the weight of every channel at each TIME, and how
far all channels together, with their shapes in between, take each vertex before it is skinned.

python ufbx_see.py FILE.fbx OUT.npz [TIME...]
"""

import os
import sys

import numpy as np
import ufbx

path, out, *times = sys.argv[1:]
scene = ufbx.load_file(path)
mesh = scene.meshes[0]
clusters = list(scene.skin_clusters)
# All of these are kept: the bindings may crash where one is let go.
kept = []
parts = [(c.bone_node, c.vertices, c.weights, c.geometry_to_world) for c in clusters]


def rows(vectors) -> np.ndarray:
    return np.array([(v.x, v.y, v.z) for v in vectors]).reshape(-1, 3)


def columns(matrix) -> np.ndarray:
    return rows((matrix.c0, matrix.c1, matrix.c2, matrix.c3))


points = rows(mesh.vertices)
weights = np.zeros((len(points), len(clusters)))
world = np.zeros((len(points), 4, 3))
for i, (_, vertices, shares, matrix) in enumerate(parts):
    at, share = np.array(list(vertices), int), np.array(list(shares))
    weights[at, i] = share
    world[at] += share[:, None, None] * columns(matrix)
world /= np.maximum(weights.sum(1), 1e-9)[:, None, None] if clusters else 1.0
if not clusters:
    world += columns(scene.nodes[-1].geometry_to_world)


def offsets_of(shape) -> np.ndarray:
    offsets = np.zeros_like(points)
    offsets[np.array(list(shape.offset_vertices), int)] = rows(shape.position_offsets)
    return np.einsum("vi,vij->vj", offsets, world[:, :3])


all_shapes, all_channels = list(scene.blend_shapes), list(scene.blend_channels)
at_full_weight = [channel.target_shape for channel in all_channels]
kept += [all_shapes, all_channels, at_full_weight]
every = [offsets_of(shape) for shape in all_shapes]  # by their typed_id
shapes = {f"shape.{c.name}": every[s.typed_id] for c, s in zip(all_channels, at_full_weight, strict=True)}
take = {}
anim = scene.anim
for t in times:
    moment = scene.evaluate(anim, float(t))
    channels = list(moment.blend_channels)
    steps = [step for channel in channels for step in channel.keyframes]
    stepped = [step.shape for step in steps]
    kept += [moment, channels, steps, stepped]
    take.setdefault("played", []).append([channel.weight for channel in channels])
    take.setdefault("blended", []).append(
        sum(step.effective_weight * every[shape.typed_id] for step, shape in zip(steps, stepped, strict=True))
    )
if times:
    stacks = list(scene.anim_stacks)
    kept += stacks
    take |= {
        "takes": [stack.name for stack in stacks],
        "span_s": [(stack.time_begin, stack.time_end) for stack in stacks],
    }
np.savez(
    out,
    positions=np.einsum("vi,vij->vj", points, world[:, :3]) + world[:, 3],
    weights=weights,
    bones=np.array([bone.name for bone, *_ in parts], dtype=str),
    metres=scene.settings.unit_meters,
    fps=scene.settings.frames_per_second,
    warnings=len(scene.metadata.warnings),
    **take,
    **shapes,
)
os._exit(0)
