"""A head's joints in FBX: limb nodes, the skin that binds the mesh to them, and the bind pose.

A joint is bound unturned, so its bind matrix is a shift alone; FBX keeps matrices with the shift in the last row.
"""

from __future__ import annotations

import numpy as np

from flame_tools.characters.fbx_nodes import Node
from flame_tools.export.fbx_objects import ROOT, Objects, add_model, properties
from flame_tools.export.rig import Rig


def add_joints(objects: Objects, rig: Rig, translations: np.ndarray, degrees: np.ndarray) -> list[np.int64]:
    """The ids of the joints' models, standing at `translations` [J, 3] metres and turned by `degrees` [J, 3]."""
    models: list[np.int64] = []
    for name, parent, place, turn in zip(rig.joint_names, rig.parents, translations, degrees, strict=True):
        attribute = objects.add(
            "NodeAttribute",
            name,
            "NodeAttribute",
            "LimbNode",
            [properties(("Size", "double", "Number", "", 1.0)), Node("TypeFlags", ["Skeleton"])],
        )
        active = ("RotationActive", "bool", "", "", 1)
        model = add_model(objects, name, "LimbNode", active, place=place, degrees=turn)
        objects.link(attribute, model)
        objects.link(model, models[parent] if parent >= 0 else ROOT)
        models.append(model)
    return models


def add_skin(objects: Objects, geometry: np.int64, mesh: np.int64, joints: list[np.int64], rig: Rig) -> None:
    """A cluster for each joint, and the pose in which they hold the mesh."""
    skin = objects.add(
        "Deformer",
        "head",
        "Deformer",
        "Skin",
        [Node("Version", [101]), Node("Link_DeformAcuracy", [50.0])],  # the format's own spelling
    )
    objects.link(skin, geometry)
    weights = rig.skin_weights.astype(np.float64)
    weights = weights / weights.sum(1, keepdims=True)
    for j, (name, joint, place) in enumerate(zip(rig.joint_names, joints, rig.rest_joints, strict=True)):
        held = np.flatnonzero(weights[:, j] > 0)
        cluster = objects.add(
            "Deformer",
            name,
            "SubDeformer",
            "Cluster",
            [
                Node("Version", [100]),
                Node("UserData", ["", ""]),
                Node("Indexes", [held.astype("<i4")]),
                Node("Weights", [weights[held, j]]),
                Node("Transform", [_shift(-place)]),  # from the mesh to the joint
                Node("TransformLink", [_shift(place)]),  # from the joint to the world
            ],
        )
        objects.link(cluster, skin)
        objects.link(joint, cluster)
    _add_bind_pose(objects, [mesh, *joints], [np.zeros(3), *rig.rest_joints])


def _add_bind_pose(objects: Objects, models: list[np.int64], places: list[np.ndarray]) -> None:
    nodes = [
        Node("PoseNode", [], [Node("Node", [model]), Node("Matrix", [_shift(place)])])
        for model, place in zip(models, places, strict=True)
    ]
    count = Node("NbPoseNodes", [len(nodes)])
    objects.add("Pose", "bind", "Pose", "BindPose", [Node("Type", ["BindPose"]), Node("Version", [100]), count, *nodes])


def _shift(place: np.ndarray) -> np.ndarray:
    """A translation [3] as FBX keeps a matrix, [16]."""
    matrix = np.eye(4)
    matrix[3, :3] = place
    return matrix.ravel()
