"""The data that flows through emberface: heads, parameters, meshes, cameras and tracks.

Conventions, stated once. Metres, y up, +z out of the face, +x to the subject's left. Rotations are axis-angle in
radians; +x opens the jaw and lowers the gaze, +y turns to the subject's left. Leading dimensions are `...`.
The default camera stands at the origin and looks along -z of that world: `diag(1, -1, -1)` takes the world to
OpenCV axes (x right, y down, z forward). Pixel centres lie at +0.5.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from flame_tools.errors import ShapeError

if TYPE_CHECKING:
    from flame_tools.head import Head

JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
ROOT, NECK, JAW, LEFT_EYE, RIGHT_EYE = range(5)
PARENTS = (-1, 0, 1, 1, 1)


def broadcast_leading(*shapes: torch.Size) -> torch.Size:
    """The shape that `shapes` broadcast to. numpy's rule: torch.broadcast_shapes loads sympy, half a second."""
    if torch.compiler.is_compiling():  # sizes may be symbols
        return torch.broadcast_shapes(*shapes)
    try:
        return torch.Size(np.broadcast_shapes(*map(tuple, shapes)))
    except ValueError:
        raise ShapeError(
            f"leading dimensions {[list(s) for s in shapes]} do not fit; wanted equal ones, or 1"
        ) from None


@dataclass(frozen=True)
class Embedding:
    """Points on a mesh: a triangle and barycentric weights for each of L points."""

    faces: np.ndarray  # [L] triangle indices
    barycentrics: np.ndarray  # [L, 3], rows sum to 1
    # [L] numbers in the set that the points are chosen from, as MediaPipe's 105 of its 468; empty for a set of its own
    index: np.ndarray = field(default_factory=lambda: np.zeros(0, int))


@dataclass(frozen=True)
class HeadArrays:
    """A head as plain numpy arrays in FLAME's layout, whatever its topology (V vertices, F triangles).

    `expressiondirs` hold nothing that a joint or a lid owns. Optional parts are empty arrays or dicts, never None.
    """

    # --- surface
    v_template: np.ndarray  # [V, 3] metres, mean identity at rest
    faces: np.ndarray  # [F, 3] int32, counter-clockwise seen from outside
    uv: np.ndarray  # [U, 2] in [0, 1], v up; [0, 2] where a head has none
    uv_faces: np.ndarray  # [F, 3] int32 into uv
    materials: tuple[str, ...]  # names of materials, e.g. skin, lips, sclera, iris, teeth, gums, tongue, mouth
    face_material: np.ndarray  # [F] int32 into materials
    # --- linear bases
    shapedirs: np.ndarray  # [V, 3, S] metres per SD
    expressiondirs: np.ndarray  # [V, 3, E] metres at weight 1
    posedirs: np.ndarray  # [V, 3, 36] metres per entry of R - I, joints 1..4 row-major (Eq. 3, Li et al. 2017)
    # --- skeleton (JOINTS, PARENTS)
    J_regressor: np.ndarray  # [5, V]
    weights: np.ndarray  # [V, 5], rows sum to 1
    # --- lids: offsets added before skinning, features [l, r, 4 l (1 - l), 4 r (1 - r)] of eyelids (l, r)
    eyelid_vertices: np.ndarray  # [N] vertices that a lid moves
    eyelid_dirs: np.ndarray  # [N, 3, 4] metres
    eyelid_shapedirs: np.ndarray  # [N, 3, 4, S] how the lids' travel follows identity, metres per SD
    # --- names and ranges
    shape_names: tuple[str, ...]  # [S]
    expression_names: tuple[str, ...]  # [E]; ARKit names where a component is one
    expression_bounds: np.ndarray  # [E, 2]
    expression_sd: np.ndarray  # [E] prior standard deviation of each component (shape's is 1 by definition)
    # --- ARKit: poses that the joint-owned names stand for at weight 1
    jaw_open_rad: float  # jaw +x rotation of jawOpen = 1
    jaw_side_rad: float  # jaw +y rotation of jawLeft = 1 (jawRight is its negative)
    look_rad: np.ndarray  # [4] eye rotation of eyeLookUp, eyeLookDown, eyeLookIn, eyeLookOut = 1, all positive
    # --- places
    landmarks: dict[str, Embedding]  # "68" (iBUG), "468" (MediaPipe), "iris" (right 5, left 5: centre then ring)
    regions: dict[str, np.ndarray]  # name -> [n] vertex indices
    inner_lip_pairs: np.ndarray  # [P, 2] upper, lower vertex of the inner lips, ordered right corner to left corner
    mirror: np.ndarray  # [V] the vertex across the sagittal plane
    directions: dict[str, np.ndarray]  # name -> [S] identity direction (age, sex, weight, ancestry_*)
    # [79, 17] the jaw line as it is seen at yaws of 0..39, then -1..-39 degrees; [0, 17] where a head has none
    contour: Embedding = field(default_factory=lambda: Embedding(np.zeros((0, 17), int), np.zeros((0, 17, 3))))
    # [52, E + 11] what each ARKit name stands for at weight 1: expression, jaw, left eye, right eye (radians), lids;
    # [0, 0] where the components' own names and the angles above say it
    arkit_map: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    # [S] the identity of people on average, in SD, where the mean face is not theirs; [0] where nothing tells
    people_mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    # --- provenance
    id: str = "unnamed"
    licence: str = "unknown"
    joints_follow_expression: bool = False  # True for official FLAME
    provenance: dict = field(default_factory=dict)


