"""Made files in the layouts that the authors publish: what loads, what is reported, and what is refused."""

import os
import pickle
import zipfile

import pytest
import torch
from torch import Tensor

from flame_tools.errors import FormatError
from recon.networks import checkpoints
from recon.networks.checkpoints import (
    load_deca,
    load_emica,
    load_emoca,
    load_mica,
    load_published,
    load_smirk,
    load_spectre,
)
from recon.networks.deca import Deca
from recon.networks.emica import Emica
from recon.networks.emoca import Emoca
from recon.networks.mica import Mica
from recon.networks.smirk import Smirk
from recon.networks.spectre import Spectre
from recon.networks.teaser_generator import Teaser
from tests.recon.networks.golden import filled


def constants(build) -> dict[str, Tensor]:
    """The network's names, each with a number of its own in all its places, which a file keeps once."""
    with torch.device("meta"):
        names = build().state_dict()
    return {
        name: torch.tensor(0.001 * i if like.is_floating_point() else i, dtype=like.dtype).expand(like.shape)
        for i, (name, like) in enumerate(names.items(), 1)
    }


def grouped(weights: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Dicts in a dict, as DECA's trainer saves."""
    out: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        first, _, rest = name.partition(".")
        out.setdefault(first, {})[rest] = value
    return out


def lightning(weights: dict[str, Tensor], before: str) -> dict:
    """A checkpoint of Lightning's, with FLAME and the losses' networks beside the rest."""
    beside = {
        f"{before}flame.v_template": torch.zeros(5, 3),
        f"{before}render.faces": torch.zeros(1, 4, 3, dtype=torch.int64),
        f"{before}perceptual_loss.vgg.weight": torch.zeros(4, 4),
    }
    return {
        "epoch": 9,
        "pytorch-lightning_version": "1.4.9",
        "state_dict": {f"{before}{name}": value for name, value in weights.items()} | beside,
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}, "param_groups": []}],
    }


EMICA = {
    "mica.arcface.": "face_encoder.mica_deca_encoder.mica_encoder.E_mica.arcface.",
    "mica.flameModel.regressor.": "face_encoder.mica_deca_encoder.mica_encoder.E_mica.flameModel.regressor.",
    "coarse.": "face_encoder.mica_deca_encoder.deca_encoder.encoder.",
    "expression.": "face_encoder.expression_encoder.encoder.",
}


def as_inferno(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        next(theirs + name.removeprefix(ours) for ours, theirs in EMICA.items() if name.startswith(ours)): value
        for name, value in weights.items()
    }


