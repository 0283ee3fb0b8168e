"""Files in the published layout: sizes are read off them, every tensor has its place, and nothing else passes."""

import pytest
import torch

from animate.published.checkpoints import load_emote, load_faceformer, load_flint, load_published
from animate.published.faceformer import FaceFormer, FaceFormerConfig
from animate.published.flint import Flint, FlintConfig
from flame_tools.errors import FormatError, InputError
from flame_tools.files.strict import load_strictly, renamed
from tests.animate.published.conftest import SMALL, made_up

OLD = {".parametrizations.weight.original0": ".weight_g", ".parametrizations.weight.original1": ".weight_v"}


def old_names(weights):
    """As transformers wrote before torch 2.1."""
    out = {}
    for name, value in weights.items():
        for new, old in OLD.items():
            name = name.replace(new, old)
        out[name] = value
    return out


def lightning(weights):
    """A checkpoint as the EMOTE download has it: Lightning's entries, and copies of FLAME beside the network."""
    beside = {
        "preprocessor.flame.shapedirs": torch.zeros(5, 3, 4),
        "preprocessor.flame_tex.texture_mean": torch.zeros(1, 1, 3),
        "renderer.render.faces": torch.zeros(1, 4, 3, dtype=torch.int64),
        "sequence_decoder.flame.v_template": torch.zeros(5, 3),
        "sequence_decoder.motion_prior.preprocessor.flame.eye_pose": torch.zeros(1, 6),
        "sequence_decoder.motion_prior.postprocessor.flame.eye_pose": torch.zeros(1, 6),
    }
    return {"epoch": 99, "global_step": 7000, "pytorch-lightning_version": "1.4.9", "state_dict": weights | beside}


def same(found, wanted):
    assert found.state_dict().keys() == wanted.state_dict().keys()
    assert all(torch.equal(found.state_dict()[name], value) for name, value in wanted.state_dict().items())
    assert not found.training and not any(p.requires_grad for p in found.parameters())


@pytest.mark.parametrize("names", [old_names, dict])
def test_emote_from_its_file(tmp_path, emote, names):
    file = tmp_path / "last.ckpt"
    torch.save(lightning(names(emote.state_dict())), file)
    found = load_emote(file)
    same(found, emote)
    assert found.config.prior == FlintConfig(50) and found.config.identities == 32
    assert {**found.config.hearing} == SMALL


@pytest.mark.parametrize("expressions", [50, 100])
def test_flint_from_its_file(tmp_path, expressions):
    file, flint = tmp_path / "model.ckpt", made_up(Flint(FlintConfig(expressions)))
    torch.save(lightning(flint.state_dict()), file)
    found = load_flint(file)
    same(found, flint)
    assert found.config == FlintConfig(expressions)
    motion = torch.randn(1, 16, expressions + 3)
    assert torch.equal(found(motion), flint(motion))


@pytest.mark.parametrize("names", [old_names, dict])
def test_vocaset_from_its_file(tmp_path, vocaset, names):
    file = tmp_path / "vocaset.pth"
    torch.save(names(vocaset.state_dict()), file)
    found = load_faceformer(file)
    same(found, vocaset)
    assert (found.config.fps, found.config.features, found.config.subjects) == (30, 1, 8)


def test_a_mesh_of_neither_dataset_asks_for_its_features(tmp_path, biwi):
    file = tmp_path / "own.pth"
    torch.save(biwi.state_dict(), file)
    with pytest.raises(InputError, match=r"40 vertices.*features=1"):
        load_faceformer(file)
    found = load_faceformer(file, features=2)
    same(found, biwi)
    assert (found.config.fps, found.config.width) == (25, 128)


def test_positions_of_no_period_are_refused(tmp_path, biwi):
    weights = dict(biwi.state_dict())
    weights["PPE.pe"] = weights["PPE.pe"].roll(1, 1)
    torch.save(weights, tmp_path / "own.pth")
    with pytest.raises(FormatError, match="not FaceFormer's for any period"):
        load_faceformer(tmp_path / "own.pth", features=2)


# --- strictness -------------------------------------------------------------------------------------------------------


def test_a_dropped_tensor_is_named(tmp_path, emote):
    weights = old_names(emote.state_dict())
    del weights["audio_model.model.encoder.pos_conv_embed.conv.weight_g"]
    del weights["sequence_decoder.squasher_2.linear.bias"]
    torch.save(lightning(weights), tmp_path / "last.ckpt")
    with pytest.raises(FormatError, match=r"2 missing: .*original0.*squasher_2\.linear\.bias"):
        load_emote(tmp_path / "last.ckpt")


def test_a_tensor_too_many_is_named(tmp_path, flint):
    weights = flint.state_dict() | {"motion_quantizer.embedding.weight": torch.zeros(3, 4)}
    torch.save(lightning(weights), tmp_path / "model.ckpt")
    with pytest.raises(FormatError, match=r"1 not of this network: motion_quantizer.embedding.weight \[3, 4\]"):
        load_flint(tmp_path / "model.ckpt")


