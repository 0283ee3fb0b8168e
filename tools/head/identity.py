"""The identity space: people sampled from MakeHuman's targets, aligned, and their principal components.

A person is a mix of macro targets (population, sex, age, muscle, weight) plus local face targets within moderate
ranges, left and right alike but for a small asymmetry. Faces are aligned by a rotation (no scale: size is part of
identity). Because the mirror image of every person counts as a person, each component is exactly even or exactly
odd across the sagittal plane, and the mean is symmetric. One unit of a component is one standard deviation.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from flame_tools.surface.mesh_graph import vertex_areas
from tools.head.cut import Assembly, Cut, to_head_frame
from tools.head.lips import Lips, find_lips
from tools.head.people import Attributes, sample_people
from tools.head.source import Source, mean_vertices
from tools.head.topology import mouth_bag

COMPONENTS = 100
PEOPLE = 3000
SEED = 2026
ADULT_YEARS = 25.0  # faces change by growing before, by ageing after
AGE_UNIT_YEARS, CHILD_UNIT_YEARS = 20.0, 14.0
# Vertex weights of the analysis: what a viewer recognises a person by counts more.
FACE_WEIGHT, SKULL_WEIGHT, NECK_WEIGHT, BAG_WEIGHT = 1.0, 0.15, 0.08, 0.02


@dataclass(frozen=True, eq=False)
class Identity:
    """Mean and components on the source's N vertices (zero where the head does not reach), in the head's frame."""

    mean: np.ndarray  # [N, 3] metres
    dirs: np.ndarray  # [N, 3, S] metres per SD
    names: tuple[str, ...]  # [S]
    directions: dict[str, np.ndarray]  # name -> [S]
    provenance: dict


@dataclass(frozen=True, eq=False)
class HeadIdentity:
    """The identity space on a head's V vertices."""

    template: np.ndarray  # [V, 3] metres, the mean identity
    shapedirs: np.ndarray  # [V, 3, S] metres per SD
    names: tuple[str, ...]  # [S]
    directions: dict[str, np.ndarray]  # name -> [S]
    provenance: dict


def build_identity(assembly: Assembly) -> HeadIdentity:
    """The identity space carried over to the assembled head, every identity with its own origin at zero."""
    learned = learn_identity(assembly.source, assembly.cut)
    shapedirs = [assembly.positions(learned.dirs[..., k]) for k in range(len(learned.names))]
    return HeadIdentity(
        assembly.positions(learned.mean),
        np.stack(shapedirs, -1),
        learned.names,
        learned.directions,
        learned.provenance,
    )


@functools.cache
def learn_identity(source: Source, cut: Cut, components: int = COMPONENTS, people: int = PEOPLE) -> Identity:
    """Sample people, align them and take the principal components of their even and odd parts."""
    used = _used_vertices(source, cut)
    mirror = np.searchsorted(used, source.mirror[used])
    crowd = sample_people(source, used, people, seed=SEED)
    neutral = to_head_frame(source, mean_vertices(source))[used]
    skin = np.searchsorted(used, cut.source)
    weights = np.zeros(len(used))
    weights[skin] = _analysis_weights(neutral[skin], cut)
    aligned = _align(crowd.vertices, neutral, weights)
    mean = aligned.mean(0)
    mean = 0.5 * (mean + _reflect(mean, mirror))
    even, odd = _parts(aligned - mean, mirror)
    dirs, scores, variances, parity, total = _components(even, odd, weights, components)
    directions = _directions(scores, crowd.attributes, parity)

    def dense(values: np.ndarray) -> np.ndarray:
        full = np.zeros((len(source.vertices), *values.shape[1:]))
        full[used] = values
        return full

    base = to_head_frame(source, mean_vertices(source))
    full_mean, full_dirs = dense(mean), dense(dirs)
    lips = find_lips(cut, base[cut.source])
    full_mean = base + _keep_contact(lips, cut, full_mean - base)
    full_dirs = np.stack([_keep_contact(lips, cut, full_dirs[..., k]) for k in range(components)], -1)
    outside = np.setdiff1d(np.arange(len(source.vertices)), used)
    full_mean[outside] = base[outside]
    share = variances / total
    attributes = crowd.attributes
    return Identity(
        full_mean,
        full_dirs,
        tuple(f"identity{i:03d}" for i in range(components)),
        directions,
        {
            "people": people,
            "seed": SEED,
            "variance_explained": round(float(share.sum()), 5),
            "variance_share": [round(float(x), 6) for x in share],
            "adult_years": ADULT_YEARS,
            "age_unit_years": AGE_UNIT_YEARS,
            "child_unit_years": CHILD_UNIT_YEARS,
            "mean_ageing_years": round(float(np.maximum(attributes.age_years - ADULT_YEARS, 0.0).mean()), 3),
            "mean_growing_years": round(float(np.maximum(ADULT_YEARS - attributes.age_years, 0.0).mean()), 3),
            "direction_units": {
                "age": "20 years older, past 25",
                "sex": "mean to male (-1: female)",
                "weight": "average to heavy",
                "ancestry_*": "mean to that population alone",
                "child": "adult of 25 to child of 11 years",
            },
        },
    )


