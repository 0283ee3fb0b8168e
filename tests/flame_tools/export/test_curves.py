import csv
import json

import numpy as np
import pytest

from flame_tools import Head
from flame_tools.arkit import INDEX, from_params
from flame_tools.export.curves import write_curve_csv, write_curve_json
from flame_tools.export.livelink import ANGLES, COLUMNS, SIGNS, head_and_eye_angles, write_csv
from tests.flame_tools.export.conftest import lively_track


def read_table(path):
    """The table as Unreal reads it: curve -> [(time, value)]."""
    with open(path, newline="") as file:
        (_, *times), *rows = csv.reader(file)
    return {name: list(zip(map(float, times), map(float, values), strict=True)) for name, *values in rows}


def read_list(path):
    rows = json.loads(path.read_text())
    return {row.pop("Name"): [(float(time), value) for time, value in row.items()] for row in rows}


@pytest.mark.parametrize(("write", "read"), [(write_curve_csv, read_table), (write_curve_json, read_list)])
def test_the_table_holds_our_weights_and_the_apps_angles(arrays, tmp_path, write, read):
    head = Head(arrays)
    uneven = np.array([-0.1, 0.0, 0.125, 0.5, 7.25])
    track = lively_track(head, 5).replace(time_s=uneven, fps=None)
    write(track, head, tmp_path / "x")
    curves = read(tmp_path / "x")
    assert list(curves) == [*COLUMNS, *ANGLES]
    weights, angles = from_params(track.params, head).clamp(0, 1).numpy(), head_and_eye_angles(track) * SIGNS
    for name, keys in curves.items():
        times, values = np.array(keys).T
        np.testing.assert_allclose(times, uneven + 0.1, atol=1e-6)  # as its other files, which know no time below 0
        wanted = angles[:, ANGLES.index(name)] if name in ANGLES else weights[:, INDEX[name[0].lower() + name[1:]]]
        np.testing.assert_allclose(values, wanted, atol=1e-6, err_msg=name)
    assert np.ptp(np.array(curves["HeadPitch"])[:, 1]) > 0.05


def test_it_agrees_with_the_live_link_csv(arrays, tmp_path):
    head = Head(arrays)
    track = lively_track(head, 4)
    write_csv(track, head, tmp_path / "live.csv")
    write_curve_csv(track, head, tmp_path / "x.csv")
    with open(tmp_path / "live.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, keys in read_table(tmp_path / "x.csv").items():
        assert [float(row[name]) for row in rows] == [value for _, value in keys]
