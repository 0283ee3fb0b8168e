"""Folders of pictures and films to shards of fitted faces.

    OUT/train-00000.tar, train-00001.tar, ..., validation-00000.tar, ..., test-00000.tar, ...

A shard holds whole sources, and what became of them (`recon.corpus.tars.STATE`); it is written whole or not at all. It
depends on its first source alone, so that a run that was killed goes on behind its last shard, to the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from flame_tools.archive import written_whole
from flame_tools.errors import FormatError, InputError, writing_to
from recon.corpus.duplicates import Duplicates
from recon.corpus.fitted import BuildOptions, Made
from recon.corpus.listing import list_folders
from recon.corpus.sample import FORMAT, VERSION
from recon.corpus.source import SPLITS
from recon.corpus.tars import TarWriter, read_state
from recon.corpus.workers import made_in_order


@dataclass(frozen=True)
class Built:
    """What a corpus has become. Every picture is a sample or rejected."""

    shards: list[Path]
    sources: dict[str, int]  # by split
    samples: dict[str, int]  # by split
    pictures: int  # that were looked at
    rejected: dict[str, int]  # by recon.corpus.faces.REASONS
    moved: int  # sources in another split than published, as their subject is held out


@dataclass
class _Shard:
    """What a shard says of itself."""

    key: str  # of inputs and options
    first: int  # source, counted from 0 within the split
    following: int  # the first source of the next shard
    last: bool
    samples: int = 0
    pictures: int = 0
    rejected: Counter[str] = dataclasses.field(default_factory=Counter)


def build(
    folders: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    head: str = "default",
    layout: str = "auto",  # one of recon.corpus.layouts.LAYOUTS, or auto
    options: BuildOptions | None = None,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> Built:
    """Build a corpus in `out`, or go on where a run was stopped.

    Raises InputError where a folder has no such layout, or `out` holds shards of other inputs or options.
    """
    options, out = options or BuildOptions(), Path(out)
    if jobs < 1:
        raise InputError(f"jobs is {jobs}, wanted at least 1")
    listing = list_folders([Path(folder) for folder in folders], layout)
    key = _key(listing.digest, head, options)
    with writing_to(out):
        out.mkdir(parents=True, exist_ok=True)
    there = {split: _there(out, split, key) for split in SPLITS}  # refused before anything is made
    total, done = sum(listing.counts.values()), 0
    shards: list[tuple[Path, str, _Shard]] = []
    for split in SPLITS:
        known = there[split]
        shards += [(path, split, shard) for path, shard in known]
        first = known[-1][1].following if known else 0
        done += first
        progress(done / total)
        if not listing.counts[split] or (known and known[-1][1].last):
            done += listing.counts[split] - first
            continue
        made = made_in_order(islice(listing.of(split), first, None), head, options, jobs)
        for path, shard in _written(made, out, split, len(known), first, listing.counts[split], key, options):
            shards.append((path, split, shard))
            progress((done + shard.following - first) / total)
        done += listing.counts[split] - first
    rejected: Counter[str] = sum((shard.rejected for _, _, shard in shards), Counter())
    samples = {split: sum(shard.samples for _, own, shard in shards if own == split) for split in SPLITS}
    pictures = sum(shard.pictures for _, _, shard in shards)
    return Built(
        [path for path, _, _ in shards],
        listing.counts,
        samples,
        pictures,
        dict(sorted(rejected.items())),
        listing.moved,
    )


def _written(
    made: Iterator[Made], out: Path, split: str, number: int, first: int, count: int, key: str, options: BuildOptions
) -> Iterator[tuple[Path, _Shard]]:
    """Shards from `number` on, each when it stands; those before hold the `first` sources of `count`."""
    try:
        while first < count:
            path, shard, known = _path(out, split, number), _Shard(key, first, first, False), Duplicates()
            with written_whole(path) as temporary:
                tar = TarWriter(temporary)
                while shard.following < count and shard.samples < options.shard_size:
                    one = next(made)
                    taken = [sample for sample in one.samples if known.takes(sample)]
                    for sample in taken:
                        tar.add(sample.key, sample.members)
                    shard.samples += len(taken)
                    shard.pictures += one.pictures
                    shard.rejected += one.rejected + Counter(duplicate=len(one.samples) - len(taken))
                    shard.following += 1
                shard.last = shard.following == count
                tar.close(json.dumps(vars(shard), sort_keys=True).encode())
            yield path, shard
            number, first = number + 1, shard.following
    finally:
        made.close()


def _path(out: Path, split: str, number: int) -> Path:
    return out / f"{split}-{number:05d}.tar"


def _key(digest: str, head: str, options: BuildOptions) -> str:
    said = json.dumps([FORMAT, VERSION, digest, head, dataclasses.asdict(options)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _there(out: Path, split: str, key: str) -> list[tuple[Path, _Shard]]:
    """The shards of a split that stand, from number 0 on without a gap. Raises InputError for another corpus's."""
    found: list[tuple[Path, _Shard]] = []
    while (path := _path(out, split, len(found))).is_file():
        shard = _shard(path)
        if shard.key != key or shard.first != (found[-1][1].following if found else 0):
            raise InputError(f"{path} was built from other files or with other options; choose another folder")
        found.append((path, shard))
    return found


def _shard(path: Path) -> _Shard:
    try:
        said = json.loads(read_state(path) or b"")
        shard = _Shard(**{**said, "rejected": Counter(said["rejected"])})
        numbers = [shard.first, shard.following, shard.samples, shard.pictures, *shard.rejected.values()]
        if all(type(n) is int and n >= 0 for n in numbers) and type(shard.last) is bool:
            return shard
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, FormatError):
            raise
    raise FormatError(f"{path} does not say what it was built from; remove it, and it is built again")
