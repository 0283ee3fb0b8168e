"""All sources of some folders, split so that no subject is in two splits, and what they are known by."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flame_tools.errors import InputError
from recon.corpus.layouts import Layout, layout_of
from recon.corpus.source import SPLITS, Source, split_of

_KEY_NAME = 60  # characters of a source's name that its key keeps
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Listing:
    """Sources of folders. They are listed anew each time they are asked for; people's splits alone are kept."""

    folders: tuple[tuple[Path, Layout], ...]
    splits: dict[tuple[str, str], str]  # by dataset and subject
    counts: dict[str, int]  # sources by split
    moved: int  # sources whose published split is another, because their subject is held out elsewhere
    digest: str  # of names, sizes and splits: of which files a corpus was made

    def of(self, split: str) -> Iterator[Source]:
        """The sources of a split in their order, with keys."""
        for source in _all(self.folders):
            if self.splits[source.dataset, source.subject] == split:
                yield dataclasses.replace(source, split=split)


def list_folders(folders: Sequence[Path], layout: str = "auto") -> Listing:
    """Raises InputError where a folder has not that layout, or nothing in it."""
    found = tuple((Path(folder), layout_of(Path(folder), layout)) for folder in folders)
    splits: dict[tuple[str, str], str] = {}
    said: Counter[tuple[tuple[str, str], str]] = Counter()
    digest = hashlib.sha256()
    for source in _all(found):
        who = (source.dataset, source.subject)
        split = source.split or split_of(*who)
        splits[who] = max(splits.get(who, split), split, key=SPLITS.index)  # held out once, held out everywhere
        said[who, split] += 1
        digest.update(f"{source.key}\n{source.name}\n{split}\n{_bytes_in(source.path)}\n".encode())
    if not splits:
        raise InputError(f"{', '.join(map(str, folders))}: there is nothing to read")
    counts = Counter({split: 0 for split in SPLITS})
    for (who, _), count in said.items():
        counts[splits[who]] += count
    moved = sum(count for (who, split), count in said.items() if splits[who] != split)
    return Listing(found, splits, dict(counts), moved, digest.hexdigest())


def _all(folders: tuple[tuple[Path, Layout], ...]) -> Iterator[Source]:
    for number, (folder, layout) in enumerate(folders):
        for source in layout.sources(folder):
            yield dataclasses.replace(source, key=_key(number, source))


def _key(folder: int, source: Source) -> str:
    """A name for a tar's members: readable, without dots and slashes, each source's own."""
    name = source.name.rpartition(".")[0] if source.is_clip or source.path.suffix else source.name
    own = hashlib.sha256(f"{folder}\n{source.dataset}\n{source.name}".encode()).hexdigest()[:12]
    return f"{source.dataset}-{_UNFIT.sub('-', name or source.name)[-_KEY_NAME:].strip('-_')}-{own}"


def _bytes_in(path: Path) -> int:
    """Of a file; of a folder with frames the number of its entries."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in path.iterdir()) if path.is_dir() else path.stat().st_size
    return -1
