"""Shards read back: the order, and tars that were made to harm."""

import io
import json
import tarfile
import tracemalloc

import numpy as np
import pytest

from flame_tools.errors import FormatError, InputError
from recon.corpus.read import samples, shards_of
from recon.corpus.sample import sample_of
from recon.corpus.tars import MOST_BYTES, STATE, TarWriter, read_tar


def keys(out, **order):
    return [sample.key for sample in samples(out, **order)]


def test_the_order_follows_seed_and_epoch(corpus):
    _, out = corpus
    stored = keys(out)
    first, again, second, other = (
        keys(out, seed=seed, epoch=epoch, mixed=3) for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert first == again and len({tuple(order) for order in (stored, first, second, other)}) == 4
    assert sorted(first) == sorted(second) == sorted(other) == sorted(stored)
    parts = [keys(out, seed=1, mixed=3, part=(number, 2)) for number in (0, 1)]
    assert [key for pair in zip(*parts, strict=False) for key in pair] == first[: 2 * min(map(len, parts))]
    assert sorted(parts[0] + parts[1]) == sorted(stored)
    with pytest.raises(InputError, match="a number below its count"):
        next(samples(out, part=(2, 2)))
    with pytest.raises(InputError, match=r"has no train-00000\.tar; make it"):
        next(samples(out.parent / "nowhere"))
    with pytest.raises(InputError, match="no split 'dev'"):
        shards_of(out, "dev")


def test_members_are_plain_sorted_and_owned_by_nobody(corpus):
    """What WebDataset relies on: a sample's files beside each other, its name up to the first dot."""
    _, out = corpus
    for path in shards_of(out):
        with tarfile.open(path, "r:") as tar:
            members = tar.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode, m.type) for m in members} == {
            (0, 0, 0, "", 0o644, tarfile.REGTYPE)
        }
        names = [m.name for m in members]
        assert names[-1] == STATE and len(names) % 5 == 1
        for at in range(0, len(names) - 1, 5):
            stem = names[at].partition(".")[0]
            wanted = ["jpg", "json", "landmarks.npy", "params.npy", "placed.npy"]
            assert names[at : at + 5] == [f"{stem}.{ending}" for ending in wanted]


def tar_of(path, entries):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("../../up.jpg", tarfile.REGTYPE, "wanted KEY.ending"),
        ("/etc/cron.d/x.jpg", tarfile.REGTYPE, "wanted KEY.ending"),
        ("a\\b.jpg", tarfile.REGTYPE, "wanted KEY.ending"),
        ("link.jpg", tarfile.SYMTYPE, "no plain file"),
        ("link.jpg", tarfile.LNKTYPE, "no plain file"),
        ("device.jpg", tarfile.CHRTYPE, "no plain file"),
        ("folder.jpg", tarfile.DIRTYPE, "no plain file"),
        ("n" * 200 + ".jpg", tarfile.REGTYPE, "no plain file"),
    ],
)
def test_tars_that_reach_out_are_refused(tmp_path, name, kind, said):
    tar_of(tmp_path / "train-00000.tar", [(name, b"x" if kind == tarfile.REGTYPE else b"", kind)])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FormatError, match=said):
        list(samples(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_sizes_are_bounded_before_anything_is_read(tmp_path):
    info = tarfile.TarInfo("a.jpg")
    info.size = 8 << 30
    path = tmp_path / "train-00000.tar"
    for size, said in ((8 << 30, f"more than {MOST_BYTES}"), (MOST_BYTES, "cut short in a.jpg")):
        info.size = size
        path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 600)
        tracemalloc.start()
        with pytest.raises(FormatError, match=said):
            list(samples(tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 2 * MOST_BYTES
        tracemalloc.stop()
    tar_of(path, [("a.jpg", b"x", tarfile.REGTYPE), ("a.jpg", b"y", tarfile.REGTYPE)])
    with pytest.raises(FormatError, match="twice"):
        list(samples(tmp_path))
    path.write_bytes(b"PK\x03\x04" + bytes(2000))
    with pytest.raises(FormatError, match="no tar"):
        list(samples(tmp_path))


def test_a_shard_that_was_cut_anywhere_is_refused_or_ends_whole(corpus, tmp_path):
    _, out = corpus
    whole = shards_of(out)[0].read_bytes()
    path = tmp_path / "train-00000.tar"
    used = len(whole.rstrip(b"\0"))
    for cut in (0, 100, 512, 700, used // 2, used - 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match="cut short"):
            list(samples(tmp_path))


def test_members_that_are_not_what_they_claim_are_refused(corpus, tmp_path):
    _, out = corpus
    key, members = next(read_tar(shards_of(out)[0]))
    assert sample_of(key, members).key == key
    pickled = io.BytesIO()
    np.save(pickled, np.array([print], dtype=object), allow_pickle=True)
    huge = members["placed.npy"].replace(b"(468, 3)", b"(468999999, 3)".ljust(8))
    facts = json.loads(members["json"])
    for ending, content, said in (
        ("landmarks.npy", pickled.getvalue(), "Python objects"),
        ("landmarks.npy", members["placed.npy"], r"wanted float32 \[478, 3\]"),
        ("placed.npy", huge, "placed.npy"),
        ("params.npy", b"", "params.npy"),
        ("jpg", b"GIF89a", "no square picture"),
        ("jpg", members["jpg"][:300], "no square picture"),
        ("json", b"[" * 100_000, "is not that of a face"),
        ("json", json.dumps({**facts, "components": [10**12, 3]}).encode(), "is not that of a face"),
        ("json", json.dumps({**facts, "crop": [0, 0, float("nan"), 0]}).encode(), "is not that of a face"),
        ("json", json.dumps({**facts, "crop": [0, 0, 0, 0]}).encode(), "is not that of a face"),
        ("json", json.dumps({**facts, "quality": 10**400}).encode(), "is not that of a face"),
        ("json", json.dumps({**facts, "version": 99}).encode(), "upgrade emberface"),
    ):
        with TarOf(tmp_path / "train-00000.tar") as tar:
            tar.add(key, {**members, ending: content})
        with pytest.raises(FormatError, match=said):
            list(samples(tmp_path))
    with TarOf(tmp_path / "train-00000.tar") as tar:
        tar.add(key, {name: value for name, value in members.items() if name != "json"})
    with pytest.raises(FormatError, match="lacks json"):
        list(samples(tmp_path))
    with TarOf(tmp_path / "train-00000.tar") as tar:  # somebody's own notes beside ours do no harm
        tar.add(key, {**members, "txt": b"a caption"})
    assert keys(tmp_path) == [key]


class TarOf:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.tar = TarWriter(self.path)
        return self.tar

    def __exit__(self, *_):
        self.tar.close(b"{}")


def test_webdatasets_rule_groups_our_samples_as_we_do(corpus):
    """A key is all up to the first dot behind the last slash; members __NAME__ are no samples."""
    _, out = corpus
    for path in shards_of(out):
        with tarfile.open(path, "r|") as tar:
            names = [m.name for m in tar if not (m.name.startswith("__") and m.name.endswith("__"))]
        groups = dict.fromkeys(name.partition(".")[0] for name in names)
        assert list(groups) == [key for key, _ in read_tar(path) if key != STATE]
