"""Trains a flow (animate.flow) in the latents of a trained prior, on a corpus (animate.corpus).

`emberface train flow` runs it; what it leaves in its folder beside `flow.npz` is said in learning.run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from animate.batches import Batch, Crops
from animate.corpus import Corpus
from animate.flow import Flow, FlowConfig, Told
from animate.losses.contact import contact_loss, lip_gaps
from animate.losses.masked import masked_mean
from animate.losses.vertices import SparseFace, vertex_loss
from animate.model import Conditions
from animate.network_file import load_prior, save_flow
from animate.prior import stacked
from animate.takes import perform
from animate.train.animate import styles
from animate.train.sheet import frame_sheet
from flame_tools.errors import InputError
from flame_tools.head import Head
from learning import processes
from learning.config import sizes_of
from learning.run import Progress, Run, RunConfig, go_on


@dataclass(frozen=True)
class FlowTraining:
    """One training run of a flow."""

    prior: str = ""
    """File of a trained prior; a flow needs one."""
    batch: int = 12
    """Crops a step."""
    seconds: float = 4.0
    """Length of a crop."""
    times: int = 4
    """Flow times and noises a crop: latents are few beside the frames that are heard for them."""
    vertices: float = 0.5
    """Weight of where the skin would be if the velocity were followed to the end at once, mm^2 (see `losses`)."""
    contact: float = 0.5
    """Weight of the lips' gaps there, where they are to be small, mm^2."""
    left_out: float = 0.08
    """Share of the crops that are not told what is heard; not what is felt; not by whom; nothing at all (each)."""
    from_reference: float = 0.4
    """Share of the crops whose style is taken from another crop of the speaker."""
    from_nobody: float = 0.1
    """Share of the crops without a style, beside those that are not told of one."""
    network: dict = field(default_factory=dict)
    """What differs from FlowConfig."""
    run: RunConfig = field(default_factory=RunConfig)
    """How it is updated."""


def started(config: FlowTraining, corpus: Corpus) -> Flow:
    """A new flow: latents of the corpus come to mean 0 and deviation 1."""
    if not config.prior:
        raise InputError("a flow lives in the latents of a prior; train one, and give its file as `prior`")
    if config.times < 1:
        raise InputError(f"times are {config.times}; wanted one flow time a crop or more")
    torch.manual_seed(config.run.seed)
    sizes = FlowConfig(corpus.clips[0].features.shape[1], len(corpus.speakers))
    sizes = sizes_of(sizes, config.network, decided=("features", "speakers"))
    flow = Flow(sizes, load_prior(Path(config.prior), fps=corpus.fps, head_id=corpus.head_id))
    motion = [torch.as_tensor(clip.motion).float() for clip in corpus.clips]
    flow.style_encoder.scale.fit(torch.cat(motion))
    with torch.no_grad():
        flow.scale.fit(torch.cat([flow.prior.encode(rows[None])[0][0] for rows in motion]))
    return flow


def left_out(draws: np.ndarray, share: float, device: str | torch.device) -> Told:
    """Which crops are told of what, by draws [B] in [0, 1): each condition is left out alone, and all together."""
    case = np.minimum(draws // max(share, 1e-9), 4)  # 0 audio, 1 emotion, 2 style, 3 everything, 4 nothing
    keep = ((case != which) & (case != 3) for which in range(3))
    return Told(*(torch.as_tensor(kept, device=device) for kept in keep))


def losses(flow: Flow, batch: Batch, style: Tensor, which: Told, config: FlowTraining, face: SparseFace, noise):
    """Parts of the loss of a batch; `noise` gives standard normal numbers like a tensor's.

    Beside the velocity's own error stands that of the face it points at, x_t + (1 - t) v decoded: in latents an open
    mouth and a closed one are near each other. That face is a mean over what could be, the more so the smaller t, and
    the decoder is not linear; so it is weighted by t, and counts little where the mean is wide.
    """
    told = flow.gathered(flow.heard(batch.features), Conditions(batch.emotion, style))
    told = flow.told(*told, which).repeat_interleave(config.times, 0)
    with torch.no_grad():
        latents = flow.encode(batch.motion)
        many = latents[:, None].expand(-1, config.times, -1, -1)
        start = noise(many).flatten(0, 1)
        t = torch.special.ndtr(noise(many[..., 0, 0])).flatten()  # uniform
    goal = many.flatten(0, 1)
    t_all = t[:, None, None]
    x = (1 - t_all) * start + t_all * goal
    v = flow.velocity(x, t, told)
    present = stacked(batch.mask[..., None].to(x), flow.prior.config.frames).amax(-1)
    error = (v - (goal - start)).square().mean(-1)
    pick = slice(0, None, config.times)  # one flow time a crop is enough for faces
    motion = flow.decode((x + (1 - t_all) * v)[pick].float(), batch.motion.shape[1])
    seen, wanted = face(motion), face(batch.motion)
    gaps = lip_gaps(seen, face.pairs), lip_gaps(wanted, face.pairs)
    weight = batch.mask * t[pick, None]
    parts = {
        "velocity": masked_mean(error, present.repeat_interleave(config.times, 0)),
        "vertices": config.vertices * vertex_loss(seen, wanted, face.weights, weight),
        "contact": config.contact * contact_loss(*gaps, weight),
    }
    return {**parts, "total": sum(parts.values())}


def train_flow(
    config: FlowTraining, corpus: Corpus, head: Head, folder: Path, *, progress: Progress | None = None
) -> Flow:
    """Train, or go on training, in `folder`. Returns the averaged network."""
    torch.set_num_threads(config.run.threads)
    flow = started(config, corpus)
    crops = Crops(corpus, config.seconds, config.run.seed)
    face = SparseFace(head, config.run.device)

    def step(run: Run) -> dict[str, Tensor]:
        part = processes.part_of(config.batch)
        batch = crops.batch(config.batch, run.step, part).to(config.run.device)
        draws = np.random.default_rng((config.run.seed, run.step, 2)).random((2, config.batch))[:, part]
        which = left_out(draws[1], config.left_out, config.run.device)
        generator = run.generator()
        with run.autocast():
            style = styles(flow, batch, config, draws[0])
            return losses(flow, batch, style, which, config, face, lambda like: processes.normal(like, generator))

    def sheet(run: Run) -> np.ndarray:
        batch = crops.batch(1, 0)
        flow.cpu().eval()
        conditions = Conditions(batch.emotion, flow.styles(batch.speaker)[:, None])
        (found,) = perform(flow, batch.features[0], conditions, seed=config.run.seed)
        flow.to(config.run.device).train()
        return frame_sheet(head, batch.motion[0], found)

    run = Run(flow, config.run)
    go_on(run, step, folder, sheet=sheet, progress=progress)
    flow.load_state_dict(run.average)
    if processes.rank() == 0:
        save_flow(flow.eval(), folder / "flow.npz", encoder=corpus.encoder, fps=corpus.fps, head_id=corpus.head_id)
    return flow.eval()
