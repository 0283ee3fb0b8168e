"""The layers of a performance on heads that were not registered."""

import dataclasses

import numpy as np
import torch

from animate.perform import TONGUE, Spoken, enliven
from animate.speech import RATE, measure, prepare
from animate.textgrid import intervals
from flame_tools import Head
from tests.animate.test_speech import voiced


def test_eyes_and_lids_of_a_head_that_states_no_angles(head):
    """A FLAME file as it is published: components without names, no reach of jaw and eyes; its map is solved."""
    arrays = head.arrays
    bare = dataclasses.replace(
        arrays, expression_names=tuple(f"expression_{i}" for i in range(len(arrays.expression_names))),
        look_rad=np.zeros(4, np.float32), jaw_open_rad=0.0, jaw_side_rad=0.0,
    )  # fmt: skip
    prosody, times = measure(prepare(voiced(120.0, 2.0), RATE)), np.arange(60) / 30
    said = intervals([("AA", 0.0, 2.0)])
    silent = Spoken(np.zeros((60, 52)), np.zeros((60, len(TONGUE))))
    made = []
    for model in (head, Head(bare)):
        with np.errstate(all="raise"):
            params, _ = enliven(
                silent, said, prosody, times, 2.0, np.zeros(8), head=model, shape=torch.zeros(head.shape_size), seed=1
            )
        made.append(params)
    torch.testing.assert_close(made[1].eyes, made[0].eyes)
    assert made[0].eyelids.max() > 0.5
    torch.testing.assert_close(made[1].eyelids, made[0].eyelids, rtol=0, atol=0.1)  # as nearly as the map is solved
