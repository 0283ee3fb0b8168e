"""A head's mesh in FBX: geometry, materials with the embedded pictures, blend shapes.

Vertices keep the head's own order: FBX gives UV and normals to the corners of polygons, so none is split at a seam.
"""

from __future__ import annotations

import numpy as np

from flame_tools.characters.fbx_nodes import Node
from flame_tools.export.fbx_objects import ROOT, Objects, add_model, layer, properties, text, vector
from flame_tools.export.looks import linear, look_of, texture_png
from flame_tools.export.relief import normal_png
from flame_tools.export.rig import Rig
from flame_tools.export.surface import SMALLEST_M, SMALLEST_TURN, base_and_turns
from flame_tools.head import Head
from flame_tools.types import HeadArrays, Track

_SHAPE_VERSION = 100
_CLAMP = 1  # of WrapModeU and WrapModeV


def add_mesh(objects: Objects, rig: Rig, track: Track, head: Head, licences: str) -> tuple[np.int64, np.int64]:
    """The ids of the mesh's model and of its geometry, with its materials."""
    arrays = head.arrays
    used = np.unique(arrays.face_material)
    normals, _ = base_and_turns(arrays.faces, rig.base)
    geometry = objects.add("Geometry", "head", "Geometry", "Mesh", _geometry(rig.base, normals, arrays, used))
    own = text("head", arrays.id, "U"), text("licences", licences, "U")  # U: a property of the user's own
    model = add_model(objects, "head", "Mesh", *own, place=np.zeros(3), degrees=np.zeros(3))
    objects.link(model, ROOT)
    objects.link(geometry, model)
    _add_materials(objects, model, track, head, used)
    return model, geometry


def _geometry(base: np.ndarray, normals: np.ndarray, arrays: HeadArrays, used: np.ndarray) -> list[Node]:
    corners = arrays.faces.astype("<i4")
    corners[:, -1] = ~corners[:, -1]  # the last corner of a polygon is told by its complement
    elements = {
        "LayerElementNormal": layer(
            "LayerElementNormal",
            0,
            [Node("Normals", [normals[arrays.faces].astype("<f8").ravel()])],
            version=101,
            mapping="ByPolygonVertex",
            reference="Direct",
        ),
    }
    if len(arrays.uv):
        uv = [Node("UV", [arrays.uv.astype("<f8").ravel()]), Node("UVIndex", [arrays.uv_faces.astype("<i4").ravel()])]
        elements["LayerElementUV"] = layer(
            "LayerElementUV", 0, uv, version=101, mapping="ByPolygonVertex", reference="IndexToDirect"
        )
    elements["LayerElementMaterial"] = layer(
        "LayerElementMaterial",
        0,
        [Node("Materials", [np.searchsorted(used, arrays.face_material).astype("<i4")])],
        version=101,
        mapping="ByPolygon",
        reference="IndexToDirect",
    )
    listed = [Node("LayerElement", [], [Node("Type", [kind]), Node("TypedIndex", [0])]) for kind in elements]
    return [
        Node("GeometryVersion", [124]),
        Node("Vertices", [base.astype("<f8").ravel()]),
        Node("PolygonVertexIndex", [corners.ravel()]),
        *elements.values(),
        Node("Layer", [0], [Node("Version", [100]), *listed]),
    ]


def _add_materials(objects: Objects, model: np.int64, track: Track, head: Head, used: np.ndarray) -> None:
    """One material for each that has faces, in the order that the mesh's indices mean."""
    arrays = head.arrays
    picture, normals = texture_png(track, arrays), normal_png(track, head)
    textured, folded = [], []
    for m in used:
        look = look_of(arrays.materials[m], track)
        covered = picture is not None and look.textured
        colour = [1.0, 1.0, 1.0] if covered else linear(look.colour)
        material = objects.add(
            "Material",
            arrays.materials[m],
            "Material",
            "",
            [
                Node("Version", [102]),
                Node("ShadingModel", ["phong"]),
                Node("MultiLayer", [0]),
                properties(
                    vector("DiffuseColor", colour, "Color"),
                    ("DiffuseFactor", "Number", "", "A", 1.0),
                    vector("SpecularColor", np.ones(3), "Color"),
                    ("SpecularFactor", "Number", "", "A", 0.25),
                    # Blender's reading of Phong: roughness = 1 - sqrt(Shininess) / 10
                    ("Shininess", "Number", "", "A", (10 * (1 - look.roughness)) ** 2),
                    ("ReflectionFactor", "Number", "", "A", 0.0),
                    ("Opacity", "Number", "", "A", 1.0),
                ),
            ],
        )
        objects.link(material, model)
        if covered:
            textured.append(material)
        if normals is not None and look.relief:
            folded.append(material)
    for name, png, wearers, place in (
        ("albedo", picture, textured, "DiffuseColor"),
        ("normals", normals, folded, "NormalMap"),
    ):
        if wearers:
            texture = _add_texture(objects, name, png)
            for material in wearers:
                objects.link(texture, material, place)


