"""What makes numbered files is told what it can make."""

import pytest

from recon.synthetic import portraits, sequences, shards


@pytest.mark.parametrize(
    ("maker", "words", "said"),
    [
        (shards, [], "the following arguments are required: folder, count"),
        (portraits, [], "the following arguments are required: folder, count"),
        (sequences, ["films", "some"], "'some' is no number of files"),
        (portraits, ["people", "1", "x"], "'x' is no number of files"),
        (shards, ["crops", "1", "--tongue", "7"], "'7' is no share; wanted a number from 0 to 1"),
        (sequences, ["films", "1", "--performances", "nowhere"], "nowhere holds no NAME.face.npz"),
    ],
)
def test_refused(maker, words, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["made", *words])
    with pytest.raises(SystemExit, match="2"):
        maker.main()
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("maker", [shards, portraits, sequences])
def test_the_number_of_the_first_file_is_told(maker, monkeypatch, tmp_path):
    made = []
    write = f"write_{maker.__name__.rpartition('.')[2]}"
    monkeypatch.setattr(maker, write, lambda folder, head, count, *, first, **more: made.append((folder, count, first)))
    monkeypatch.setattr("sys.argv", ["made", str(tmp_path), "3", "40"])
    maker.main()
    assert made == [(tmp_path, 3, 40)]
