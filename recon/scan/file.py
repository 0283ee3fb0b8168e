"""Scans from files: meshes and point clouds in whatever unit and orientation they come, read without trust."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from flame_tools.errors import FormatError, InputError

FORMATS = (".obj", ".ply", ".stl", ".glb", ".gltf")
MAX_FILE_BYTES = 2 << 30
MAX_VERTICES = 20_000_000
FEWEST_POINTS = 500  # fewer cannot tell a face from a chair
_VERTEX = (b"v ", b"v\t")  # how a vertex's line of an OBJ begins


@dataclass(frozen=True)
class Scan:
    """A surface as a scanner left it, in the file's own unit and axes."""

    vertices: np.ndarray  # [N, 3] float64
    faces: np.ndarray  # [F, 3] int32; [0, 3] for a cloud of points
    colours: np.ndarray | None = None  # [N, 3] uint8 sRGB
    uv: np.ndarray | None = None  # [N, 2] in [0, 1], v up
    texture: np.ndarray | None = None  # [h, w, 3] uint8 sRGB, row 0 at v = 1

    @property
    def is_cloud(self) -> bool:
        return len(self.faces) == 0


def read_scan(path: str | os.PathLike) -> Scan:
    """Read an OBJ, PLY, STL, GLB or glTF. The parts of a scene are put in their places and merged."""
    import trimesh

    path = Path(path)
    _check_file(path)
    files = _Beside(path.parent)
    try:
        with open(path, "rb") as file:
            scene = trimesh.load_scene(file, file_type=path.suffix[1:].lower(), resolver=files, process=False)
            parts = [_part(*placed) for placed in _placed(scene)]
    except (FormatError, InputError):
        raise
    except MemoryError:
        raise FormatError(f"{path} claims more data than memory holds; it is damaged, or thin it out first") from None
    except Exception as error:  # the readers raise whatever the bytes drive them into
        if files.refused:
            raise FormatError(files.refused) from None
        detail = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise FormatError(f"{path} cannot be read as {path.suffix[1:].upper()} ({detail}); export it again") from None
    if files.refused:
        raise FormatError(files.refused)
    parts = [part for part in parts if len(part.vertices)]
    if not parts:
        raise FormatError(f"{path} holds no vertices; wanted a mesh or a cloud of points of a head")
    return checked(_merged(parts), str(path))


def checked(scan: Scan, name: str = "the scan") -> Scan:
    """The scan without what no surface has; refuses one that cannot be a head."""
    vertices = np.asarray(scan.vertices, np.float64)
    faces = np.asarray(scan.faces, np.int64).reshape(-1, 3)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"{name}: vertices are {list(vertices.shape)}, wanted [N, 3]")
    if len(vertices) > MAX_VERTICES:
        raise InputError(f"{name} has {len(vertices):,} vertices, at most {MAX_VERTICES:,} are read; decimate it first")
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise FormatError(f"{name}: faces point outside its {len(vertices)} vertices; it is damaged")
    finite = np.isfinite(vertices).all(1)
    if finite.mean() < 0.5:
        raise FormatError(f"{name}: {np.sum(~finite)} of {len(vertices)} vertices are not finite; it is damaged")
    if len(faces):
        faces = faces[finite[faces].all(1)]
        # an edge of no length and a corner used twice are no surface
        faces = faces[(faces != np.roll(faces, 1, 1)).all(1)]
        keep = np.zeros(len(vertices), bool)
        keep[faces] = True
    else:
        keep = finite
    if keep.sum() < FEWEST_POINTS:
        raise InputError(f"{name} has {keep.sum()} points, too few to find a face in; wanted {FEWEST_POINTS} or more")
    row = np.cumsum(keep) - 1
    vertices = vertices[keep]
    extent = np.ptp(vertices, axis=0)
    if not 0 < extent.max() < 1e12 or np.sort(extent)[1] < 1e-6 * extent.max():
        raise InputError(f"{name} extends over {extent[0]:g} x {extent[1]:g} x {extent[2]:g}: that is no head")
    pick = lambda values: None if values is None else np.asarray(values)[keep]  # noqa: E731
    return Scan(vertices, row[faces].astype(np.int32), pick(scan.colours), pick(scan.uv), scan.texture)