def training(weights: dict[str, Tensor]) -> dict:
    """deca_model.tar with what a training leaves beside it."""
    optimiser = {"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4}]}
    return grouped(weights) | {"opt": optimiser, "global_step": 7, "batch_size": 2}


LAYOUTS = {
    "deca_model.tar": (Deca, load_deca, training, {"opt.param_groups", "opt.state", "global_step", "batch_size"}),
    "EMOCA": (
        Emoca,
        load_emoca,
        lambda w: lightning(w, "deca."),
        {
            "epoch", "pytorch-lightning_version", "optimizer_states", "deca.flame.v_template", "deca.render.faces",
            "deca.perceptual_loss.vgg.weight",
        },
    ),
    "EMICA": (
        lambda: Emica(jaw="coarse"),
        load_emica,
        lambda w: lightning(as_inferno(w), ""),
        {
            "epoch", "pytorch-lightning_version", "optimizer_states", "flame.v_template", "render.faces",
            "perceptual_loss.vgg.weight",
        },
    ),
    "mica.tar": (
        Mica,
        load_mica,
        lambda w: grouped(w | {"flameModel.generator.v_template": torch.zeros(5, 3)}),
        {"flameModel.generator.v_template"},
    ),
    "spectre_model.tar": (Spectre, load_spectre, grouped, set()),
    "spectre, Lightning": (
        Spectre,
        load_spectre,
        lambda w: {"state_dict": {f"deca.{k}": v for k, v in w.items()}},
        set(),
    ),
    "TEASER.pt": (Teaser, checkpoints.load_teaser, dict, set()),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_tensor_finds_its_place(tmp_path, layout):
    build, load, laid_out, unused = LAYOUTS[layout]
    weights = constants(build)
    torch.save(laid_out(weights), tmp_path / "model.tar")
    loaded = load(tmp_path / "model.tar")
    found = loaded.network.state_dict()
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert found[name].shape == value.shape
        assert found[name].flatten()[0] == found[name].flatten()[-1] == value.flatten()[0], name
    assert set(loaded.unused) == unused
    assert loaded.licence and not loaded.network.training
    assert not any(p.requires_grad for p in loaded.network.parameters())


@pytest.mark.long
def test_smirk_sees_the_same_before_and_after(tmp_path):
    own = filled(Smirk)
    torch.save(own.state_dict(), tmp_path / "SMIRK_em1.pt")
    loaded = load_published(tmp_path / "SMIRK_em1.pt")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before, after = vars(own(image)), vars(loaded.network(image))
        painted = loaded.network.smirk_generator(image, image)
        assert torch.equal(painted, own.smirk_generator(image, image))
    assert all(before[k] is None or torch.equal(before[k], after[k]) for k in before)
    assert loaded.unused == () and "MIT" in loaded.licence


def test_a_file_of_before_torch_1_6(tmp_path):
    weights = smirk_weights()
    torch.save(weights, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    found = load_smirk(tmp_path / "old.pt").network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_smirks_sizes_are_read_off_the_file(tmp_path):
    weights = constants(lambda: Smirk(shapes=100, expressions=80, generator=False))
    torch.save(weights, tmp_path / "own.pt")
    network = load_smirk(tmp_path / "own.pt").network
    assert network.smirk_generator is None and network.smirk_encoder.expressions == 80
    assert len(network.smirk_encoder.shape_encoder.shape_layers[0].weight) == 100


# --- refused ----------------------------------------------------------------------------------------------------------


def smirk_weights() -> dict[str, Tensor]:
    return constants(lambda: Smirk(generator=False))


HEAD = "smirk_encoder.expression_encoder.expression_layers.0."


def without(weights, *names):
    return {name: value for name, value in weights.items() if name not in names}


def test_missing_tensors_are_named(tmp_path):
    gone = ("smirk_encoder.pose_encoder.encoder.bn1.weight", f"{HEAD}bias")
    torch.save(without(smirk_weights(), *gone), tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"2 missing: .*expression_layers\.0\.bias \[55\].*bn1\.weight \[16\]"):
        load_smirk(tmp_path / "x.pt")


def test_tensors_too_many_under_a_networks_name_are_named(tmp_path):
    torch.save(smirk_weights() | {"smirk_encoder.gaze.weight": torch.zeros(2, 3)}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"1 not of this network: smirk_encoder.gaze.weight \[2, 3\]"):
        load_smirk(tmp_path / "x.pt")


def test_another_size_is_named(tmp_path):
    torch.save(smirk_weights() | {f"{HEAD}bias": torch.zeros(54)}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"1 of another size: .*bias \[54\] for \[55\]"):
        load_smirk(tmp_path / "x.pt")


def test_the_sizing_tensor_itself_missing_or_absurd(tmp_path):
    torch.save(without(smirk_weights(), f"{HEAD}weight"), tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"has no .*expression_layers\.0\.weight, which every SMIRK"):
        load_smirk(tmp_path / "x.pt")
    torch.save(smirk_weights() | {f"{HEAD}weight": torch.zeros(3, 960)}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match="an expression encoder of 3 outputs"):
        load_smirk(tmp_path / "x.pt")


def test_numbers_that_are_none(tmp_path):
    torch.save(smirk_weights() | {f"{HEAD}bias": torch.full((55,), float("nan"))}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"NaN or infinite in .*expression_layers"):
        load_smirk(tmp_path / "x.pt")


def test_a_file_of_another_system_says_whose(tmp_path):
    torch.save(smirk_weights(), tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"x\.pt.*file of SMIRK, not of DECA: use load_smirk"):
        load_deca(tmp_path / "x.pt")
    torch.save({"fc.weight": torch.zeros(3, 4)}, tmp_path / "y.pt")
    with pytest.raises(FormatError, match=r"y\.pt.*1 names are of none of EMICA, .*: fc\.weight"):
        load_published(tmp_path / "y.pt")


@pytest.mark.parametrize(("rows", "match"), [(56, "56 outputs; EMOCA's have 50"), (10, "10 outputs")])
def test_an_emoca_whose_head_says_something_else(tmp_path, rows, match):
    weights = {"deca.E_expression.layers.2.weight": torch.zeros(rows, 1024)}
    torch.save({"state_dict": weights}, tmp_path / "x.ckpt")
    with pytest.raises(FormatError, match=match):
        load_emoca(tmp_path / "x.ckpt")


def test_an_emica_on_another_backbone(tmp_path):
    weights = {"face_encoder.expression_encoder.encoder.encoder.patch_embed.proj.weight": torch.zeros(96, 3, 4, 4)}
    torch.save({"state_dict": weights}, tmp_path / "swin.ckpt")
    with pytest.raises(FormatError, match="a Swin or another backbone is not read"):
        load_emica(tmp_path / "swin.ckpt")
    heads = {
        "face_encoder.expression_encoder.encoder.layers.2.weight": torch.zeros(103, 1024),
        "face_encoder.mica_deca_encoder.deca_encoder.encoder.layers.2.weight": torch.zeros(86, 1024),
    }
    torch.save({"state_dict": heads}, tmp_path / "two_jaws.ckpt")
    with pytest.raises(FormatError, match="encoders of 86 and 103 outputs"):
        load_emica(tmp_path / "two_jaws.ckpt")


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_truncated_file(tmp_path, share, old):
    torch.save(smirk_weights(), tmp_path / "x.pt", _use_new_zipfile_serialization=not old)
    data = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(data[: int(share * len(data))])
    with pytest.raises(FormatError, match=r"x\.pt"):
        load_smirk(tmp_path / "x.pt")


class Evil:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("inside", ["weights", "beside", "plain pickle"])
@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_is_not_run(tmp_path, inside, old):
    evil, file = Evil(tmp_path / "made"), tmp_path / "x.pt"
    if inside == "plain pickle":
        file.write_bytes(pickle.dumps(smirk_weights() | {"note": evil}))
    else:
        name = f"{HEAD}bias" if inside == "weights" else "note"
        torch.save(smirk_weights() | {name: evil}, file, _use_new_zipfile_serialization=not old)
    with pytest.raises(FormatError, match="nothing was executed"):
        load_smirk(file)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", {"smirk_encoder.x": "text"}, {}, [1, 2]])
def test_no_weights_at_all(tmp_path, content):
    file = tmp_path / "x.pt"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(FormatError, match=r"x\.pt"):
        load_smirk(file)
    with pytest.raises(FormatError, match="is not a file"):
        load_smirk(tmp_path / "nowhere.pt")


def test_a_zip_that_torch_did_not_make(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("readme.txt", "weights elsewhere")
    with pytest.raises(FormatError, match=r"torch\.save did not make"):
        load_smirk(tmp_path / "x.pt")


def test_the_same_name_twice(tmp_path):
    both = {"E_flame.encoder.conv1.weight": torch.zeros(1), "deca.E_flame.encoder.conv1.weight": torch.zeros(1)}
    torch.save(both, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"E_flame\.encoder\.conv1\.weight twice"):
        load_deca(tmp_path / "x.pt")
