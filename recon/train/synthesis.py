"""SMIRK's scheme on made crops: a face is drawn grey from what the encoder reads, painted as the photo, and read again.

After Retsinas et al. 2024. First landmarks alone teach the encoder. Then a generator paints each photo from the grey
face and what a mask leaves of the photo (first path), and photos with other expressions, which the encoder reads again
(second path): there the encoder is frozen in one step and the generator in the next. Any head will do: expressions are
said in deviations of its priors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams, HeadArrays
from flame_tools.weights import arrays_of
from flame_tools.weights import filled as with_arrays
from learning import processes
from learning.run import Progress, Run, RunConfig, go_on
from recon.learned.crop import CUT, in_picture
from recon.losses.cycle import CycleWeights, Expressions, changed, cycle_loss
from recon.losses.distances import LIDS_468, LIPS_468, distance_loss
from recon.losses.landmarks import landmark_loss, weights_468
from recon.losses.neural import GreyFace, neural_loss
from recon.losses.priors import bound_prior, code_prior
from recon.networks.codes import projected
from recon.networks.small import SmallEncoder
from recon.networks.smirk import SmirkEncoder
from recon.networks.smirk_generator import LEVELS, SmirkGenerator
from recon.synthetic.crops import Crops
from recon.train.base import Source

_KIND, _VERSION = "emberface-synthesis", 1
_SECOND_DROP = 0.005  # SMIRK drops fewer squares in the second path


@dataclass(frozen=True)
class SynthesisConfig:
    """Sizes of a SynthesisNetwork."""

    head_id: str
    """Of the head whose parameters it tells."""
    shape: int
    """Identity components."""
    expression: int
    """Expression components."""
    size: int = CUT
    """Pixels a side of its pictures, a multiple of 16."""
    width: int = 32
    """Channels of the generator at full size."""
    residuals: int = 5
    """Blocks at the generator's bottom."""
    encoder: str = "smirk"
    """smirk: SMIRK's three MobileNetV3; small: one network of few layers (`recon.networks.small`)."""

    def __post_init__(self):
        if self.encoder not in ("smirk", "small"):
            raise InputError(f"there is no encoder {self.encoder!r}; choose smirk or small")
        if self.size % 2**LEVELS or self.size < 2 ** (LEVELS + 1):
            raise InputError(
                f"pictures of {self.size} pixels; wanted a multiple of {2**LEVELS}, at least {2 << LEVELS}"
            )


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
    """Of the photo painted again; 0: landmarks alone teach."""
    cycle: float = 1.0
    """Of the second path; 0: there is none."""
    prior: float = 1e-3
    """Of half the squared deviations of identity and expression."""
    run: RunConfig = field(default_factory=lambda: RunConfig(steps=6000, warm=200, decay=2000, average=0.998))
    """How it is updated."""


@dataclass(frozen=True)
class Read:
    """What is read of N crops."""

    face: FaceParams  # [N]
    camera: Tensor  # [N, 3] as `recon.networks.codes` has it


class SynthesisNetwork(nn.Module):
    """An encoder and SMIRK's generator, for one head."""

    def __init__(self, config: SynthesisConfig, head: HeadArrays):
        super().__init__()
        if (head.id, len(head.shape_names), len(head.expression_names)) != (
            config.head_id, config.shape, config.expression,
        ):  # fmt: skip
            raise InputError(f"this network reads head {config.head_id!r}, given {head.id!r}; use its own")
        self.config = config
        kind = SmirkEncoder if config.encoder == "smirk" else partial(SmallEncoder, size=config.size)
        self.encoder = kind(shapes=config.shape, expressions=config.expression)
        self.generator = SmirkGenerator(width=config.width, residuals=config.residuals)
        self.register_buffer("sd", torch.as_tensor(head.expression_sd).float(), persistent=False)  # [E]

    def read(self, pictures: Tensor) -> Read:
        """Pictures [N, 3, size, size] RGB in [0, 1]."""
        codes = self.encoder(pictures)
        zero = torch.zeros_like(codes.jaw)
        face = FaceParams(
            shape=codes.shape, expression=codes.expression * self.sd, global_rotation=codes.global_rotation, neck=zero,
            jaw=codes.jaw, eyes=torch.stack([zero, zero], -2), eyelids=codes.eyelids, translation=zero,
        )  # fmt: skip
        return Read(face, codes.camera)

    def start_at(self, scale: float, x: float, y: float) -> None:
        """Let every face stand at one camera before anything is learnt."""
        smirk = self.config.encoder == "smirk"
        pose = self.encoder.pose_encoder.pose_cam_layers[0].bias if smirk else self.encoder.start
        with torch.no_grad():
            pose[3:] = torch.tensor([scale, x, y])


