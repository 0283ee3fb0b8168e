"""Binary FBX 7.4: mesh, materials, skin, blend shapes, and the performance as one take.

The layout of sections and objects is the FBX SDK's, as the Blender Foundation describes it
(https://code.blender.org/2013/08/fbx-binary-file-format-specification/) and as Blender and ufbx read it. Metres, told
by UnitScaleFactor 100 (the format's own unit is a centimetre), y up, +z forward, as ours, unless options say else. FBX
carries no sound: `write_wav` puts it beside.
"""

from __future__ import annotations

import os

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.characters.fbx_nodes import Node, write_nodes
from flame_tools.export.fbx_mesh import add_mesh, add_shapes
from flame_tools.export.fbx_objects import ROOT, Objects, properties, text
from flame_tools.export.fbx_skeleton import add_joints, add_skin
from flame_tools.export.fbx_take import TAKE, add_take, euler_degrees, rest_of, ticks, time_mode
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.rig import Rig
from flame_tools.export.tailor import rig_for
from flame_tools.head import Head
from flame_tools.licences import joined, licences_of
from flame_tools.types import Track

_VERSION = 7400
_CREATOR = "emberface"
# A reader of Autodesk's checks FileId and the file's last bytes against CreationTime. These three belong together, and
# Blender writes them too, so that a file does not depend on the clock.
_FILE_ID = bytes.fromhex("28b32aebb624ccc2bfc8b02aa92bfcf1")
_CREATION_TIME = "1970-01-01 10:00:00:000"
_METRES = 100.0  # in the format's centimetres
_AXES = {  # up, forward, right: which axis and which way along it
    "y": {"UpAxis": 1, "UpAxisSign": 1, "FrontAxis": 2, "FrontAxisSign": 1, "CoordAxis": 0, "CoordAxisSign": 1},
    "z": {"UpAxis": 2, "UpAxisSign": 1, "FrontAxis": 1, "FrontAxisSign": -1, "CoordAxis": 0, "CoordAxisSign": 1},
}


def write_fbx(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write `track` on `head` as one binary .fbx file, with any of the options.

    One mesh in the head's own order of vertices, a channel for each target of the rig (`rig.py`), five joints, and a
    take "performance" with keys at the track's own times. What never changes has no curve: its value stands on the
    object. A track of one frame leaves as a still, without a take. The licences stand in the scene's comment and on
    the mesh's model.

    Raises ShapeError where the track does not fit the head or its albedo is no picture, OutputError where `path`
    cannot be written.
    """
    data = write_nodes(_document(track, head, rig_for(track, head, options), options), version=_VERSION)
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def _document(track: Track, head: Head, rig: Rig, options: Options) -> Node:
    arrays = head.arrays
    licences = joined(licences_of(track, arrays))
    still = len(track) == 1
    degrees, percents = euler_degrees(rig.rotations), 100 * rig.weights.astype(np.float64)
    objects = Objects()
    mesh, geometry = add_mesh(objects, rig, track, head, licences)
    channels = add_shapes(objects, geometry, rig, arrays.faces, rest_of(percents, np.zeros(len(rig.target_names))))
    places = rest_of(rig.translations, rig.rest_translations)
    joints = add_joints(objects, rig, places, rest_of(degrees, np.zeros(degrees.shape[1:])))
    add_skin(objects, geometry, mesh, joints, rig)
    if not still:
        add_take(objects, rig, channels, percents, joints, degrees, options.tolerance_mm)
    takes = [] if still else [TAKE]
    return Node(
        "",
        [_VERSION],
        [
            _header(arrays.id, licences),
            Node("FileId", [_FILE_ID]),
            Node("CreationTime", [_CREATION_TIME]),
            Node("Creator", [_CREATOR]),
            _settings(track, rig),
            _documents(objects, takes),
            Node("References"),
            _definitions(objects),
            Node("Objects", [], objects.nodes),
            Node("Connections", [], objects.links),
            _takes(rig, takes),
        ],
    )


def _header(title: str, licences: str) -> Node:
    stamp = {"Version": 1000, "Year": 1970, "Month": 1, "Day": 1, "Hour": 10, "Minute": 0, "Second": 0}
    about = {"Title": title, "Subject": "", "Author": "", "Keywords": "", "Revision": ""}
    about["Comment"] = f"licences: {licences}"
    information = Node(
        "SceneInfo",
        ["GlobalInfo\x00\x01SceneInfo", "UserData"],
        [
            Node("Type", ["UserData"]),
            Node("Version", [100]),
            Node("MetaData", [], [Node("Version", [100]), *(Node(name, [value]) for name, value in about.items())]),
            properties(
                ("Original", "Compound", "", ""),
                text("Original|ApplicationName", _CREATOR),
                ("LastSaved", "Compound", "", ""),
                text("LastSaved|ApplicationName", _CREATOR),
            ),
        ],
    )
    return Node(
        "FBXHeaderExtension",
        [],
        [
            Node("FBXHeaderVersion", [1003]),
            Node("FBXVersion", [_VERSION]),
            Node("EncryptionType", [0]),
            Node(
                "CreationTimeStamp",
                [],
                [Node(name, [value]) for name, value in {**stamp, "Millisecond": 0}.items()],
            ),
            Node("Creator", [_CREATOR]),
            information,
        ],
    )


def _settings(track: Track, rig: Rig) -> Node:
    mode, fps = time_mode(track)
    start, stop = _span(rig)
    axes = _AXES[rig.axes.up]
    axes |= {"OriginalUpAxis": axes["UpAxis"], "OriginalUpAxisSign": 1}
    unit = _METRES * rig.axes.metres
    return Node(
        "GlobalSettings",
        [],
        [
            Node("Version", [1000]),
            properties(
                *((name, "int", "Integer", "", value) for name, value in axes.items()),
                ("UnitScaleFactor", "double", "Number", "", unit),
                ("OriginalUnitScaleFactor", "double", "Number", "", unit),
                ("TimeMode", "enum", "", "", mode),
                ("CustomFrameRate", "double", "Number", "", fps),
                ("TimeSpanStart", "KTime", "Time", "", start),
                ("TimeSpanStop", "KTime", "Time", "", stop),
            ),
        ],
    )


def _span(rig: Rig) -> tuple[np.int64, np.int64]:
    """Where the performance begins and ends, KTime."""
    times = ticks(rig.times_s[[0, -1]])
    return times[0], times[1]


def _documents(objects: Objects, takes: list[str]) -> Node:
    active = properties(("SourceObject", "object", "", ""), *(text("ActiveAnimStackName", take) for take in takes))
    document = Node("Document", [objects.new_id(), "", "Scene"], [active, Node("RootNode", [ROOT])])
    return Node("Documents", [], [Node("Count", [1]), document])


def _definitions(objects: Objects) -> Node:
    counts = {"GlobalSettings": 1, **objects.counts()}
    kinds = [Node("ObjectType", [kind], [Node("Count", [count])]) for kind, count in counts.items()]
    return Node("Definitions", [], [Node("Version", [100]), Node("Count", [sum(counts.values())]), *kinds])


def _takes(rig: Rig, takes: list[str]) -> Node:
    span = list(_span(rig))
    listed = [
        Node("Take", [take], [Node("FileName", [f"{take}.tak"]), Node("LocalTime", span), Node("ReferenceTime", span)])
        for take in takes
    ]
    return Node("Takes", [], [Node("Current", [takes[0] if takes else ""]), *listed])
