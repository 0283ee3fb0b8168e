"""A small reader and player of .glb files, written from the specification and apart from the writer."""

import functools
import json
import struct
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

TYPES = {5126: "<f4", 5121: "u1", 5123: "<u2", 5125: "<u4"}
WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    def __init__(self, path):
        data = Path(path).read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        n, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + n])
        m, kind = struct.unpack_from("<I4s", data, 20 + n)
        assert kind == b"BIN\0" and 28 + n + m == len(data)
        self.bin = data[28 + n :]
        self.keyed = None

    def _values(self, view, offset, kind, count, width):
        v = self.json["bufferViews"][view]
        start = v["byteOffset"] + offset
        size = np.dtype(kind).itemsize * count * width
        assert offset + size <= v["byteLength"] and start % np.dtype(kind).itemsize == 0
        return np.frombuffer(self.bin, kind, count * width, start).reshape(count, width)

    @functools.cache  # noqa: B019 (a reader lives as long as its test)
    def accessor(self, index):
        a = self.json["accessors"][index]
        width = WIDTH[a["type"]]
        kind = TYPES[a["componentType"]]
        if "bufferView" in a:
            out = self._values(a["bufferView"], a.get("byteOffset", 0), kind, a["count"], width).copy()
        else:
            out = np.zeros((a["count"], width), kind)
        if "sparse" in a:
            s = a["sparse"]
            i, v = s["indices"], s["values"]
            at = self._values(i["bufferView"], i["byteOffset"], TYPES[i["componentType"]], s["count"], 1)[:, 0]
            assert (np.diff(at.astype(int)) > 0).all()
            out[at] = self._values(v["bufferView"], v["byteOffset"], kind, s["count"], width)
        if "min" in a:
            np.testing.assert_array_equal(out.min(0), np.array(a["min"], np.float32))
            np.testing.assert_array_equal(out.max(0), np.array(a["max"], np.float32))
        return out

    @property
    def names(self):
        return self.json["meshes"][0]["extras"]["targetNames"]

    def channels(self):
        """{(node, path): values [T, ...]} of the animation, and its times [T]; of a file with a key at every frame."""
        found = {place: values for place, (_, values) in self.keys().items()}
        times = [times for times, _ in self.keys().values()]
        assert all(np.array_equal(times[0], t) for t in times)
        return found, times[0] if times else None

    def keys(self):
        """{(node, path): (times [n], values [n, ...])} of the animation."""
        if self.keyed is None:
            self.keyed = {}
            a = self.json["animations"][0] if "animations" in self.json else {"channels": []}
            for c in a["channels"]:
                s = a["samplers"][c["sampler"]]
                times = self.accessor(s["input"])[:, 0]
                values = self.accessor(s["output"]).reshape(len(times), -1)
                self.keyed[c["target"]["node"], c["target"]["path"]] = times, values
        return self.keyed

    def play(self, frame):
        """Posed positions [n, 3] of every primitive in turn, at a key of the animation (or of the still)."""
        _, times = self.channels()
        return self.play_at(0.0 if times is None else times[frame])

    def play_at(self, seconds):
        """The same at any time: rotations between keys on the sphere, the rest on straight lines."""
        keys = self.keys()

        def at(node, path, default):
            if (node, path) not in keys:
                return np.asarray(default, np.float64)
            times, values = keys[node, path]
            i = int(np.clip(np.searchsorted(times, seconds, side="right") - 1, 0, max(len(times) - 2, 0)))
            j = min(i + 1, len(times) - 1)
            share = 0.0 if i == j else float(np.clip((seconds - times[i]) / (times[j] - times[i]), 0, 1))
            if path == "rotation" and 0 < share < 1:
                return Slerp([0, 1], Rotation.from_quat(values[[i, j]]))(share).as_quat()
            return values[i] * (1 - share) + values[j] * share

        mesh = self.json["meshes"][0]
        weights = at(0, "weights", mesh.get("weights", [])).astype(np.float64)
        nodes = self.json["nodes"]
        world = {}

        def walk(i, parent):
            node = nodes[i]
            local = np.eye(4)
            local[:3, :3] = rotation(at(i, "rotation", node.get("rotation", [0, 0, 0, 1])))
            local[:3, 3] = at(i, "translation", node.get("translation", [0, 0, 0]))
            world[i] = parent @ local
            for child in node.get("children", []):
                walk(child, world[i])

        for root in self.json["scenes"][0]["nodes"]:
            walk(root, np.eye(4))
        skin = self.json["skins"][0]
        inverse = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        bones = np.stack([world[j] @ b for j, b in zip(skin["joints"], inverse, strict=True)])
        posed = []
        for p in mesh["primitives"]:
            a = p["attributes"]
            points = self.accessor(a["POSITION"]).astype(np.float64)
            for w, target in zip(weights, p.get("targets", []), strict=True):
                points = points + w * self.accessor(target["POSITION"])
            blend = np.zeros((len(points), 4, 4))
            for s in (k[7:] for k in a if k.startswith("JOINTS_")):
                joints, shares = self.accessor(a[f"JOINTS_{s}"]), self.accessor(a[f"WEIGHTS_{s}"])
                blend += np.einsum("nk,nkij->nij", shares, bones[joints])
            posed.append(np.einsum("nij,nj->ni", blend[:, :3, :3], points) + blend[:, :3, 3])
        return posed


def rotation(q):
    x, y, z, w = np.asarray(q, np.float64) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
