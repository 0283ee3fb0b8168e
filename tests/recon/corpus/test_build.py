"""Shards of published folders: the same bytes after a stop and for any number of processes."""

import hashlib
import json
import shutil

import pytest

import emberface_cli
from flame_tools.errors import FormatError, InputError
from recon.corpus import build as build_module
from recon.corpus.build import BuildOptions, build
from recon.corpus.read import samples, shards_of
from recon.corpus.source import SPLITS
from recon.corpus.tars import read_state
from tests.recon.corpus.conftest import OPTIONS
from tests.test_command_line import refused


def bytes_of(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.tar")}


def test_every_picture_is_a_sample_or_rejected(corpus):
    built, out = corpus
    assert built.pictures == sum(built.samples.values()) + sum(built.rejected.values())
    assert built.rejected["unreadable"] == 1  # FFHQ's table has a picture that is not there
    assert built.moved == 1 and all(built.samples[split] for split in ("train", "test"))
    assert built.shards == [path for split in SPLITS if built.samples[split] for path in shards_of(out, split)]
    found = [sample for split in SPLITS if built.samples[split] for sample in samples(out, split)]
    assert len({sample.key for sample in found}) == len(found) == sum(built.samples.values())
    assert {sample.facts["dataset"] for sample in found} == {"ffhq", "celeba", "lrs3", "mead", "voxceleb"}
    whose = {}
    for sample in found:
        whose.setdefault((sample.facts["dataset"], sample.subject), set()).add(sample.split)
        assert sample.picture.shape == (96, 96, 3) and sample.facts["figures"]["nme_468_fitted"] < 0.05
    assert all(len(splits) == 1 for splits in whose.values())
    happy = next(s for s in found if s.facts["labels"].get("emotion") == "happy")
    assert happy.subject == "M003" and happy.facts["source"] == "M003/video/front/happy/level_2/001.mp4"


@pytest.mark.long
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(corpus, folders, tmp_path, monkeypatch):
    built, whole = corpus
    out = tmp_path / "out"
    made = build_module.made_in_order
    stopped = 4

    def until(sources, *more):
        for number, one in enumerate(made(sources, *more)):
            if number == stopped:
                raise KeyboardInterrupt
            yield one

    monkeypatch.setattr(build_module, "made_in_order", until)
    with pytest.raises(KeyboardInterrupt):
        build(list(folders.values()), out, options=OPTIONS)
    half = bytes_of(out)
    assert half and half.items() < bytes_of(whole).items() and not list(out.glob(".*"))
    monkeypatch.setattr(build_module, "made_in_order", made)
    again = build(list(folders.values()), out, options=OPTIONS)
    assert bytes_of(out) == bytes_of(whole)
    assert (again.samples, again.rejected, again.pictures) == (built.samples, built.rejected, built.pictures)

    def never(*_):
        raise AssertionError("all stands already")

    monkeypatch.setattr(build_module, "made_in_order", never)
    assert build(list(folders.values()), out, options=OPTIONS).samples == built.samples


@pytest.mark.long
def test_processes_do_not_change_a_byte(corpus, folders, tmp_path):
    _, whole = corpus
    build(list(folders.values()), tmp_path, options=OPTIONS, jobs=2)
    assert bytes_of(tmp_path) == bytes_of(whole)


def test_shards_of_something_else_are_left_alone(corpus, folders, tmp_path):
    _, whole = corpus
    shutil.copytree(whole, tmp_path / "out")
    for options, chosen in ((BuildOptions(size=112), list(folders.values())), (OPTIONS, [folders["mead"]])):
        with pytest.raises(InputError, match="built from other files or with other options"):
            build(chosen, tmp_path / "out", options=options)
    assert bytes_of(tmp_path / "out") == bytes_of(whole)
    first = tmp_path / "out" / "train-00000.tar"
    first.write_bytes(first.read_bytes().replace(b'"pictures"', b'"pickles!"'))
    with pytest.raises(FormatError, match="does not say what it was built from"):
        build(list(folders.values()), tmp_path / "out", options=OPTIONS)


def test_the_state_of_a_shard_is_told_by_it(corpus):
    built, out = corpus
    states = [json.loads(read_state(path)) for path in shards_of(out)]
    assert [s["first"] for s in states] == [0, *(s["following"] for s in states[:-1])] and states[-1]["last"]
    assert all(2 <= s["samples"] <= 2 + OPTIONS.frames_per_clip for s in states[:-1])
    assert sum(s["samples"] for s in states) == built.samples["train"]


def test_the_command_says_what_it_made(capsys, tmp_path, astronaut):
    from PIL import Image

    (tmp_path / "in" / "eileen").mkdir(parents=True)
    Image.fromarray(astronaut).save(tmp_path / "in" / "eileen" / "a.jpg", quality=95)
    Image.fromarray(astronaut[300:]).save(tmp_path / "in" / "eileen" / "b.jpg")
    words = ["corpus", "build", tmp_path / "in", "-o", tmp_path / "out", "--size", 128, "--json"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    quality = report["quality"]
    assert (quality["pictures"], quality["samples"], quality["rejected"]) == (2, 1, {"no_face": 1})
    (shard,) = report["outputs"]
    (sample,) = samples(tmp_path / "out", next(split for split, n in quality["samples_by_split"].items() if n))
    assert sample.subject == "eileen" and shard.endswith(f"{sample.split}-00000.tar")
    (tmp_path / "empty").mkdir()
    said = refused(capsys, tmp_path, "corpus", "build", tmp_path / "empty", "-o", tmp_path / "new")
    assert "holds no pictures and no films" in said
    said = refused(capsys, tmp_path, "corpus", "build", tmp_path / "in", "-o", tmp_path / "new", "--size", 9)
    assert "size is 9, wanted 32 to 1024" in said
