import tracemalloc
import zipfile

import numpy as np
import pytest

from flame_tools import FormatError, ShapeError, load_head
from flame_tools.files.textures import paint, read_texture_space
from flame_tools.posing import still

SIDE, COUNT = 32, 6
RNG = np.random.default_rng(0)
MEAN = RNG.uniform(0.2, 0.6, (SIDE, SIDE, 3))
BASIS = RNG.normal(size=(SIDE, SIDE, 3, COUNT)) * 0.02
SPECULAR = RNG.uniform(0, 0.2, (SIDE, SIDE, 3))


def write(path, kind: str, dtype="f8"):
    """A file as it is published: blue first, FLAME's in 255ths, Basel's flat."""
    mean, basis = MEAN[..., ::-1].astype(dtype), BASIS[..., ::-1, :].astype(dtype)
    if kind == "flame":
        np.savez_compressed(path, mean=255 * mean, tex_dir=255 * basis, vt=np.zeros((4, 2)), ft=np.zeros((2, 3), int))
    elif kind == "basel":
        np.savez(path, MU=mean.ravel(), PC=basis.reshape(-1, COUNT))
    elif kind == "basel, columns first":
        np.savez(path, MU=mean.ravel(), PC=np.asfortranarray(basis.reshape(-1, COUNT)))
    else:
        np.savez(path, MU=mean, PC=basis, specMU=SPECULAR[..., ::-1].astype(dtype), specPC=basis / 2)
    return path


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("kind", ["flame", "basel", "basel, columns first"])
def test_a_texture_is_mean_and_directions_in_srgb(tmp_path, kind, dtype):
    space = read_texture_space(write(tmp_path / "t.npz", kind, dtype), size=SIDE)
    weights = np.array([1.0, -2.0, 0.5, 3.0])
    wanted = np.clip(MEAN + BASIS[..., :4] @ weights, 0, 1) * 255
    assert space.components == COUNT
    np.testing.assert_allclose(space.albedo(weights), wanted, atol=0.501)  # rounded
    np.testing.assert_allclose(space.albedo(), MEAN * 255, atol=0.501)
    assert space.specular().size == 0


def test_albedomm_counts_linear_light_and_shines(tmp_path):
    space = read_texture_space(write(tmp_path / "t.npz", "albedomm"), size=SIDE)
    weights = np.full(COUNT, 0.7)
    linear = MEAN + BASIS @ weights
    srgb = space.albedo(weights) / 255.0
    back = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(back, linear, atol=0.006)  # a step of 255 at the bright end
    np.testing.assert_allclose(space.specular(weights), np.clip(SPECULAR + BASIS @ weights / 2, 0, 1), atol=1e-6)
    assert "academic" in space.licence


@pytest.mark.parametrize("kind", ["flame", "basel, columns first", "albedomm"])
def test_smaller_pictures_are_means_of_larger_ones(tmp_path, kind):
    path = write(tmp_path / "t.npz", kind)
    space = read_texture_space(path, size=8, components=2)
    assert space.basis.shape == (8, 8, 3, 2)
    whole = read_texture_space(path, size=SIDE, components=2)
    for small, large in ((space.mean, whole.mean), (space.basis, whole.basis)):
        blocks = large.reshape(8, 4, 8, 4, *large.shape[2:]).mean((1, 3))
        np.testing.assert_allclose(small, blocks, atol=1e-6)


def test_rows_are_read_a_few_at_a_time(tmp_path, monkeypatch):
    whole = read_texture_space(write(tmp_path / "t.npz", "flame"), size=16)
    monkeypatch.setattr("flame_tools.files.textures._BLOCK", 1)
    np.testing.assert_array_equal(read_texture_space(tmp_path / "t.npz", size=16).basis, whole.basis)


def test_memory_is_what_the_result_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("flame_tools.files.textures._BLOCK", 1 << 18)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive, archive.open("tex_dir.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros((64, 64, 3, 200)))  # 20 MB
    with zipfile.ZipFile(tmp_path / "t.npz", "a") as archive, archive.open("mean.npy", "w") as member:
        np.lib.format.write_array(member, np.zeros((64, 64, 3)))
    tracemalloc.start()
    try:
        space = read_texture_space(tmp_path / "t.npz", size=32, components=100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert space.basis.nbytes == 32 * 32 * 3 * 100 * 4
    assert peak < space.basis.nbytes + 10 * (1 << 18)  # blocks as read, and their means


def test_a_painted_track_carries_texture_and_licence(tmp_path):
    head = load_head()
    space = read_texture_space(write(tmp_path / "t.npz", "basel"), size=SIDE, licence="X")
    track = paint(still(head, head.v_template.new_zeros(head.shape_size)), space, [1.0])
    np.testing.assert_array_equal(track.appearance.albedo, space.albedo([1.0]))
    assert track.licences == ("CC0-1.0", "X")


def test_what_is_no_texture_space_is_refused(tmp_path):
    path = tmp_path / "t.npz"
    flat = MEAN.ravel()
    for arrays, message in [
        ({"a": flat}, "neither"),
        ({"MU": flat}, "neither"),
        ({"MU": flat[:-1], "PC": BASIS.reshape(-1, COUNT)}, "MU is"),
        ({"MU": flat, "PC": BASIS.reshape(-1, COUNT)[:, :0]}, "PC is"),
        ({"MU": (flat * 255).astype("u1"), "PC": BASIS.reshape(-1, COUNT)}, "MU is uint8"),
        ({"MU": flat * np.nan, "PC": BASIS.reshape(-1, COUNT)}, "MU holds NaN"),
        ({"MU": MEAN, "PC": BASIS, "specMU": MEAN, "specPC": BASIS[..., :3]}, "specular components"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(FormatError, match=message):
            read_texture_space(path, size=SIDE)
    write(path, "flame")
    with pytest.raises(FormatError, match="does not divide"):
        read_texture_space(path, size=24)
    space = read_texture_space(path, size=SIDE)
    for weights in (np.zeros(COUNT + 1), [np.nan], np.zeros((1, 2))):
        with pytest.raises(ShapeError, match="coefficients are"):
            space.albedo(weights)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FormatError, match="texture space"):
        read_texture_space(path)
