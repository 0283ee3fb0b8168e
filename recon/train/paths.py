"""What teaches in SMIRK's scheme: landmarks, two paths through a generator, and networks that look at the faces.

First path: the photo is painted again from the grey face and what a mask leaves of the photo. Second path: with another
expression, which the encoder reads again; there the encoder is frozen in one step and the generator in the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams
from learning.run import RunConfig
from recon.learned.crop import CUT
from recon.losses.cycle import CycleWeights, Expressions, changed, cycle_loss
from recon.losses.distances import LIDS_468, LIPS_468, distance_loss
from recon.losses.identity import IdentityLoss
from recon.losses.landmarks import landmark_loss, weights_468
from recon.losses.neural import GreyFace, neural_loss
from recon.losses.priors import bound_prior, code_prior
from recon.losses.solved_light import SolvedLight
from recon.losses.staged import StagedLoss
from recon.networks.codes import projected
from recon.networks.synthesis import Read, SynthesisNetwork

_SECOND_DROP = 0.005  # SMIRK drops fewer squares in the second path
_VIEWS = {"lips": "mouth", "emotion": "face"}  # of the stage, by the weight of what reads them


@dataclass(frozen=True)
class SynthesisTraining:
    """One training run."""

    batch: int = 32
    """Crops a step."""
    size: int = CUT
    """Pixels a side of what the networks see and draw."""
    width: int = 32
    """Channels of the generator at full size."""
    residuals: int = 5
    """Blocks at the generator's bottom."""
    encoder: str = "smirk"
    """smirk or small, as SynthesisConfig has it."""
    pretrain: int = 1000
    """Steps of landmarks and priors alone."""
    marks: float = 100.0
    """Weight of the landmarks' squared error."""
    distances: float = 1.0
    """Of lid and lip distances."""
    painted: float = 10.0
    """Of the photo painted again; 0: it is not."""
    cycle: float = 1.0
    """Of the second path; 0: there is none."""
    photometric: float = 0.0
    """Of the picture's colours against a mean skin in light that is solved for; 0: they are not looked at."""
    identity: float = 0.0
    """Of who is seen in the photo and in the painted one (`losses.identity`, the bundled network)."""
    lips: float = 0.0
    """Of what the bundled lip reader sees in the face and in the true one, both drawn on its stage."""
    emotion: float = 0.0
    """Of what the bundled emotion reader sees there."""
    prior: float = 1e-3
    """Of half the squared deviations of identity and expression."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=6000, warm=200, decay=2000, average=0.998))
    """How it is updated."""


@dataclass(frozen=True)
class SynthesisBatch:
    """Crops as tensors."""

    picture: Tensor  # [N, 3, size, size] in [0, 1]
    marks: Tensor  # [N, 468, 2] crop units of the picture
    face: FaceParams  # [N] the truth, without its pose


@dataclass(frozen=True)
class Shown:
    """Faces where the camera sees them."""

    vertices: Tensor  # [N, V, 3] metres
    projected: Tensor  # [N, V, 3] crop units
    marks: Tensor  # [N, 468, 2] crop units


class Paths:
    """The two paths' losses for one head."""

    def __init__(self, head: Head, config: SynthesisTraining):
        if "468" not in head.arrays.landmarks:
            raise InputError(f"head {head.arrays.id!r} lacks the 468 landmarks that crops have")
        self.head, self.config = head, config
        self.grey = GreyFace(head.arrays, size=config.size)
        self.expressions = Expressions.of(head)
        self.weights = weights_468()
        c = config
        self.light = SolvedLight(head.arrays, size=c.size) if c.photometric else None
        self.identity = IdentityLoss() if c.identity else None
        self.readers = {name: StagedLoss(head, view) for name, view in _VIEWS.items() if getattr(c, name)}

    def shown(self, face: FaceParams, camera: Tensor) -> Shown:
        vertices = self.head.vertices(face)
        marks = self.head.landmarks(vertices, "468")
        return Shown(vertices, projected(vertices, camera), projected(marks, camera)[..., :2])

    def landmarks(self, read: Read, shown: Shown, batch: SynthesisBatch) -> dict[str, Tensor]:
        """Parts of the loss without a picture."""
        c, e = self.config, self.expressions
        face = read.face
        codes = code_prior(face.shape) + code_prior(face.expression, sd=e.sd)
        outside = bound_prior(face.expression, e.low, e.high) + bound_prior(face.jaw[:, 0], 0.0, e.jaw_open)
        gaps = sum(distance_loss(shown.marks, batch.marks, pairs) for pairs in (LIDS_468, LIPS_468))
        return {
            "marks": c.marks * landmark_loss(shown.marks, batch.marks, self.weights, measure="square"),
            "distances": c.distances * gaps,
            "prior": c.prior * (codes + 1000 * outside),
        }

    def painted(
        self, net: SynthesisNetwork, shown: Shown, batch: SynthesisBatch, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The photos painted again [N, 3, size, size], and their masked photos."""
        grey, silhouette = self.grey(shown.vertices, shown.projected)
        points = self.grey.points(shown.projected, generator=generator)
        left = self.grey.masked(batch.picture, batch.marks, silhouette, points, shown.projected, generator=generator)
        return net.generator(grey, left), left

    def pictures(
        self, net: SynthesisNetwork, read: Read, shown: Shown, batch: SynthesisBatch, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Parts of the loss that look at the face."""
        c, parts = self.config, {}
        if c.painted or c.identity:
            painted, _ = self.painted(net, shown, batch, generator)
        if c.painted:
            parts["painted"] = c.painted * neural_loss(painted, batch.picture)
        if self.identity is not None:
            parts["identity"] = c.identity * self.identity(painted, batch.picture, batch.marks, shown.marks)
        if self.light is not None:
            lit = self.light(shown.vertices, shown.projected, batch.picture, batch.marks)
            parts["photometric"] = c.photometric * lit
        for name, alike in self.readers.items():
            parts[name] = getattr(c, name) * alike(read.face, batch.face)
        return parts

    def second(
        self, net: SynthesisNetwork, read: Read, batch: SynthesisBatch, generator: torch.Generator, *, teach: str
    ) -> Tensor:
        """The cycle's loss, which teaches the "encoder" or the "generator"; the other is frozen."""
        other = changed(read.face, self.expressions, generator=generator)
        with torch.no_grad():
            camera = read.camera.detach()
            before = self.shown(read.face, camera).projected
            after = self.shown(other, camera)
            grey, silhouette = self.grey(after.vertices, after.projected)
            points = self.grey.points(before, generator=generator)
            left = self.grey.masked(
                batch.picture, batch.marks, silhouette, points, before, after.projected,
                generator=generator, drop=_SECOND_DROP,
            )  # fmt: skip
        frozen = net.encoder if teach == "generator" else net.generator
        with _frozen(frozen):
            again = net.read(net.generator(grey, left))
        weights = CycleWeights(shape=1.0 if teach == "generator" else 0.0)
        return cycle_loss(again.face, other, weights, sd=self.expressions.sd)

    def losses(
        self, net: SynthesisNetwork, batch: SynthesisBatch, step: int, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Parts of the loss of a step."""
        read = net.read(batch.picture)
        shown = self.shown(read.face, read.camera)
        parts = self.landmarks(read, shown, batch)
        if step >= self.config.pretrain:
            parts |= self.pictures(net, read, shown, batch, generator)
            if self.config.cycle:
                teach = "encoder" if step % 2 else "generator"
                parts["cycle"] = self.config.cycle * self.second(net, read, batch, generator, teach=teach)
        return {**parts, "total": sum(parts.values())}


@contextlib.contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Within it no weight of a network learns; gradients still pass through."""
    were = [(value, value.requires_grad) for value in network.parameters()]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for value, was in were:
            value.requires_grad_(was)
