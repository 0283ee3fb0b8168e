"""USD as a user asked for it, as OpenUSD plays and judges it."""

import numpy as np
import pytest

pytest.importorskip("pxr", reason="usd-core is not installed: pip install 'emberface[usd]'")

from pxr import UsdGeom, UsdSkel

from flame_tools.export import Options
from flame_tools.export.rig import make_rig
from flame_tools.export.usd import write_usd
from flame_tools.posing import posed_frames
from tests.flame_tools.export.test_options import smooth_track
from tests.flame_tools.export.usd_player import KINDS, WORST_MM, UsdFile
from tests.interchange.performance import performance

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def played(track, head, path, options):
    """The file as OpenUSD opens it, and how far each vertex [V] is off at most, in millimetres."""
    write_usd(track, head, path, options=options)
    usd = UsdFile(path)
    worst = np.zeros(len(head.arrays.v_template))
    for code, ours in enumerate(posed_frames(track, head)):
        points = usd.play(code).astype(np.float64) * METRES[options.unit or "m"]
        if options.up == "z":
            x, y, z = points.T
            points = np.stack([x, z, -y], -1)
        worst = np.maximum(worst, 1000 * np.linalg.norm(points - ours, axis=1))
    return usd, worst


@pytest.mark.parametrize("kind", KINDS)
def test_unit_axes_names_and_fewer_keys(kind, default_head, tmp_path):
    track = smooth_track(default_head, 24)
    options = Options(unit="cm", up="z", tolerance_mm=0.5, names={"jawOpen": "Kiefer auf"})
    usd, worst = played(track, default_head, tmp_path / f"x.{kind}", options)
    assert 0.05 < worst.max() < 0.5 + WORST_MM  # keys were left out, and what they said is hardly missed
    assert len(usd.weight_codes) < len(track)
    assert UsdGeom.GetStageMetersPerUnit(usd.stage) == 0.01 and UsdGeom.GetStageUpAxis(usd.stage) == "Z"
    assert "Kiefer auf" in list(usd.binding.GetBlendShapesAttr().Get())
    assert usd.complaints() == []


def test_a_file_in_millimetres_is_exact(default_head, tmp_path):
    usd, worst = played(performance(default_head, 3), default_head, tmp_path / "x.usdc", Options(unit="mm"))
    assert worst.max() < WORST_MM and usd.complaints() == []


def test_lids_go_round_the_eyeball_by_shapes_in_between(default_head, tmp_path):
    track = performance(default_head, 12)
    rig = make_rig(track, default_head)
    bulge = 1000 * max(np.linalg.norm(shape, axis=-1).max() for shape in rig.lid_bulges.values())
    usd, worst = played(track, default_head, tmp_path / "x.usdc", Options(unit="cm", up="z", inbetweens=3))
    lids = default_head.arrays.eyelid_vertices
    assert 0 < worst[lids].max() < bulge / 16 + WORST_MM and bulge > 0.5  # chords of a quarter of 4 w (1 - w)
    assert np.delete(worst, lids).max() < WORST_MM
    between = {p.GetName(): len(UsdSkel.BlendShape(p).GetInbetweens()) for p in usd.of_type(UsdSkel.BlendShape)}
    assert {name for name, count in between.items() if count} == {"eyeBlinkLeft", "eyeBlinkRight"}
    assert between["eyeBlinkLeft"] == 3 and "eyeBlinkLeft_bulge" not in between
    assert usd.complaints() == []