def test_a_tensor_of_another_size_is_named(biwi):
    weights = dict(biwi.state_dict()) | {"vertice_map_r.bias": torch.zeros(7)}
    with pytest.raises(FormatError, match=r"1 of another size: vertice_map_r.bias \[7\] for \[120\]"):
        load_strictly(FaceFormer(biwi.config), weights, "x.pth")


def test_numbers_that_are_none_are_refused(flint):
    weights = dict(flint.state_dict()) | {"motion_encoder.mean.bias": torch.full((128,), float("nan"))}
    with pytest.raises(FormatError, match=r"NaN or infinite in motion_encoder.mean.bias"):
        load_strictly(Flint(), weights, "x.ckpt")


def test_many_are_counted_and_few_shown(flint):
    weights = {name: value for name, value in flint.state_dict().items() if "decoder" not in name}
    with pytest.raises(FormatError, match=r"missing: .* and \d+ more;.*wanted its \d+ tensors"):
        load_strictly(Flint(), weights, "x.ckpt")


def test_a_refused_file_leaves_the_network_as_it_was(flint):
    network = Flint()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    weights = dict(flint.state_dict())
    weights.popitem()
    with pytest.raises(FormatError):
        load_strictly(network, weights, "x.ckpt")
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weight_normalisation_in_either_naming():
    new = {f"a.conv{name}": torch.tensor(float(i)) for i, name in enumerate(OLD)}
    old = old_names(new)
    assert renamed(old, new) == new and renamed(new, old) == old and renamed(new, new) == new
    assert renamed({"weight_g": torch.ones(1)}, {"x"}).keys() == {"weight_g"}
    with pytest.raises(FormatError, match="twice"):
        renamed(old | new, new)


def test_the_fine_tuned_positions_are_heard(tmp_path, emote, sound):
    """What the published code loses in silence: the tensors of the position convolution change what is said."""
    weights = old_names(emote.state_dict())
    name = "audio_model.model.encoder.pos_conv_embed.conv.weight_g"
    torch.save(lightning(weights | {name: weights[name] * 3 + 1}), tmp_path / "last.ckpt")
    told = torch.rand(1, 1, 43)
    assert (load_emote(tmp_path / "last.ckpt")(sound[None], told) - emote(sound[None], told)).abs().max() > 1e-3


def test_one_models_file_is_not_anothers(tmp_path, emote, flint, biwi):
    for name, content in (("e", lightning(emote.state_dict())), ("f", lightning(flint.state_dict())),
                          ("b", biwi.state_dict())):  # fmt: skip
        torch.save(content, tmp_path / name)
    for load, wrong in ((load_emote, "fb"), (load_flint, "eb"), (load_faceformer, "ef")):
        for name in wrong:
            with pytest.raises(FormatError, match=r"has no .* so it is no"):
                load(tmp_path / name)


def test_the_file_says_which_model_it_is(tmp_path, emote, flint, biwi):
    for name, content in (("e", lightning(old_names(emote.state_dict()))), ("f", lightning(flint.state_dict())),
                          ("b", biwi.state_dict()), ("x", {"a": torch.ones(2), "b": torch.ones(2)})):  # fmt: skip
        torch.save(content, tmp_path / name)
    same(load_published(tmp_path / "e"), emote)
    same(load_published(tmp_path / "b", features=2), biwi)
    with pytest.raises(FormatError, match="is a FLINT"):
        load_published(tmp_path / "f")
    with pytest.raises(FormatError, match=r"2 tensors of no EMOTE and no FaceFormer: a, b$"):
        load_published(tmp_path / "x")


def test_other_conditions_are_refused(tmp_path, emote):
    weights = dict(emote.state_dict())
    weights["sequence_decoder.obj_vector.map.weight"] = torch.zeros(128, 8)
    torch.save(lightning(weights), tmp_path / "last.ckpt")
    with pytest.raises(FormatError, match="conditions of 8 numbers"):
        load_emote(tmp_path / "last.ckpt")


def test_the_published_sizes():
    """wav2vec2-base under FaceFormer, as in the published file: names in the old way, 95 million weights."""
    with torch.device("meta"):
        network = FaceFormer(FaceFormerConfig())
    names = old_names(network.state_dict())
    assert "audio_encoder.masked_spec_embed" in names
    assert names["audio_encoder.encoder.pos_conv_embed.conv.weight_g"].shape == (1, 1, 128)
    assert names["vertice_map_r.weight"].shape == (15069, 64) and names["PPE.pe"].shape == (1, 630, 64)
    assert sum(p.numel() for p in network.audio_encoder.parameters()) == 94_371_712
