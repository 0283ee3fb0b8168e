"""Two clips of the teacher learnt by heart: the prior, then speech to motion through it and without it. A minute.

    python benchmarks/animate_overfit.py [STEPS]

`*_mm` is the root mean square distance on the sparse face, `*_gap_mm` that of the lips' gaps, `still_mm` what a face
that does not move at all would get.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # before this folder, whose readers.py and recon.py are no packages

import emberface  # noqa: E402
from animate.audio_file import read_audio  # noqa: E402
from animate.corpus import Clip, Corpus, clip_of, load_corpus, write_shards  # noqa: E402
from animate.encoders import LogMel  # noqa: E402
from animate.losses.contact import lip_gaps  # noqa: E402
from animate.losses.vertices import SparseFace  # noqa: E402
from animate.model import Conditions, Stream  # noqa: E402
from animate.train.animate import AnimateTraining, train_animate  # noqa: E402
from animate.train.prior import PriorTraining, train_prior  # noqa: E402
from assets.locate import asset_path  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from learning.run import RunConfig  # noqa: E402

FPS, SECONDS = 30, 3


def teacher(folder: Path) -> Corpus:
    """The first and the next three seconds of the bundled voice, happy and angry."""
    samples, rate = read_audio(asset_path("voice"))
    clips = []
    for i, feeling in enumerate(("happy:0.7", "anger:0.7")):
        track = emberface.animate(samples[i * SECONDS * rate : (i + 1) * SECONDS * rate], rate, emotion=feeling)
        clips.append(clip_of(track, LogMel(), FPS, speaker="voice", name=feeling))
    write_shards(clips, folder, fps=FPS, head_id="default", encoder=LogMel.name)
    return load_corpus(folder)


def motion_of(clip: Clip) -> torch.Tensor:
    return torch.as_tensor(clip.motion).float()


def errors(face: SparseFace, found: list[torch.Tensor], clips: tuple[Clip, ...]) -> tuple[float, float]:
    """Root mean square distance of vertices and of lip gaps, mm."""
    seen, wanted = (face(torch.cat(rows)) for rows in (found, [motion_of(clip) for clip in clips]))
    gap = lip_gaps(seen, face.pairs) - lip_gaps(wanted, face.pairs)
    return (seen - wanted).square().sum(-1).mean().sqrt().item(), gap.square().mean().sqrt().item()


def main(steps: int = 400) -> None:
    torch.set_num_threads(1)
    head = load_head("default")
    face, out = SparseFace(head), {"steps": steps}
    run = RunConfig(steps=steps, warm=20, decay=steps // 3, rate=2e-3, average=0.98)
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        folder = Path(temporary)
        corpus = teacher(folder / "corpus")
        start = time.perf_counter()
        with torch.enable_grad():
            prior = train_prior(PriorTraining(batch=6, run=run), corpus, head, folder / "prior")
        out["prior_s"] = time.perf_counter() - start
        back = [prior(motion_of(clip)[None]).motion[0] for clip in corpus.clips]
        out["prior_mm"], out["prior_gap_mm"] = errors(face, back, corpus.clips)
        for name, file in (("latent", str(folder / "prior" / "prior.npz")), ("direct", "")):
            config = AnimateTraining(prior=file, batch=2, seconds=SECONDS, run=run, from_reference=0, from_nobody=0)
            start = time.perf_counter()
            with torch.enable_grad():
                model = train_animate(config, corpus, head, folder / name)
            out[f"{name}_s"] = time.perf_counter() - start
            out[f"{name}_parameters"] = sum(value.numel() for value in model.parameters())
            said = []
            for clip in corpus.clips:
                told = Conditions(torch.as_tensor(clip.emotion).float()[None], model.styles.weight[:1, None])
                said.append(Stream(model).push(torch.as_tensor(clip.features).float(), told, last=True))
            out[f"{name}_mm"], out[f"{name}_gap_mm"] = errors(face, said, corpus.clips)
        still = [motion_of(clip).mean(0).expand(len(clip), -1) for clip in corpus.clips]
        out["still_mm"], out["still_gap_mm"] = errors(face, still, corpus.clips)
    print(json.dumps({name: round(value, 3) for name, value in out.items()}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