@dataclass(frozen=True)
class FaceParams:
    """One face, or any array of faces, in a head's own parameters. Leading dimensions broadcast."""

    shape: Tensor  # [..., S] identity, in SD
    expression: Tensor  # [..., E]
    global_rotation: Tensor  # [..., 3] axis-angle, about the root joint, then translation
    neck: Tensor  # [..., 3]
    jaw: Tensor  # [..., 3] +x opens
    eyes: Tensor  # [..., 2, 3] left, right
    eyelids: Tensor  # [..., 2] left, right; 0 rest, 1 shut
    translation: Tensor  # [..., 3] metres

    @staticmethod
    def neutral(head: Head, *leading: int) -> FaceParams:
        """The head's mean face at rest, `leading` times, in the head's dtype and on its device."""
        if any(count < 0 for count in leading):
            raise ShapeError(f"there are no {list(leading)} faces; wanted counts of 0 or more")
        kw = {"dtype": head.v_template.dtype, "device": head.v_template.device}

        def zeros(*tail: int) -> Tensor:
            return torch.zeros(*leading, *tail, **kw)

        return FaceParams(
            zeros(head.shape_size),
            zeros(head.expression_size),
            zeros(3),
            zeros(3),
            zeros(3),
            zeros(2, 3),
            zeros(2),
            zeros(3),
        )

    def replace(self, **changes: Tensor) -> FaceParams:
        return dataclasses.replace(self, **changes)

    def in_head_frame(self) -> FaceParams:
        """The face alone: neck, root and translation at zero."""
        names = ("neck", "global_rotation", "translation")
        return self.replace(**{name: torch.zeros_like(getattr(self, name)) for name in names})

    def map(self, function) -> FaceParams:
        """Apply `function` to every field."""
        return FaceParams(**{f.name: function(getattr(self, f.name)) for f in dataclasses.fields(self)})

    def to(self, *args, **kwargs) -> FaceParams:
        return self.map(lambda tensor: tensor.to(*args, **kwargs))

    @property
    def leading(self) -> torch.Size:
        """The broadcast leading dimensions. Raises ShapeError where fields have others that do not fit together."""
        return self.leading_of(*(f.name for f in dataclasses.fields(self)))

    def leading_of(self, *names: str) -> torch.Size:
        """The same of some fields alone."""
        tails = {"eyes": 2}
        own = {name: getattr(self, name).shape[: -tails.get(name, 1)] for name in names}
        try:
            return broadcast_leading(*own.values())
        except ShapeError:
            told = ", ".join(f"{name} {list(shape)}" for name, shape in own.items() if len(shape))
            raise ShapeError(f"leading dimensions do not fit together: {told}; wanted equal ones, 1 or none") from None

    def frame(self, index) -> FaceParams:
        """Index the first leading dimension of every field that has one (a shared shape [S] stays as it is)."""
        tails = {"eyes": 2}
        return FaceParams(
            **{
                f.name: (value[index] if value.ndim > tails.get(f.name, 1) else value)
                for f in dataclasses.fields(self)
                for value in (getattr(self, f.name),)
            }
        )


