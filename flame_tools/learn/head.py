"""Learn a head: from registered meshes of many people and expressions to a parametric head in FLAME's layout.

The steps of Li et al. 2017 ("Learning a model of facial shape and expression from 4D scans"), on meshes that are
registered already: stabilise the skull, mean and principal components of the neutral faces, joints that follow
identity, jaw and eyes turned back to rest, and what is left split between pose correctives and expressions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flame_tools.arkit import ARKIT_NAMES, JOINT_OWNED, LID_OWNED
from flame_tools.characters.owners import everyday_sd
from flame_tools.errors import InputError, ShapeError
from flame_tools.learn.components import correctives, principal
from flame_tools.learn.joints import learn_jaw_weights, learn_regressor
from flame_tools.learn.stabilised import onto_skull, people_together, skull_weights
from flame_tools.learn.unposing import part_turns, rigid_parts, unpose
from flame_tools.licences import joined
from flame_tools.smooth import smooth_step
from flame_tools.surface.mesh_graph import vertex_areas
from flame_tools.types import JAW, LEFT_EYE, RIGHT_EYE, HeadArrays

NEUTRAL = "neutral"
UNKNOWN = "unknown: that of the scans"
OFF_FACE = 0.15  # what an error off the face costs beside one on it
EYE_REACH = (1.7, 3.2)  # radii of the eyeball: within the first a glance moves the lids freely, past the other not
BOUND = 1.25  # components may go this much further than the meshes that they were learnt from


@dataclass(frozen=True, eq=False)
class Scans:
    """Registered meshes of one topology: each person at rest once or more, and in any expressions."""

    vertices: np.ndarray  # [N, V, 3] metres
    person: Sequence  # [N] whose face: numbers or names
    expression: Sequence[str]  # [N] "neutral", an ARKit name at weight 1, or anything

    def __post_init__(self):
        shape = np.shape(self.vertices)
        if len(shape) != 3 or shape[2] != 3 or not shape[0] == len(self.person) == len(self.expression):
            raise ShapeError(
                f"scans are {list(shape)} with {len(self.person)} people and {len(self.expression)} expressions; "
                "wanted [N, V, 3] and one of each for every mesh"
            )
        if not np.isfinite(self.vertices).all():
            raise InputError("scans hold vertices that are not finite; wanted metres")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Scans in one frame: people at rest, and expressions with what their jaws and eyes did."""

    neutrals: np.ndarray  # [P, V, 3]
    posed: np.ndarray  # [M, V, 3] stabilised on the skull of the neutral
    person: np.ndarray  # [M] index into neutrals
    names: tuple[str, ...]  # [M]


def learn_head(
    scans: Scans,
    like: HeadArrays,  # describes the topology: triangles, weights, joints, landmarks, regions, UV
    *,
    identity: int = 100,
    expression: int = 60,
    named: bool = False,
    fit_weights: bool = False,
    licence: str = UNKNOWN,
    id: str = "learned",
) -> HeadArrays:
    """A head with at most `identity` and `expression` components, 1 unit = 1 SD.

    With `named`, scans that carry ARKit names become components of those names instead (their mean over people),
    eyeBlinkLeft and eyeBlinkRight the lids, and jaw and eye names go to joints and correctives alone; scans with
    other names are left out. Without, lids are part of the expressions, as in FLAME. With `fit_weights` the jaw's
    skinning weights are those that the scans show, where `like` has them from elsewhere (`description.describe`).
    `licence` is that of the scans; the head carries it and that of `like`.
    """
    ready = prepare(scans, like)
    mean = ready.neutrals.mean(0)
    weights = importance(like)
    people = principal(ready.neutrals - mean, weights, min(identity, max(len(ready.neutrals) - 1, 1)))
    parts = rigid_parts(like)
    jaw = parts.get(JAW, np.zeros(0, int))
    at_rest = ready.neutrals[ready.person]
    regressor = learn_regressor(ready.neutrals, like, ready.posed[:, jaw], at_rest[:, jaw], ready.person)
    joints = np.einsum("jv,pvc->pjc", regressor, ready.neutrals)[ready.person]
    turns = part_turns(at_rest, ready.posed, joints, parts)
    if named:
        turns[~np.isin(ready.names, JOINT_OWNED)] = np.eye(3)
    if fit_weights:
        like = dataclasses.replace(like, weights=learn_jaw_weights(at_rest, ready.posed, joints, turns, like))
    offsets = unpose(ready.posed, joints, turns, like.weights) - at_rest
    feature = (turns[:, 1:] - np.eye(3)).reshape(len(turns), -1)  # Eq. 3, Li et al. 2017
    posed = correctives(offsets, feature, np.isin(ready.names, JOINT_OWNED) if named else slice(None))
    posed *= _reach_of_eyes(mean, regressor @ mean, like)
    left = offsets - np.tensordot(feature, posed, 1)
    learnt = _named(left, ready) if named else _unnamed(left, weights, expression)
    return dataclasses.replace(
        like,
        v_template=mean.astype(np.float32),
        shapedirs=people.dirs.astype(np.float32),
        shape_names=tuple(f"shape_{i:03d}" for i in range(people.dirs.shape[-1])),
        J_regressor=regressor.astype(np.float32),
        posedirs=np.moveaxis(posed, 0, -1).astype(np.float32),
        eyelid_shapedirs=np.zeros((len(learnt["eyelid_vertices"]), 3, 4, people.dirs.shape[-1]), np.float32),
        **learnt,
        **_reach(turns, like),
        directions={},
        people_mean=np.zeros(0),  # theirs is the mean face
        id=id,
        licence=joined((licence, like.licence)),
        joints_follow_expression=False,
        provenance={
            "made_by": "flame_tools.learn",
            "topology": like.id,
            "people": len(ready.neutrals),
            "scans": len(scans.vertices),
            "identity_variance_share": [round(float(x), 6) for x in people.share],
        },
    )