def scan_files(path: str | os.PathLike) -> list[Path]:
    """The scan that a name stands for, or those of a folder, by name."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in FORMATS)
    if not files:
        raise InputError(f"{path} holds no scan; wanted {', '.join(FORMATS)} files of one person")
    return files


def numbered_vertices(path: str | os.PathLike, *, read: Callable[[Path], Scan] = read_scan) -> np.ndarray:
    """Vertices [V, 3] in the order in which a file lists them, by which a registered mesh is known.

    Readers split the vertices of an OBJ where texture coordinates part, so these are read off its lines. Any other
    file is left to `read`.
    """
    path = Path(path)
    if path.suffix.lower() != ".obj":
        return read(path).vertices
    _check_file(path)
    with open(path, "rb") as file:
        rows = [line.split()[1:4] for line in file if line.startswith(_VERTEX)]
    try:
        vertices = np.array(rows, np.float64).reshape(-1, 3)
    except ValueError:
        raise FormatError(f"{path} has a vertex that is not three numbers; export it again") from None
    if not np.isfinite(vertices).all():
        raise FormatError(f"{path} holds NaN or infinite values; export it again")
    return vertices


def vertex_count(path: str | os.PathLike, *, read: Callable[[Path], Scan] = read_scan) -> int:
    """How many vertices `numbered_vertices` would find; whatever the lines of an OBJ say of them."""
    path = Path(path)
    if path.suffix.lower() != ".obj":
        return len(read(path).vertices)
    _check_file(path)
    with open(path, "rb") as file:
        return sum(line.startswith(_VERTEX) for line in file)


class _Beside:
    """Files that a scan names, served only from its own folder. Remembers what it refused."""

    def __init__(self, folder: Path):
        self.folder, self.refused = folder, ""

    def get(self, name: str) -> bytes:
        place = PurePosixPath(str(name).replace("\\", "/"))
        file = self.folder / place
        outside = "://" in str(name) or place.is_absolute() or ".." in place.parts or ":" in place.parts[0]
        if outside or not file.resolve().is_relative_to(self.folder.resolve()):
            self.refused = (
                f"the scan names {str(name)[:80]!r}, which lies outside its folder; "
                "put every file that it needs beside it"
            )
            raise FormatError(self.refused)
        if file.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(f"{file} is larger than {MAX_FILE_BYTES >> 30} GB")
        return file.read_bytes()

    __getitem__ = get

    def keys(self) -> list[str]:
        return []

    def namespaced(self, namespace: str) -> _Beside:
        return self


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path} is no scan that can be read; wanted one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    size = path.stat().st_size
    if size == 0:
        raise FormatError(f"{path} is empty")
    if size > MAX_FILE_BYTES:
        raise FormatError(
            f"{path} is {size / 2**30:.1f} GB, at most {MAX_FILE_BYTES >> 30} are read; decimate it first"
        )
    if path.suffix.lower() in (".glb", ".gltf"):
        _check_gltf(path)


def _check_gltf(path: Path) -> None:
    """Refuse glTF that claims more than it holds, or names files elsewhere, before a reader looks at it."""
    data = path.read_bytes()
    try:
        if path.suffix.lower() == ".glb":
            magic, _, _, length, kind = struct.unpack_from("<4s4I", data)
            if magic != b"glTF" or kind != 0x4E4F534A:
                raise ValueError("no glTF header")
            data = data[20 : 20 + length]
        content = json.loads(data)
        counts = [int(accessor["count"]) for accessor in content.get("accessors", [])]
        names = [part["uri"] for key in ("buffers", "images") for part in content.get(key, []) if "uri" in part]
    except (ValueError, KeyError, TypeError, struct.error, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is no glTF that can be read ({error}); export it again") from None
    if counts and not 0 <= min(counts) <= max(counts) <= 3 * 2 * MAX_VERTICES:
        raise FormatError(f"{path} claims {max(counts):,} entries in one array; it is damaged")
    for name in names:
        if not str(name).startswith("data:"):
            files = _Beside(path.parent)
            place = PurePosixPath(str(name))
            if "://" in str(name) or place.is_absolute() or ".." in place.parts:
                try:
                    files.get(name)
                except FormatError as error:
                    raise FormatError(f"{path}: {error}") from None


def _placed(scene):
    """(transform, geometry) of every node that has one."""
    for node in sorted(scene.graph.nodes_geometry):
        transform, name = scene.graph[node]
        yield np.asarray(transform, np.float64), scene.geometry[name]


def _part(transform: np.ndarray, geometry) -> Scan:
    vertices = np.asarray(getattr(geometry, "vertices", np.zeros((0, 3))), np.float64)
    if len(vertices) > MAX_VERTICES:
        raise InputError(
            f"the scan has {len(vertices):,} vertices, at most {MAX_VERTICES:,} are read; decimate it first"
        )
    vertices = vertices @ transform[:3, :3].T + transform[:3, 3]
    faces = getattr(geometry, "faces", None)
    if faces is None:
        return Scan(vertices, np.zeros((0, 3), np.int32), _colours(getattr(geometry, "colors", None), len(vertices)))
    visual = geometry.visual
    if getattr(visual, "kind", None) == "vertex":
        return Scan(vertices, np.asarray(faces), _colours(visual.vertex_colors, len(vertices)))
    uv, image = getattr(visual, "uv", None), _image(getattr(visual, "material", None))
    if uv is None or image is None or len(uv) != len(vertices):
        return Scan(vertices, np.asarray(faces))
    return Scan(vertices, np.asarray(faces), None, np.nan_to_num(np.asarray(uv, np.float64)) % 1.0, image)


def _colours(values, count: int) -> np.ndarray | None:
    values = None if values is None else np.asarray(values)
    if values is None or values.ndim != 2 or len(values) != count or values.shape[1] < 3:
        return None
    colours = values[:, :3].astype(np.uint8)
    return colours if np.ptp(colours.astype(int), axis=0).max() > 4 else None  # one flat colour says nothing


def _image(material) -> np.ndarray | None:
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    return None if picture is None else np.asarray(picture.convert("RGB"))


def _merged(parts: list[Scan]) -> Scan:
    """One scan of several: surfaces win over loose points; textures go into one atlas, one above another."""
    if any(not part.is_cloud for part in parts):
        parts = [part for part in parts if not part.is_cloud]
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    coloured = any(part.colours is not None for part in parts)
    grey = lambda part: np.full((len(part.vertices), 3), 200, np.uint8)  # noqa: E731
    colours = np.concatenate([grey(p) if p.colours is None else p.colours for p in parts]) if coloured else None
    if not any(part.texture is not None for part in parts):
        return Scan(vertices, faces, colours)
    images = [np.full((8, 8, 3), 200, np.uint8) if p.texture is None else p.texture for p in parts]
    width, height = max(i.shape[1] for i in images), sum(i.shape[0] for i in images)
    atlas, uv, top = np.zeros((height, width, 3), np.uint8), [], 0
    for part, image in zip(parts, images, strict=True):
        h, w = image.shape[:2]
        atlas[top : top + h, :w] = image
        own = np.full((len(part.vertices), 2), 0.5) if part.uv is None else part.uv
        uv.append(np.stack([own[:, 0] * w / width, 1 - (top + (1 - own[:, 1]) * h) / height], 1))
        top += h
    return Scan(vertices, faces, colours, np.concatenate(uv), atlas)
