"""`emberface animate --takes` and `--model FILE` of every kind, and emberface.animate with takes."""

import json

import numpy as np
import pytest

import emberface
from animate.hearing import bundled
from animate.metrics import lip_report
from animate.network_file import load_network, save_flow, save_keys, save_model, save_prior
from animate.takes import Guidance, Sampling
from emberface_cli import run
from flame_tools import load_head
from flame_tools.archive import read_kind
from flame_tools.errors import FormatError, InputError
from tests.animate.test_learned import restless

PARAMS = ("expression", "jaw", "neck", "eyes", "eyelids")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny network of each kind, as training leaves them."""
    folder, head = tmp_path_factory.mktemp("networks"), load_head()
    features = bundled().config.features
    for kind, save in {"model": save_model, "flow": save_flow, "keys": save_keys}.items():
        network = restless(kind, head, features)
        save(network, folder / f"{kind}.npz", encoder="emberface-speech", fps=30, head_id=head.arrays.id)
    save_prior(load_network(folder / "flow.npz")[0].prior, folder / "prior.npz")
    save_keys(network, folder / "deaf.npz", encoder="log-mel", fps=30, head_id=head.arrays.id)
    return folder


def rows(track) -> np.ndarray:
    return np.concatenate([getattr(track.params, name).flatten(1).numpy() for name in PARAMS], 1)


def refused(capsys, *arguments) -> str:
    assert run([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


def test_takes_by_rules_are_those_of_the_seeds_that_follow(sound, tmp_path, capsys):
    asked = ["animate", str(sound), "-o", str(tmp_path / "out"), "--seed", "4", "--format", "csv", "--json"]
    assert run([*asked, "--takes", "3"]) == 0
    report = json.loads(capsys.readouterr().out)
    names = [f"word{mark}{end}" for mark in ("", "-take2", "-take3") for end in (".face.npz", ".csv")]
    assert [path.rsplit("/", 1)[1] for path in report["outputs"]] == names
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted([*names, "word.report.json"])
    quality = report["quality"]
    assert [take["seed"] for take in quality["takes"]] == [4, 5, 6] and report["inputs"]["takes"] == 3
    assert [path for take in quality["takes"] for path in take["outputs"]] == report["outputs"]
    assert quality["takes"][0]["bilabial_closure"] == quality["bilabial_closure"]
    takes = [emberface.load(tmp_path / "out" / f"word{mark}.face.npz") for mark in ("", "-take2", "-take3")]
    again = emberface.animate(sound, seed=5)
    np.testing.assert_array_equal(rows(takes[1]), rows(again))
    assert takes[1].provenance == again.provenance

    paths = [str(tmp_path / "out" / f"word{mark}.face.npz") for mark in ("", "-take2", "-take3")]
    assert run(["eval", "diversity", *paths, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diversity_mm"] == quality["diversity_mm"] > 0.01


def test_takes_of_a_flow(sound, files, tmp_path, capsys):
    head = load_head()
    asked = ["animate", str(sound), "--model", str(files / "flow.npz"), "--takes", "2", "--json"]
    guided = ["--emotion", "happy:0.5", "--emotion-guidance", "2", "--audio-guidance", "0.5"]
    one, two = tmp_path / "a" / "x.face.npz", tmp_path / "a" / "x-take2.face.npz"
    assert run([*asked, *guided, "-o", str(one)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == [str(one), str(two)]
    assert report["inputs"]["guidance"] == {"audio": 0.5, "emotion": 2.0, "style": 1.0}
    assert [(take["seed"], take["take"]) for take in report["quality"]["takes"]] == [(0, 1), (0, 2)]
    assert report["quality"]["diversity_lips_mm"] > 0.1
    sampling = Sampling(guidance=Guidance(audio=0.5, emotion=2.0))
    asked = {"emotion": "happy:0.5", "model": files / "flow.npz", "head": head}
    made = emberface.animate(sound, takes=10**6, sampling=sampling, **asked)
    for path in (one, two):  # the million is not made
        np.testing.assert_array_equal(rows(emberface.load(path)), rows(next(made)))
    plain = emberface.animate(sound, **asked)
    assert np.abs(rows(plain) - rows(emberface.load(one))).max() > 0.01, "guidance moves the face"


@pytest.mark.parametrize("kind", ["model", "keys"])
def test_a_network_with_one_answer_keeps_its_mouth_and_looks_elsewhere(kind, sound, files):
    one, two = emberface.animate(sound, model=files / f"{kind}.npz", takes=2, seed=3)
    np.testing.assert_array_equal(one.params.jaw, two.params.jaw)
    assert np.abs(rows(one) - rows(two)).max() > 1e-3
    assert one.provenance["method"] == "learned" and two.provenance["seed"] == 4
    ruled = emberface.animate(sound, seed=3)
    assert (one.params.jaw - ruled.params.jaw).abs().max() > 0.02, "the network moves the jaw, not the rules"
    blinks = one.intervals["events"]
    np.testing.assert_array_equal(blinks.start_s, ruled.intervals["events"].start_s)


def test_bundled_networks_go_by_name(sound):
    np.testing.assert_array_equal(rows(emberface.animate(sound, model="motion")), rows(emberface.animate(sound)))
    takes = list(emberface.animate(sound, model="flow", takes=2, seed=3))
    assert np.abs(rows(takes[0]) - rows(takes[1])).max() > 0.01
    for track in takes:
        report = lip_report(track, load_head())
        assert report.bilabial_closure == 1 and report.false_closure == 0 and report.open_gap_mm > 4


def test_what_a_file_holds_is_found_out(files, tmp_path):
    kinds = {kind: type(load_network(files / f"{kind}.npz")[0]).__name__ for kind in ("model", "flow", "keys")}
    assert kinds == {"model": "SpeechToMotion", "flow": "Flow", "keys": "KeysToMotion"}
    assert read_kind(files / "flow.npz") == "emberface-motion-flow"
    with pytest.raises(
        FormatError, match=r"prior.npz holds 'emberface-motion-prior', and no network that moves a face"
    ):
        load_network(files / "prior.npz")
    with pytest.raises(FormatError, match="nowhere is not a file"):
        load_network(tmp_path / "nowhere")
    (tmp_path / "bytes.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FormatError, match="not a readable file of emberface"):
        load_network(tmp_path / "bytes.npz")


def test_what_cannot_be_taken_is_said(sound, files, tmp_path, capsys):
    asked = ["animate", sound, "-o", tmp_path / "out"]
    assert "--takes" in refused(capsys, *asked, "--takes", "0")
    assert "guidance is for a flow" in refused(capsys, *asked, "--model", files / "keys.npz", "--audio-guidance", "2")
    assert "guidance and sampling are of a flow" in refused(capsys, *asked, "--audio-guidance", "2")
    flow = ["--model", files / "flow.npz"]
    assert "wanted weights of 0 or more" in refused(capsys, *asked, *flow, "--audio-guidance", "nan")
    assert "hears with 'log-mel'" in refused(capsys, *asked, "--model", files / "deaf.npz")
    assert "seed is 18446744073709551616" in refused(capsys, *asked, "--seed", 2**64 - 1, "--takes", "2")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"takes is 2\.5, wanted a whole number from 1 up"):
        emberface.animate(sound, takes=2.5)
