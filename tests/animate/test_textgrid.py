import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.textgrid import intervals, read_textgrid, write_textgrid
from flame_tools.errors import FormatError
from tests.animate.conftest import utterance

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.5
<exists>
2
"IntervalTier"
"phones"
0
1.5
2
0
0.5
"AH1"
0.5
1.5
"a ""quoted"" one"
"TextTier"
"clicks"
0
1.5
1
0.7
"click 3"
"""


def test_short_form_with_quotes_and_a_point_tier(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(SHORT)
    tiers = read_textgrid(path)
    assert list(tiers) == ["phones"]
    assert tiers["phones"].names == ("AH1", 'a "quoted" one')
    np.testing.assert_array_equal(tiers["phones"].end_s, [0.5, 1.5])


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
)
def test_what_is_written_is_read(tmp_path_factory, names, seed):
    edges = np.cumsum(np.random.default_rng(seed).uniform(0.01, 2.0, len(names) + 1)).round(6)
    edges -= edges[0]
    tier = intervals(zip(names, edges[:-1].round(6), edges[1:].round(6), strict=True))
    path = tmp_path_factory.mktemp("grid") / "x.TextGrid"
    write_textgrid({"words": tier}, path, end_s=float(edges[-1].round(6)))
    back = read_textgrid(path)["words"]
    assert back.names == tier.names
    np.testing.assert_allclose(back.start_s, tier.start_s, atol=1e-6)  # six decimals are written


def test_gaps_are_filled(tmp_path):
    path = tmp_path / "gap.TextGrid"
    write_textgrid({"p": intervals([("B", 0.5, 0.6)])}, path, end_s=1.0)
    assert read_textgrid(path)["p"].names == ("", "B", "")


def test_a_real_one():
    tiers = read_textgrid(utterance("4088-158079-0014")[1])
    assert tiers["words"].names[1] == "asking"
    assert len(tiers["phones"]) == 160
    assert tiers["phones"].end_s[-1] == 12.44


@pytest.mark.parametrize(
    "content, match",
    [
        (b"hello", "does not open as a TextGrid"),
        (SHORT.encode()[:-60], "ends early"),
        (b"\xff\x00\x81", "not text"),
        (SHORT.replace("0.5\n1.5", "1.5\n0.5").encode(), "out of place"),
    ],
)
def test_other_files_are_refused(tmp_path, content, match):
    path = tmp_path / "bad.TextGrid"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match):
        read_textgrid(path)


def test_two_tiers_of_one_name_are_refused(tmp_path):
    tiers = {"phones": intervals([("M", 0.0, 1.0)]), "phones2": intervals([("P", 0.0, 1.0)])}
    write_textgrid(tiers, tmp_path / "a.TextGrid", end_s=1.0)
    text = (tmp_path / "a.TextGrid").read_text()
    (tmp_path / "a.TextGrid").write_text(text.replace("phones2", "phones"))
    with pytest.raises(FormatError, match="several tiers called 'phones'"):
        read_textgrid(tmp_path / "a.TextGrid")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FormatError, match="cannot be read"):
        read_textgrid(tmp_path / "none.TextGrid")
