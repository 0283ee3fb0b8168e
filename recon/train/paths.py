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
from readers.coarse import coarse
from recon.learned.crop import CUT
from recon.losses.cycle import CycleWeights, Expressions, changed, cycle_loss
from recon.losses.distances import LIDS_468, LIPS_468, distance_loss
from recon.losses.drawn import Drawn
from recon.losses.identity import IdentityLoss
from recon.losses.landmarks import form_loss, landmark_loss, weights_468
from recon.losses.neural import GreyFace, neural_loss
from recon.losses.priors import bound_prior, code_prior
from recon.losses.solved_light import SolvedLight
from recon.losses.staged import StagedLoss
from recon.networks.codes import projected
from recon.networks.synthesis import Read, SynthesisNetwork
from recon.train.base import Landmarks468

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
    fold: int = 1
    """Pixels a side of the blocks that the generator paints as one: 2 halves its time."""
    encoder: str = "smirk"
    """smirk or small, as SynthesisConfig has it."""
    pretrain: int = 1000
    """Steps of landmarks and priors alone."""
    paint: int = 0
    """Steps after them in which the generator learns to paint alone, and the encoder nothing."""
    marks: float = 100.0
    """Weight of the landmarks' squared error."""
    form: float = 0.0
    """Of their squared error where the best affine map has laid them over the true ones."""
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
    shaken: float = 0.0
    """By how much crops are shaken in training (`synthesis.shaken`)."""
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
    """Faces where the camera sees them, on the head that is drawn."""

    vertices: Tensor  # [N, V, 3] metres
    projected: Tensor  # [N, V, 3] crop units


class Paths:
    """The two paths' losses for one head."""

    def __init__(self, head: Head, config: SynthesisTraining):
        if "468" not in head.arrays.landmarks:
            raise InputError(f"head {head.arrays.id!r} lacks the 468 landmarks that crops have")
        self.config = config
        self.marks = Landmarks468(head)
        self.head = coarse(head)  # pictures this small show no difference
        self.grey = GreyFace(self.head.arrays, size=config.size)
        self.expressions = Expressions.of(head)
        self.weights = weights_468()
        c = config
        self.light = SolvedLight(self.head.arrays, size=c.size) if c.photometric else None
        self.identity = IdentityLoss() if c.identity else None
        self.readers = {name: StagedLoss(head, view) for name, view in _VIEWS.items() if getattr(c, name)}

    def shown(self, face: FaceParams, camera: Tensor) -> Shown:
        vertices = self.head.vertices(face)
        return Shown(vertices, projected(vertices, camera))

    def found(self, read: Read) -> Tensor:
        """Landmarks [N, 468, 2] in crop units."""
        return projected(self.marks(read.face), read.camera)[..., :2]

    def landmarks(self, read: Read, found: Tensor, batch: SynthesisBatch) -> dict[str, Tensor]:
        """Parts of the loss without a picture."""
        c, e = self.config, self.expressions
        face = read.face
        codes = code_prior(face.shape) + code_prior(face.expression, sd=e.sd)
        outside = bound_prior(face.expression, e.low, e.high) + bound_prior(face.jaw[:, 0], 0.0, e.jaw_open)
        gaps = sum(distance_loss(found, batch.marks, pairs) for pairs in (LIDS_468, LIPS_468))
        parts = {"form": c.form * form_loss(found, batch.marks, self.weights)} if c.form else {}
        return parts | {
            "marks": c.marks * landmark_loss(found, batch.marks, self.weights, measure="square"),
            "distances": c.distances * gaps,
            "prior": c.prior * (codes + 1000 * outside),
        }

    def painted(
        self, net: SynthesisNetwork, shown: Shown, batch: SynthesisBatch, generator: torch.Generator,
        drawn: Drawn | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The photos painted again [N, 3, size, size], and their masked photos."""
        grey, silhouette = self.grey.of(self.drawn(shown) if drawn is None else drawn)
        points = self.grey.points(shown.projected, generator=generator)
        left = self.grey.masked(batch.picture, batch.marks, silhouette, points, shown.projected, generator=generator)
        return net.generator(grey, left), left

    def pictures(
        self, net: SynthesisNetwork, read: Read, shown: Shown, found: Tensor, batch: SynthesisBatch,
        generator: torch.Generator,
    ) -> dict[str, Tensor]:  # fmt: skip
        """Parts of the loss that look at the face."""
        c, parts = self.config, {}
        if c.painted or c.identity or c.photometric:
            drawn = self.drawn(shown)
        if c.painted or c.identity:
            painted, _ = self.painted(net, shown, batch, generator, drawn)
        if c.painted:
            parts["painted"] = c.painted * neural_loss(painted, batch.picture)
        if self.identity is not None:
            parts["identity"] = c.identity * self.identity(painted, batch.picture, batch.marks, found)
        if self.light is not None:
            parts["photometric"] = c.photometric * self.light.of(drawn, batch.picture, batch.marks)
        for name, alike in self.readers.items():
            parts[name] = getattr(c, name) * alike(read.face, batch.face)
        return parts

    def drawn(self, shown: Shown) -> Drawn:
        return self.grey.drawing(shown.vertices, shown.projected)

    def second(
        self, net: SynthesisNetwork, read: Read, shown: Shown, batch: SynthesisBatch, generator: torch.Generator,
        *, teach: str,
    ) -> Tensor:  # fmt: skip
        """The cycle's loss, which teaches the "encoder" or the "generator"; the other is frozen."""
        other = changed(read.face, self.expressions, generator=generator)
        with torch.no_grad():
            before = shown.projected.detach()
            after = self.shown(other, read.camera)
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
        c = self.config
        read = net.read(batch.picture)
        if c.pretrain <= step < c.pretrain + c.paint:
            with torch.no_grad():
                shown = self.shown(read.face, read.camera)
            painted, _ = self.painted(net, shown, batch, generator)
            loss = c.painted * neural_loss(painted, batch.picture)
            return {"painted": loss, "total": loss}
        found = self.found(read)
        parts = self.landmarks(read, found, batch)
        if step >= c.pretrain:
            shown = self.shown(read.face, read.camera)
            parts |= self.pictures(net, read, shown, found, batch, generator)
            if c.cycle:
                teach = "encoder" if step % 2 else "generator"
                parts["cycle"] = c.cycle * self.second(net, read, shown, batch, generator, teach=teach)
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