def prepare(scans: Scans, like: HeadArrays) -> Prepared:
    """Bring all scans to the frame of `like`: people together, expressions onto the skull of their neutral."""
    if scans.vertices.shape[1] != len(like.v_template):
        raise ShapeError(
            f"scans have {scans.vertices.shape[1]} vertices but head {like.id!r} has {len(like.v_template)}; "
            "register them to that head first (flame_tools.surface.registration)"
        )
    order = {who: i for i, who in enumerate(dict.fromkeys(scans.person))}
    person = np.array([order[who] for who in scans.person])
    rest = np.array([name == NEUTRAL for name in scans.expression])
    lonely = [who for who, i in order.items() if not (rest & (person == i)).any()]
    if lonely:
        raise InputError(f"{len(lonely)} of {len(order)} people have no scan named {NEUTRAL!r}, such as {lonely[0]!r}")
    if len(order) < 2:
        raise InputError("one person has no identity to learn from; wanted scans of two people or more")
    if rest.all():
        raise InputError("all scans are neutral; wanted expressions too")
    still = skull_weights(like)
    neutrals = np.stack([scans.vertices[rest & (person == i)].mean(0) for i in range(len(order))])
    neutrals = people_together(neutrals, like.v_template, still)
    others = np.flatnonzero(~rest)
    posed = np.stack([onto_skull(scans.vertices[i], neutrals[person[i]], still) for i in others])
    return Prepared(neutrals, posed, person[others], tuple(scans.expression[i] for i in others))


def importance(arrays: HeadArrays) -> np.ndarray:  # [V], sum 1
    """Area, most of it on the face where there is a region of that name."""
    weight = vertex_areas(np.asarray(arrays.v_template, np.float64), arrays.faces)
    face = [arrays.regions[n] for n in ("face", "lips", "left_lids", "right_lids") if len(arrays.regions.get(n, ()))]
    if face:
        on = np.zeros(len(weight), bool)
        on[np.concatenate(face)] = True
        weight = np.where(on, weight, OFF_FACE * weight)
    return weight / weight.sum()


def _unnamed(left, weights, count) -> dict:
    """Principal components of what the joints leave over [M, V, 3]."""
    found = principal(left, weights, count)
    size = found.dirs.shape[-1]
    bounds = BOUND * np.stack([np.minimum(found.scores.min(0), -1.0), np.maximum(found.scores.max(0), 1.0)], 1)
    return {
        "expressiondirs": found.dirs.astype(np.float32),
        "expression_names": tuple(f"expression_{i:03d}" for i in range(size)),
        "expression_bounds": bounds.astype(np.float32),
        "expression_sd": np.ones(size, np.float32),
        "eyelid_vertices": np.zeros(0, np.int32),
        "eyelid_dirs": np.zeros((0, 3, 4), np.float32),
        "arkit_map": np.zeros((0, 0)),
    }


def _named(left, ready: Prepared) -> dict:
    """The mean of each named shape in what the joints leave over [M, V, 3]; blinks go to the lids."""
    names = np.array(ready.names)
    kept = tuple(n for n in ARKIT_NAMES if n in set(ready.names) - {*JOINT_OWNED, *LID_OWNED})
    if not kept:
        raise InputError(f"no scan has an ARKit name such as browInnerUp; found {sorted(set(ready.names))[:4]}")
    lids = np.zeros((*left.shape[1:], 4))
    for i, name in enumerate(LID_OWNED):
        if (names == name).any():
            lids[..., i] = left[names == name].mean(0)
    lidded = np.flatnonzero(np.abs(lids).max(axis=(1, 2)) > 1e-5)
    return {
        "expressiondirs": np.stack([left[names == name].mean(0) for name in kept], -1).astype(np.float32),
        "expression_names": kept,
        "expression_bounds": np.tile(np.array([0.0, 1.0], np.float32), (len(kept), 1)),
        "expression_sd": everyday_sd(kept).astype(np.float32),
        "eyelid_vertices": lidded.astype(np.int32),
        "eyelid_dirs": lids[lidded].astype(np.float32),
        "arkit_map": np.zeros((0, 0)),
    }


def _reach_of_eyes(mean: np.ndarray, joints: np.ndarray, like: HeadArrays) -> np.ndarray:  # [36, V, 1] in [0, 1]
    """Where correctives may act: an eye's round that eye alone, whatever else the faces did while it moved."""
    reach = np.ones((36, len(mean), 1))
    for eye in (LEFT_EYE, RIGHT_EYE):
        ball = np.flatnonzero(like.weights[:, eye] > 0.999)
        if not len(ball):
            continue
        radius = np.median(np.linalg.norm(mean[ball] - joints[eye], axis=1))
        away = np.linalg.norm(mean - joints[eye], axis=1) / radius
        share = smooth_step((EYE_REACH[1] - away) / (EYE_REACH[1] - EYE_REACH[0]))
        reach[9 * (eye - 1) : 9 * eye] = share[:, None]
    return reach


def _reach(turns: np.ndarray, like: HeadArrays) -> dict:
    """How far the jaw opened and went aside; the description's where the scans show less."""
    opened = float(np.arctan2(turns[:, JAW, 2, 1], turns[:, JAW, 2, 2]).max())
    aside = float(np.abs(np.arctan2(turns[:, JAW, 0, 2], turns[:, JAW, 2, 2])).max())
    return {
        "jaw_open_rad": opened if opened > 0.1 else float(like.jaw_open_rad),
        "jaw_side_rad": aside if aside > 0.03 else float(like.jaw_side_rad),
    }