def _add_texture(objects: Objects, name: str, picture: bytes) -> np.int64:
    """A picture inside the file, which programs unpack under its name."""
    file = f"{name}.png"
    video = objects.add(
        "Video",
        name,
        "Video",
        "Clip",
        [
            Node("Type", ["Clip"]),
            properties(("Path", "KString", "XRefUrl", "", file)),
            Node("UseMipMap", [0]),
            Node("Filename", [file]),
            Node("RelativeFilename", [file]),
            Node("Content", [picture]),
        ],
    )
    texture = objects.add(
        "Texture",
        name,
        "Texture",
        "",
        [
            Node("Type", ["TextureVideoClip"]),
            Node("Version", [202]),
            Node("TextureName", [f"{name}\x00\x01Texture"]),
            properties(
                ("UseMaterial", "bool", "", "", 1),
                ("WrapModeU", "enum", "", "", _CLAMP),
                ("WrapModeV", "enum", "", "", _CLAMP),
            ),
            Node("Media", [f"{name}\x00\x01Video"]),
            Node("FileName", [file]),
            Node("RelativeFilename", [file]),
            Node("ModelUVTranslation", [0.0, 0.0]),
            Node("ModelUVScaling", [1.0, 1.0]),
        ],
    )
    objects.link(video, texture)
    return texture


def add_shapes(
    objects: Objects, geometry: np.int64, rig: Rig, faces: np.ndarray, percents: np.ndarray
) -> list[np.int64]:
    """The ids of one channel for each target, at `percents` [N] in [0, 100] where nothing drives it.

    A channel's shapes lie between 0 and 100 in the order of its FullWeights, the target itself last.
    """
    if not rig.target_names:
        return []
    deformer = objects.add("Deformer", "head", "Deformer", "BlendShape", [Node("Version", [_SHAPE_VERSION])])
    objects.link(deformer, geometry)
    _, turn_of = base_and_turns(faces, rig.base)
    smallest = SMALLEST_M / rig.axes.metres
    channels = []
    for name, target, percent in zip(rig.target_names, rig.targets, percents.tolist(), strict=True):
        between = rig.between.get(name, ())
        channel = objects.add(
            "Deformer",
            name,
            "SubDeformer",
            "BlendShapeChannel",
            [
                Node("Version", [_SHAPE_VERSION]),
                properties(("DeformPercent", "Number", "", "A", percent)),
                Node("DeformPercent", [percent]),
                Node("FullWeights", [np.array([*(100.0 * b.weight for b in between), 100.0])]),
            ],
        )
        objects.link(channel, deformer)
        for offsets in (*(b.shape for b in between), target):
            shape = objects.add("Geometry", name, "Geometry", "Shape", _shape(offsets, turn_of(offsets), smallest))
            objects.link(shape, channel)
        channels.append(channel)
    return channels


def _shape(target: np.ndarray, turn: np.ndarray, smallest: float) -> list[Node]:
    """Offsets of the vertices that move or turn. One at least: readers want no empty list, so the first stays put."""
    moves = np.linalg.norm(target, axis=1) > smallest
    turns = np.linalg.norm(turn, axis=1) > SMALLEST_TURN
    kept = np.flatnonzero(moves | turns)
    kept = kept if len(kept) else np.zeros(1, int)
    return [
        Node("Version", [_SHAPE_VERSION]),
        Node("Indexes", [kept.astype("<i4")]),
        Node("Vertices", [target[kept].astype("<f8").ravel()]),
        Node("Normals", [(turn * turns[:, None])[kept].astype("<f8").ravel()]),
    ]
