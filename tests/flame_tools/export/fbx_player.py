"""A small player of .fbx files of one skinned mesh: the reader's scene, moved by the file's curves."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from flame_tools.characters.fbx import read_fbx
from flame_tools.characters.fbx_nodes import read_nodes

TICKS = 46186158000  # of FBX's KTime in a second


class Fbx:
    def __init__(self, path):
        self.root = read_nodes(Path(path).read_bytes(), str(path))
        self.scene = read_fbx(path)
        (self.part,) = self.scene.parts
        self.driven = None
        self.objects = {node.properties[0]: node for node in self.root.first("Objects").children}
        assert len(self.objects) == len(self.root.first("Objects").children)  # no id twice
        self.links = [c.properties for c in self.root.first("Connections").children]
        for _, child, parent, *_ in self.links:
            assert child in self.objects and (parent in self.objects or parent == 0)

    def of_kind(self, kind, subtype=None):
        found = {n: node for n, node in self.objects.items() if node.name == kind}
        return {n: node for n, node in found.items() if subtype is None or node.properties[2] == subtype}

    def name(self, number):
        return self.objects[number].properties[1].split("\x00\x01")[0]

    def settings(self, node=None):
        rows = (node or self.root.first("GlobalSettings")).first("Properties70").children
        return {row.properties[0]: row.properties[4:] for row in rows}

    def below(self, number, kind):
        """[(id, property or None)] of what hangs on an object."""
        return [
            (link[1], link[3] if len(link) > 3 else None)
            for link in self.links
            if link[2] == number and self.objects[link[1]].name == kind
        ]

    def curves(self):
        """{(name of the joint or channel, property, axis): (seconds [T], values [T])}."""
        if self.driven is not None:
            return self.driven
        found = {}
        owners = self.of_kind("Model") | self.of_kind("Deformer", "BlendShapeChannel")
        for owner in owners:
            for node, prop in self.below(owner, "AnimationCurveNode"):
                for curve, axis in self.below(node, "AnimationCurve"):
                    keys = self.objects[curve]
                    times, values = keys.array("KeyTime"), keys.array("KeyValueFloat")
                    assert times.dtype == np.int64 and values.dtype == np.float32 and len(times) == len(values)
                    assert keys.array("KeyAttrRefCount").sum() == len(times)
                    found[self.name(owner), prop, axis[2:]] = times / TICKS, values
        self.driven = found
        return found

    def play(self, frame):
        """Posed vertices [V, 3] at a key of the take (or of the still), in a file with a key at every frame."""
        times = [times for times, _ in self.curves().values()]
        assert all(np.array_equal(times[0], t) for t in times)
        return self.play_at(times[0][frame] if times else 0.0)

    def play_at(self, seconds):
        """The same at any time: straight lines between keys, and between the shapes of a channel."""
        curves = self.curves()

        def at(name, prop, axis, default):
            return float(np.interp(seconds, *curves[name, prop, axis])) if (name, prop, axis) in curves else default

        points = self.base().copy()
        for number, channel in self.of_kind("Deformer", "BlendShapeChannel").items():
            name = self.name(number)
            (rest,) = self.settings(channel)["DeformPercent"]
            assert rest == channel.value("DeformPercent", float)
            percent = at(name, "DeformPercent", "DeformPercent", rest)
            full = channel.array("FullWeights")
            shapes = self.below(number, "Geometry")
            assert len(full) == len(shapes) and (np.diff(full) > 0).all() and full[-1] == 100
            for i, (shape, _) in enumerate(shapes):  # one hat a shape, from its neighbours' weights; nothing clamps
                held = self.objects[shape].array("Indexes").astype(int)
                offsets = self.objects[shape].array("Vertices").reshape(-1, 3)
                rising = percent / full[0] if i == 0 else (percent - full[i - 1]) / (full[i] - full[i - 1])
                falling = np.inf if i == len(full) - 1 else (full[i + 1] - percent) / (full[i + 1] - full[i])
                points[held] += max(min(rising, falling), 0 if len(full) > 1 else -np.inf) * offsets
        joints = {self.name(n): n for n in self.of_kind("Model", "LimbNode")}
        above = {link[1]: link[2] for link in self.links if link[0] == "OO" and link[1] in joints.values()
                 and (link[2] == 0 or link[2] in joints.values())}  # fmt: skip
        world = {0: np.eye(4)}
        for name, number in joints.items():  # parents come first
            rest = self.settings(self.objects[number])
            place, turn = (
                [at(name, prop, axis, value) for axis, value in zip("XYZ", rest[prop], strict=True)]
                for prop in ("Lcl Translation", "Lcl Rotation")
            )
            local = np.eye(4)
            local[:3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix()  # about x first
            local[:3, 3] = place
            world[number] = world[above[number]] @ local
        total = np.zeros((len(points), 4, 4))
        for number, cluster in self.of_kind("Deformer", "Cluster").items():
            ((joint, _),) = self.below(number, "Model")
            bind = cluster.array("Transform").reshape(4, 4).T
            link = cluster.array("TransformLink").reshape(4, 4).T
            np.testing.assert_allclose(link @ bind, np.eye(4), atol=1e-12)
            held = cluster.array("Indexes").astype(int)
            total[held] += cluster.array("Weights")[:, None, None] * (world[joint] @ bind)
        return np.einsum("nij,nj->ni", total[:, :3, :3], points) + total[:, :3, 3]

    def base(self):
        ((_, geometry),) = self.of_kind("Geometry", "Mesh").items()
        return geometry.array("Vertices").reshape(-1, 3)