@dataclass(frozen=True)
class SynthesisBatch:
    """Crops as tensors."""

    picture: Tensor  # [N, 3, size, size] in [0, 1]
    marks: Tensor  # [N, 468, 2] crop units of the picture


class SynthesisSource:
    """Batches of crops by step alone."""

    def __init__(self, crops: Crops, seed: int, size: int):
        self.source, self.size = Source(crops, seed), size
        self.count = self.source.count

    def batch(self, size: int, step: int, part: slice = slice(None)) -> SynthesisBatch:
        found = self.source.batch(size, step, part)
        return SynthesisBatch(self._sized(found.picture), in_picture(found.true))

    def rows(self, rows: np.ndarray) -> SynthesisBatch:
        found = self.source.rows(rows)
        return SynthesisBatch(self._sized(found.picture), in_picture(found.true))

    def _sized(self, picture: Tensor) -> Tensor:
        return interpolate(picture, (self.size, self.size), mode="area")


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
            if self.config.painted:
                painted, _ = self.painted(net, shown, batch, generator)
                parts["painted"] = self.config.painted * neural_loss(painted, batch.picture)
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


def started(config: SynthesisTraining, head: Head, source: SynthesisSource) -> SynthesisNetwork:
    """A new network whose camera shows the mean face about where the crops' faces are."""
    torch.manual_seed(config.run.seed)
    a = head.arrays
    sizes = SynthesisConfig(
        a.id, head.shape_size, head.expression_size, config.size, config.width, config.residuals, config.encoder
    )
    net = SynthesisNetwork(sizes, a)
    wanted = source.rows(np.arange(min(source.count, 256))).marks.flatten(0, 1)
    mean = head.landmarks(head.v_template, "468")[:, :2]
    spread = (wanted.std(0) / mean.std(0)).mean()
    x, y = (wanted.mean(0) * wanted.new_tensor([1.0, -1.0]) / spread - mean.mean(0)).tolist()
    net.start_at(float(spread), x, y)
    return net


def train_synthesis(
    config: SynthesisTraining, crops: Crops, head: Head, folder: Path, *, progress: Progress | None = None
) -> SynthesisNetwork:
    """Train, or go on training, in `folder`; writes `synthesis.npz` there. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    source, paths = SynthesisSource(crops, config.run.seed, config.size), Paths(head, config)
    net = started(config, head, source)

    def step(run: Run) -> dict[str, Tensor]:
        batch = source.batch(config.batch, run.step, processes.part_of(config.batch))
        return paths.losses(run.model, batch, run.step, run.generator())

    def validate(run: Run) -> dict[str, float]:
        kept = SynthesisNetwork(net.config, head.arrays)
        kept.load_state_dict(run.average)
        return measured(kept.eval(), paths, source.rows(np.arange(source.count, len(crops))))

    run = Run(net, config.run)
    go_on(run, step, folder, validate=validate, validate_every=500, progress=progress)
    net.load_state_dict(run.average)
    net.eval()
    if processes.rank() == 0:
        write_npz(
            folder / "synthesis.npz",
            arrays_of(net),
            {"format": _KIND, "version": _VERSION, "config": asdict(net.config)},
        )
    return net


def load_synthesis(path: Path, head: HeadArrays) -> SynthesisNetwork:
    """The network of a file, strictly. Raises FormatError for another file, InputError for another head."""
    arrays, header = read_npz(path, _KIND, _VERSION)
    return with_arrays(SynthesisNetwork(SynthesisConfig(**header["config"]), head), arrays, path)


@torch.no_grad()
def measured(net: SynthesisNetwork, paths: Paths, batch: SynthesisBatch, *, seed: int = 0) -> dict[str, float]:
    """How well faces are found, painted again and read again. Landmarks in shares of the face's longer side."""
    read = net.read(batch.picture)
    shown = paths.shown(read.face, read.camera)
    generator = torch.Generator().manual_seed(seed)
    painted, left = paths.painted(net, shown, batch, generator)
    size = (batch.marks.amax(1) - batch.marks.amin(1)).amax(-1)
    return {
        "marks_nme": float(((shown.marks - batch.marks).norm(dim=-1).mean(1) / size).mean()),
        "painted_l1": float(neural_loss(painted, batch.picture)),
        "masked_l1": float(neural_loss(left, batch.picture)),  # had nothing been painted
        "cycle": float(paths.second(net, read, batch, generator, teach="encoder")),
    }