# A tree of tensors for torch.export and torch.func
torch.export.register_dataclass(FaceParams, serialized_type_name="flame_tools.FaceParams")


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh ready to leave: vertices may carry leading dimensions."""

    vertices: np.ndarray  # [..., V, 3] metres
    faces: np.ndarray  # [F, 3] int32
    uv: np.ndarray | None = None  # [U, 2]
    uv_faces: np.ndarray | None = None  # [F, 3] int32


@dataclass(frozen=True)
class Camera:
    """A camera in OpenCV axes. Leading dimensions `...` (none, or one per frame)."""

    focal: np.ndarray  # [..., 2] pixels; orthographic: pixels per metre
    centre: np.ndarray  # [..., 2] pixels
    size: tuple[int, int]  # width, height; photos of several sizes: see render.camera.camera_of
    orthographic: bool = False
    world_to_camera: np.ndarray = field(default_factory=lambda: np.diag([1.0, -1.0, -1.0, 1.0]))  # [..., 4, 4]


@dataclass(frozen=True)
class Intervals:
    """Named stretches of time, sorted by start: phones, words, events."""

    names: tuple[str, ...]
    start_s: np.ndarray  # [n] float64
    end_s: np.ndarray  # [n] float64

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Curves:
    """Named channels sampled at a track's frames: emotions, loudness, confidences."""

    names: tuple[str, ...]
    values: np.ndarray  # [T, len(names)] float32


@dataclass(frozen=True)
class Appearance:
    """What a face looks like beyond its geometry. Empty parts are None."""

    albedo: np.ndarray | None = None  # [H, W, 3] uint8 sRGB in the head's UV, row 0 at v = 1
    light: np.ndarray | None = None  # [9, 3] SH coefficients
    detail: np.ndarray | None = None  # [H, W] metres along the normal, in UV
    detail_rest: np.ndarray | None = None  # [H, W] the same without the expression of the picture it was seen in
    vertex_offsets: np.ndarray | None = None  # [V, 3] metres, added to the identity at rest
    skin: np.ndarray | None = None  # [3] uint8 sRGB complexion of somebody without an albedo


@dataclass(frozen=True)
class Track:
    """A performance: one identity, its parameters over time, and what was heard and seen with them.

    Frame i is the pose at `time_s[i]`; sample j of `audio` sounds at `audio_start_s + j / audio_rate`.
    """

    head_id: str
    params: FaceParams  # shape [S]; every other field [T, ...]
    time_s: np.ndarray  # [T] float64, strictly increasing
    audio: np.ndarray | None = None  # [N] float32 mono in [-1, 1]
    audio_rate: int = 0
    audio_start_s: float = 0.0
    camera: Camera | None = None
    std: FaceParams | None = None  # standard deviations, shaped as params; NaN where unknown
    visibility: np.ndarray | None = None  # [T] share of the face seen; NaN where unknown
    intervals: dict[str, Intervals] = field(default_factory=dict)  # "phones", "words", "events", ...
    curves: dict[str, Curves] = field(default_factory=dict)  # "emotion", ...
    appearance: Appearance | None = None
    fps: tuple[int, int] | None = None  # rational rate where it is constant, else None
    provenance: dict = field(default_factory=dict)
    licences: tuple[str, ...] = ()

    def __post_init__(self):
        frames = len(self.time_s)
        if self.params.shape.ndim != 1:
            raise ShapeError(f"a Track holds one identity: shape is {list(self.params.shape.shape)}, wanted [S]")
        for f in dataclasses.fields(FaceParams):
            value = getattr(self.params, f.name)
            if f.name != "shape" and value.shape[0] != frames:
                raise ShapeError(f"{f.name} has {value.shape[0]} frames but time_s has {frames}")

    def __len__(self) -> int:
        return len(self.time_s)

    def replace(self, **changes) -> Track:
        return dataclasses.replace(self, **changes)