def _keep_contact(lips: Lips, cut: Cut, offsets: np.ndarray) -> np.ndarray:
    """Offsets [N, 3] under which facing inner lips move alike: each side goes to the mean of the two movements."""
    skin = offsets[cut.source]
    sealed = offsets.copy()
    sealed[cut.source] += lips.move(skin[lips.pairs[:, 1]] - skin[lips.pairs[:, 0]], 0.5)
    return sealed


def _used_vertices(source: Source, cut: Cut) -> np.ndarray:
    """Source vertices that belong to the head: its skin and every helper inside it."""
    helpers = [source.vertex_groups[name] for name in source.vertex_groups if _in_head(name)]
    return np.unique(np.concatenate([cut.source, *helpers]))


def _in_head(group: str) -> bool:
    parts = ("eye", "teeth", "tongue", "jaw", "mouth", "head", "neck", "lid", "hair")
    return group.startswith(("helper-", "joint-")) and any(part in group for part in parts)


def _analysis_weights(positions: np.ndarray, cut: Cut) -> np.ndarray:
    """Area times importance [Vs], summing to one."""

    def rise(value: np.ndarray, low: float, high: float) -> np.ndarray:
        t = np.clip((value - low) / (high - low), 0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)

    _, y, z = positions.T
    front = rise(z, -0.03, 0.02) * rise(y, -0.135, -0.105) * (1.0 - rise(y, 0.075, 0.105))
    head = rise(y, -0.15, -0.10) + rise(-z, 0.02, 0.06) * rise(y, -0.12, -0.07)
    weight = NECK_WEIGHT + (SKULL_WEIGHT - NECK_WEIGHT) * np.minimum(head, 1.0) + (FACE_WEIGHT - SKULL_WEIGHT) * front
    weight[mouth_bag(cut)] = BAG_WEIGHT
    weight = weight * vertex_areas(positions, cut.faces)
    weight = 0.5 * (weight + weight[cut.mirror])
    return weight / weight.sum()


def _align(people: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rotate every person [P, n, 3] about its origin onto `target` (Kabsch 1976); size and origin stay."""
    centre = weights @ target
    aligned = np.empty_like(people)
    for i, person in enumerate(people):
        moved = person - weights @ person
        u, _, vt = np.linalg.svd((moved * weights[:, None]).T @ (target - centre))
        turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
        aligned[i] = person @ turn
    return aligned


def _reflect(positions: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    return positions[..., mirror, :] * np.array([-1.0, 1.0, 1.0], positions.dtype)


def _parts(deltas: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The even and odd parts of offsets [P, n, 3] under reflection."""
    mirrored = _reflect(deltas, mirror)
    return 0.5 * (deltas + mirrored), 0.5 * (deltas - mirrored)


def _components(even, odd, weights, count):
    """The `count` strongest components among the even and odd ones: dirs [n, 3, S], scores [P, S], variances [S]."""
    scale = np.sqrt(weights).astype(even.dtype)[None, :, None]
    found, total = [], 0.0
    for parity, part in ((1.0, even), (-1.0, odd)):
        scaled = (part * scale).reshape(len(part), -1)
        gram = (scaled @ scaled.T).astype(np.float64) / len(part)
        total += float(np.trace(gram))
        values, vectors = np.linalg.eigh(gram)
        order = np.argsort(values)[::-1][:count]
        found += [(float(values[i]), parity, vectors[:, i]) for i in order]
    found.sort(key=lambda item: -item[0])
    found = found[:count]
    people = len(even)
    scores = np.stack([vector for _, _, vector in found], 1) * np.sqrt(people)  # unit variance
    dirs = np.empty((*even.shape[1:], count))
    for k, (_, parity, _) in enumerate(found):
        part = even if parity > 0 else odd
        dirs[..., k] = np.tensordot(scores[:, k], part, (0, 0)) / people
        lead = np.unravel_index(np.argmax(np.abs(dirs[..., k])), dirs.shape[:2])
        if dirs[(*lead, k)] < 0.0:  # a sign that does not depend on the eigensolver
            dirs[..., k] *= -1.0
            scores[:, k] *= -1.0
    return dirs, scores, np.array([value for value, _, _ in found]), np.array([p for _, p, _ in found]), total


def _directions(scores: np.ndarray, attributes: Attributes, parity: np.ndarray) -> dict[str, np.ndarray]:
    """Effects of one attribute with the others held still, by least squares over the people."""
    shares = attributes.ancestry - attributes.ancestry.mean(0)
    old = np.maximum(attributes.age_years - ADULT_YEARS, 0.0) / AGE_UNIT_YEARS
    young = np.maximum(ADULT_YEARS - attributes.age_years, 0.0) / CHILD_UNIT_YEARS
    columns = [shares[:, 0] - shares[:, 2], shares[:, 1] - shares[:, 2], attributes.male - 0.5, old, young]
    columns += [attributes.weight - 0.5, attributes.muscle - 0.5, np.ones(len(scores))]
    effect = np.linalg.lstsq(np.stack(columns, 1), scores, rcond=None)[0]
    effect[:, parity < 0] = 0.0
    african, asian, male, ageing, child, weight = effect[:6]
    # With shares (a, s, e) summing to one and even means, E[z] = (a - e) x + (s - e) y about an equal mix.
    return {
        "age": ageing,
        "sex": 0.5 * male,
        "weight": 0.5 * weight,
        "ancestry_african": african,
        "ancestry_asian": asian,
        "ancestry_european": -african - asian,
        "child": child,
    }
