"""The reader of tongues learns mouths by heart; the windows that it is taught on are those that it is asked about."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest
import torch

import emberface_cli
from flame_tools.errors import FormatError, InputError, ShapeError
from learning.run import RunConfig
from readers.sampling import Square, sample_square
from readers.tongue import LIPS, TongueConfig, TongueReader, load_tongue_reader, window
from recon.learned.crop import CUT, TIGHT
from recon.synthetic import crops as crops_module
from recon.synthetic.crops import made_crops, random_faces
from recon.train.tongue import OUT, Mouths, TongueTraining, measured, train_tongue
from tests.recon.train.resumed import check_goes_on

RUN = RunConfig(steps=60, warm=5, decay=20, rate=4e-3, average=0.8, weight_decay=0.0, save_every_s=1e9, sheet_every=0)
SMALL = TongueTraining(
    batch=12, tongues=0.5, shaken=0.0, tint=0.0, grey=0.0, held_out=0,
    network={"channels": [8, 12, 16], "width": 16}, run=RUN,
)  # fmt: skip


@pytest.fixture(scope="module")
def tongues(head):
    """Sixteen crops, half of them with the tongue out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops_module, "SKINS", 2)
        return made_crops(head, 16, 5, faces=lambda head, rng: random_faces(head, rng, tongue=0.5))


def test_as_many_tongues_are_out_as_asked_for(tongues, crops, head):
    at = head.shape_size + head.arrays.expression_names.index("tongueOut")
    out = tongues.face[:, at] > 0
    assert 4 <= out.sum() <= 12
    with pytest.raises(InputError, match=r"tongues is 2; wanted a share"):
        TongueTraining(tongues=2.0)
    with pytest.raises(InputError, match="can be halved three times"):
        TongueConfig(size=20)
    with pytest.raises(InputError, match="only tongues, or none"):
        Mouths(crops.first(1), head, SMALL, 48)


def test_it_is_taught_on_what_it_will_see(tongues, head):
    """A window cut from a crop's picture is the one that `window` asks for."""
    source = Mouths(tongues, head, SMALL, 48)
    row = int(source.out.argmax())
    # the crop's picture as a photo: the reader's crop is 1 / TIGHT of it
    landmarks = (tongues.read[row, :, :2] - 0.5) / TIGHT * CUT + CUT / 2
    asked = window(landmarks)
    middle = landmarks[list(LIPS)].mean(0)
    assert 0 < asked.y - middle[1] < 0.15 * asked.size and 0.3 * CUT < asked.size < 0.8 * CUT
    upright = Square(asked.x, asked.y, 0.41 / TIGHT * CUT, 0.0)
    seen = sample_square(tongues.picture[row], upright, 48).transpose(2, 0, 1)
    taught = source.mouths(torch.tensor([row]))[0].numpy()
    assert np.abs(seen - taught).mean() < 0.03


def test_it_learns_mouths_by_heart(tongues, head, tmp_path):
    net = train_tongue(SMALL, tongues, head, tmp_path)
    source = Mouths(tongues, head, SMALL, 48)
    with torch.inference_mode():
        found = net(source.mouths(torch.arange(16)))
    shown = source.out > OUT
    assert (found.logit[shown] > 0).float().mean() > 0.8 and (found.logit[source.out <= 0] < 0).float().mean() > 0.8
    assert measured(net, source) == {}  # nothing is held out
    kept = load_tongue_reader(tmp_path / "tongue_reader.npz").eval()
    with torch.inference_mode():
        again = kept(source.mouths(torch.arange(16)))
    assert (again.out - found.out).abs().max() < 0.05  # half precision
    (tmp_path / "tongue_reader.npz").write_bytes(b"PK\3\4 no network")
    with pytest.raises(FormatError):
        load_tongue_reader(tmp_path / "tongue_reader.npz")
    with pytest.raises(ShapeError, match=r"mouths are \[1, 3, 32, 32\]"):
        TongueReader()(torch.zeros(1, 3, 32, 32))


def test_it_goes_on_where_it_stopped(tongues, head, tmp_path):
    short = dataclasses.replace(SMALL, shaken=0.06, run=dataclasses.replace(RUN, steps=6, save_every_s=0.0))
    check_goes_on(partial(train_tongue, short, tongues, head), tmp_path, stop=4)


def test_the_command_trains(tongues, tmp_path, capsys):
    np.savez(tmp_path / "crops-00000.npz", **vars(tongues))
    config = tmp_path / "tongue.json"
    config.write_text(json.dumps({"batch": 8, "held_out": 4, "run": {"steps": 2, "warm": 1, "decay": 1}}))
    assert (
        emberface_cli.run(["train", "tongue", str(config), "--corpus", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    )
    assert (tmp_path / "out" / "tongue_reader.npz").is_file()
