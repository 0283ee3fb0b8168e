"""Several processes that train one network: what they share, and which part of a batch is whose.

Every process takes its rows of the batch that one process alone would take, means are taken over all rows, and
gradients are averaged: up to rounding the network becomes what one process would have made of it. Only what a network
itself does to a batch (BatchNorm, dropout) it does to each process's rows. Without torch.distributed, or before
`joined`, there is one process, and nothing here changes a number.
"""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, distributed

from flame_tools.errors import FaceError, InputError

_PATIENCE = datetime.timedelta(minutes=10)  # the longest that one may wait for the others


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is; 0 is the one that writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


@contextlib.contextmanager
def joined(device: str, *, number: int, total: int, meet: str) -> Iterator[None]:
    """Be process `number` of `total`, which meet at a URL of torch.distributed: gloo on the CPU, nccl on CUDA."""
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", number)))
    backend = "nccl" if device == "cuda" else "gloo"
    distributed.init_process_group(backend, meet, rank=number, world_size=total, timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def together(total: int, device: str, work: Callable, arguments: tuple) -> Iterator[None]:
    """Be the first of `total` processes on this machine. The others run `work(*arguments)`, which pickle must know."""
    if total == 1:
        yield
        return
    if device == "cuda" and total > torch.cuda.device_count():
        raise InputError(f"{total} processes want a GPU each, and there are {torch.cuda.device_count()}")
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meet = f"file://{folder}/meet"
        others = [
            spawn.Process(target=_other, args=(work, arguments, device, number, total, meet), daemon=True)
            for number in range(1, total)
        ]
        for other in others:
            other.start()
        try:
            with joined(device, number=0, total=total, meet=meet):
                yield
            for other in others:
                other.join()
        except RuntimeError as error:  # a connection broke, perhaps because another ended: it has said why
            for other in others:
                other.join(5.0)
            if codes := [other.exitcode for other in others if other.exitcode]:
                raise InputError(f"one of the {total} processes ended with code {codes[0]}") from error
            raise
        finally:
            for other in others:
                other.terminate()


def _other(work: Callable, arguments: tuple, device: str, number: int, total: int, meet: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first one hears it, and ends the others
    try:
        with joined(device, number=number, total=total, meet=meet):
            work(*arguments)
    except FaceError:
        sys.exit(2)  # the first one meets the same, and says it


def part_of(batch: int) -> slice:
    """This process's rows of a batch."""
    if batch % count():
        raise InputError(f"a batch of {batch} is not shared evenly by {count()} processes; change one of the two")
    own = batch // count()
    return slice(rank() * own, (rank() + 1) * own)


def mean(value: Tensor) -> Tensor:
    """Mean of a tensor over the processes, without gradients; every process must ask."""
    if count() == 1:
        return value
    total = value.detach().clone()
    if distributed.get_backend() == "nccl":  # which adds up on GPUs alone
        total = total.cuda()
    distributed.all_reduce(total)
    return (total / count()).to(value.device)


def gathered(rows: Tensor) -> Tensor:
    """Rows [n, ...] of all processes [count * n, ...], without gradients, in their order in the whole batch."""
    if count() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(count())]
    distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts)


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers for rows [n, ...]: this process's rows of what is drawn for the whole batch."""
    return _drawn(torch.randn, like, generator)


def uniform(like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1) for rows [n, ...], likewise."""
    return _drawn(torch.rand, like, generator)


def _drawn(draw: Callable[..., Tensor], like: Tensor, generator: torch.Generator) -> Tensor:
    shape, own = (count() * len(like), *like.shape[1:]), slice(rank() * len(like), (rank() + 1) * len(like))
    return draw(shape, generator=generator, dtype=like.dtype, device=generator.device)[own].to(like.device)


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Give every process the mean of all gradients; what none of them used keeps none."""
    if count() == 1:
        return
    chosen = [p for p in parameters if p.requires_grad]
    used = chosen[0].new_tensor([p.grad is not None for p in chosen])
    rows = [torch.zeros_like(p) if p.grad is None else p.grad for p in chosen]
    shared = mean(torch.cat([used, *(row.flatten() for row in rows)]))
    used, *rows = shared.split([len(chosen), *(row.numel() for row in rows)])
    for parameter, by, row in zip(chosen, used, rows, strict=True):
        if by > 0:
            parameter.grad = torch.empty_like(parameter).copy_(row.view_as(parameter))  # as it lies in memory
