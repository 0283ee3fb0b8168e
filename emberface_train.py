"""`emberface train`: the networks that hear speech and move faces, and those that see faces, learnt from a corpus."""

from __future__ import annotations

import contextlib
import dataclasses
import json as json_module
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import emberface
from emberface_options import Json, json_text, say
from flame_tools.archive import written_whole
from flame_tools.errors import InputError

if TYPE_CHECKING:
    from learning.run import Progress

app = typer.Typer(
    help="Train the networks of speech to motion, and of pictures to faces. The same words again go on where a run "
    "was stopped.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[Path, typer.Argument(help="NAME.json: fields that differ from the defaults; {} for none.")]
Folder = Annotated[Path, typer.Option("-o", "--out", help="A folder for the state, the log and the trained weights.")]
Shards = Annotated[Path, typer.Option("--corpus", help="A folder of shards, as animate.corpus makes them.")]
Crops = Annotated[
    Path, typer.Option("--corpus", help="A folder of crops: of `corpus build`, or recon.synthetic.shards.")
]
Portraits = Annotated[
    Path, typer.Option("--corpus", help="A folder of made people, as recon.synthetic.portraits makes them.")
]
Films = Annotated[
    Path, typer.Option("--corpus", help="A folder of made films, as recon.synthetic.sequences makes them.")
]
Speech = Annotated[
    Path | None, typer.Option("--corpus", help="Folders of utterances; by default where tools.speech_corpus puts them.")
]
Overfit = Annotated[int, typer.Option("--overfit", min=0, help="Learn only so many clips, by heart: a smoke test.")]
Processes = Annotated[
    int, typer.Option("--processes", min=1, help="Share each batch: one a GPU, or several on the CPU.")
]


@dataclass(frozen=True)
class Job:
    """What a training was asked for."""

    kind: str
    config: Path
    out: Path
    corpus: Path | None
    overfit: int


@app.command()
def prior(
    config: Config, out: Folder, corpus: Shards, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """The motion prior: what faces do in a quarter of a second."""
    _run(Job("prior", config, out, corpus, overfit), processes, json)


@app.command()
def animate(
    config: Config, out: Folder, corpus: Shards, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """Speech to motion, through a trained prior or directly."""
    _run(Job("animate", config, out, corpus, overfit), processes, json)


@app.command()
def flow(
    config: Config, out: Folder, corpus: Shards, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """Speech to many takes: flow matching in the latents of a trained prior."""
    _run(Job("flow", config, out, corpus, overfit), processes, json)


@app.command()
def keys(
    config: Config, out: Folder, corpus: Shards, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """Speech to key motions at phones, and the frames between them."""
    _run(Job("keys", config, out, corpus, overfit), processes, json)


@app.command()
def speech(
    config: Config,
    out: Folder,
    corpus: Speech = None,
    overfit: Overfit = 0,
    processes: Processes = 1,
    json: Json = False,
) -> None:
    """The speech encoder: which phone sounds, how loud, at which pitch."""
    _run(Job("speech", config, out, corpus, overfit), processes, json)


@app.command()
def recon(
    config: Config, out: Folder, corpus: Crops, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """The crop of a face to a head's parameters, from crops of made faces."""
    _run(Job("recon", config, out, corpus, overfit), processes, json)


@app.command()
def synthesis(
    config: Config, out: Folder, corpus: Crops, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """A face encoder in SMIRK's scheme: its faces painted back into pictures by a second network."""
    _run(Job("synthesis", config, out, corpus, overfit), processes, json)


@app.command()
def temporal(
    config: Config, out: Folder, corpus: Films, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """The temporal head of recon-base: frames of films in the light of one another; --overfit counts films."""
    _run(Job("temporal", config, out, corpus, overfit), processes, json)


@app.command()
def identity(
    config: Config, out: Folder, corpus: Portraits, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """The embedder that tells people apart, from made people seen again and again; --overfit counts people."""
    _run(Job("identity", config, out, corpus, overfit), processes, json)


@app.command()
def tongue(
    config: Config, out: Folder, corpus: Crops, overfit: Overfit = 0, processes: Processes = 1, json: Json = False
) -> None:
    """The reader that tells how far the tongue is out, from crops of made people."""
    _run(Job("tongue", config, out, corpus, overfit), processes, json)


@app.command()
def detail(config: Config, out: Folder, overfit: Overfit = 0, processes: Processes = 1, json: Json = False) -> None:
    """The folds of a face on its UV, from made faces that are drawn as they are learnt from; --overfit counts faces."""
    _run(Job("detail", config, out, None, overfit), processes, json)


# --- what each is: its default config, and what trains it -----------------------------------------------------------


def _prior() -> tuple[object, Callable]:
    from animate.train.prior import PriorTraining, train_prior

    return PriorTraining(), train_prior


def _animate() -> tuple[object, Callable]:
    from animate.train.animate import AnimateTraining, train_animate

    return AnimateTraining(), train_animate


def _flow() -> tuple[object, Callable]:
    from animate.train.flow import FlowTraining, train_flow

    return FlowTraining(), train_flow


def _keys() -> tuple[object, Callable]:
    from animate.train.keys import KeysTraining, train_keys

    return KeysTraining(), train_keys


def _speech() -> tuple[object, Callable]:
    from animate.train.speech import TrainConfig, train

    return TrainConfig(), train


def _recon() -> tuple[object, Callable]:
    from recon.train.base import BaseTraining, train_base

    return BaseTraining(), train_base


def _synthesis() -> tuple[object, Callable]:
    from recon.train.synthesis import SynthesisTraining, train_synthesis

    return SynthesisTraining(), train_synthesis


def _temporal() -> tuple[object, Callable]:
    from recon.train.temporal import TemporalTraining, train_temporal

    return TemporalTraining(), train_temporal


def _identity() -> tuple[object, Callable]:
    from recon.train.identity import IdentityTraining, train_identity

    return IdentityTraining(), train_identity


def _detail() -> tuple[object, Callable]:
    from recon.train.detail import DetailTraining, train_detail

    return DetailTraining(), train_detail


def _tongue() -> tuple[object, Callable]:
    from recon.train.tongue import TongueTraining, train_tongue

    return TongueTraining(), train_tongue


_KINDS = {
    "tongue": _tongue,
    "detail": _detail,
    "identity": _identity,
    "temporal": _temporal,
    "synthesis": _synthesis,
    "recon": _recon,
    "prior": _prior,
    "animate": _animate,
    "flow": _flow,
    "keys": _keys,
    "speech": _speech,
}


def _train(job: Job, progress: Progress | None = None) -> None:
    from learning.config import read_config

    default, train = _KINDS[job.kind]()
    config = read_config(default, job.config)
    if job.kind in ("recon", "synthesis", "tongue"):
        _on_crops(train, config, job, progress)
    elif job.kind == "temporal":
        _on_films(train, config, job, progress)
    elif job.kind == "identity":
        _on_portraits(train, config, job, progress)
    elif job.kind == "detail":
        from flame_tools.load import load_head

        train(config, load_head(), job.out, overfit=job.overfit, progress=progress)
    elif job.kind == "speech":
        train(config, job.out, corpus=job.corpus, overfit=job.overfit, progress=progress)
    else:
        _on_clips(train, config, job, progress)


def _on_clips(train: Callable, config: object, job: Job, progress: Progress | None) -> None:
    from animate.corpus import load_corpus
    from flame_tools.load import load_head

    corpus = load_corpus(job.corpus)
    if job.overfit:
        clips = corpus.clips[: job.overfit]
        corpus = dataclasses.replace(corpus, clips=clips, speakers=tuple(sorted({clip.speaker for clip in clips})))
    train(config, corpus, load_head(corpus.head_id), job.out, progress=progress)


def _on_crops(train: Callable, config: object, job: Job, progress: Progress | None) -> None:
    from flame_tools.load import load_head
    from recon.synthetic.shards import read_shards

    head = load_head()
    if next(job.corpus.glob("train-*.tar"), None):
        from recon.corpus.crops import read_crops

        crops = read_crops(job.corpus, head, count=job.overfit or None)
    else:
        crops = read_shards(job.corpus, count=1 if job.overfit else None)
    train(config, crops.first(job.overfit) if job.overfit else crops, head, job.out, progress=progress)


def _on_films(train: Callable, config: object, job: Job, progress: Progress | None) -> None:
    from flame_tools.load import load_head
    from recon.synthetic.sequences import read_sequences

    films = read_sequences(job.corpus)
    train(config, films.first(job.overfit) if job.overfit else films, load_head(), job.out, progress=progress)


def _on_portraits(train: Callable, config: object, job: Job, progress: Progress | None) -> None:
    from recon.synthetic.portraits import read_portraits

    portraits = read_portraits(job.corpus, count=1 if job.overfit else None)
    train(config, portraits.first(job.overfit) if job.overfit else portraits, job.out, progress=progress)


# --- running --------------------------------------------------------------------------------------------------------


def _run(job: Job, count: int, json: bool) -> None:
    """Train in one process, in `count` that are started here, or as one of those that torchrun has started."""
    from learning import processes
    from learning.config import read_config

    config = read_config(_KINDS[job.kind]()[0], job.config)
    torchrun = {name: int(os.environ[name]) for name in ("RANK", "WORLD_SIZE") if name in os.environ}
    if torchrun and count > 1:
        raise InputError("torchrun starts the processes itself; leave --processes out")
    total = torchrun.get("WORLD_SIZE", count)
    if config.batch < 1:
        raise InputError(f"a batch of {config.batch} holds nothing to learn from; wanted at least 1")
    if config.batch % total:
        raise InputError(f"a batch of {config.batch} is not shared evenly by {total} processes; change one of the two")
    start = time.perf_counter()
    if torchrun:
        number = torchrun["RANK"]
        others = processes.joined(config.run.device, number=number, total=total, meet="env://")
    else:
        number, others = 0, processes.together(total, config.run.device, _train, (job,))
    with others, _bar(config.run.steps, show=not json and number == 0 and sys.stderr.isatty()) as progress:
        _train(job, progress)
    if number == 0:
        report = _report(job, total, time.perf_counter() - start)
        with written_whole(job.out / "report.json") as temporary:
            temporary.write_text(json_text(report) + "\n", encoding="utf-8")
        say(report, json)


@contextlib.contextmanager
def _bar(steps: int, *, show: bool) -> Iterator[Progress | None]:
    """A bar with steps, loss and the time that is left."""
    if not show:
        yield None
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
    )  # fmt: skip
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("training", total=steps)

        def progress(step: int, losses: dict[str, float]) -> None:
            loss = f"loss {losses['total']:.4g}" if losses else "training"
            bar.update(task, completed=step, description=loss)

        yield progress


def _report(job: Job, total: int, seconds: float) -> dict:
    """What other commands report; `quality` are the losses and the figures that were logged last."""
    quality: dict = {}
    for line in (job.out / "log.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json_module.loads(line)
        except ValueError:  # cut short where a training was killed
            continue
        kind = "loss_" if "total" in row else ""
        quality |= {name if name == "step" else kind + name: value for name, value in row.items()}
    return {
        "command": f"train {job.kind}",
        "version": emberface.__version__,
        "inputs": {
            name: str(value) if isinstance(value, Path) else value
            for name, value in vars(job).items()
            if name != "kind"
        }
        | {"processes": total},
        "outputs": [str(path) for path in sorted(job.out.glob("*.npz"))],
        "licences": [],
        "seconds": {"total": round(seconds, 3)},
        "quality": quality,
    }
