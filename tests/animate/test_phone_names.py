import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.phone_names import arpabet_of, whole_stops
from animate.visemes import SILENCE, VISEMES
from flame_tools.errors import InputError
from flame_tools.types import Intervals

# Labels of MFA's English dictionaries in IPA.
MFA = (  # noqa: SIM905
    "aj aw b bʲ c cʰ cʷ d dʒ dʲ d̪ ej f fʲ fʷ h i iː j k kp kʰ kʷ l m mʲ m̩ n n̩ ow p pʰ pʲ pʷ s t tʃ tʰ tʲ tʷ t̪ u uː v "
    "vʲ vʷ w z æ ç ð ŋ ɐ ɑ ɑː ɒ ɒː ɔ ɔj ə əw ɚ ɛ ɛː ɜ ɜː ɝ ɟ ɟʷ ɡ ɡb ɡʷ ɪ ɫ ɫ̩ ɱ ɲ ɹ ɾ ɾʲ ɾ̃ ʃ ʉ ʉː ʊ ʎ ʒ ʔ θ"
).split()


def test_arpabet_in_any_case_with_stress_and_without():
    labels = ["AH0", "ay1", "B", "m", "spn", "SIL", "sp", "sil", "", " HH ", "ER2", "AX"]
    wanted = ["AH", "AY", "B", "M", "SPN", *[SILENCE] * 4, "HH", "ER", "AH"]
    assert arpabet_of(labels, "x") == wanted


def test_all_of_mfas_english_is_known_and_lips_close_where_they_should():
    found = dict(zip(MFA, arpabet_of(MFA, "x"), strict=True))
    assert set(found.values()) <= set(VISEMES)
    assert {label for label, phone in found.items() if phone in ("P", "B", "M")} == {
        "b", "bʲ", "kp", "m", "mʲ", "m̩", "p", "pʰ", "pʲ", "pʷ", "ɡb",
    }  # fmt: skip
    assert found["ɱ"] in ("F", "V"), "the lower lip at the teeth, not at the lip"
    assert arpabet_of(["ə", "spn", "sil", "", "sp"], "x") == ["AH", "SPN", SILENCE, SILENCE, SILENCE]


@pytest.mark.parametrize(
    ("label", "phone"),
    [("t͡ʃ", "CH"), ("ˈaɪ", "AY"), ("ˌoʊ", "OW"), ("ã", "AA"), ("ə˞", "ER"), ("g", "G"), ("ç", "HH"), ("ãː", "AA")],
)
def test_ipa_as_others_write_it(label, phone):
    assert arpabet_of([label, "ʃ"], "x")[0] == phone


def test_one_alphabet_reads_a_whole_tier():
    assert arpabet_of(["y", "iy"], "x") == ["Y", "IY"]  # small ARPAbet, as Buckeye's
    assert arpabet_of(["y", "ʃ"], "x") == ["UW", "SH"]  # French tu


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["AH0", "B", "%%", "B", "zz9"], r"a.TextGrid names phones that are no ARPAbet: '%%', 'zz9'; wanted"),
        (["ə", "ʃ", "§"], r"are no IPA: '§'"),
        (["1"], r"'1'"),  # a digit alone is no silence
        (list("123456789"), r"'5', \.\.\.;"),
    ],
)
def test_what_no_alphabet_knows_is_refused_by_name(labels, said):
    with pytest.raises(InputError, match=said):
        arpabet_of(labels, "a.TextGrid")


@given(st.lists(st.text(max_size=4), max_size=6))
def test_any_text_is_a_phone_or_refused(labels):
    try:
        found = arpabet_of(labels, "x")
    except InputError:
        return
    assert len(found) == len(labels) and set(found) <= {*VISEMES, SILENCE}


def test_timits_closures_and_bursts_are_one_phone():
    labels = (
        "h#", "s", "tcl", "t", "aa", "pcl", "p", "tcl", "ch", "q", "dcl", "jh", "ax-h", "bcl", "iy", "epi", "kcl",
        "pau", "p", "h#",
    )  # fmt: skip
    edges = np.arange(len(labels) + 1) / 10
    tier = whole_stops(Intervals(labels, edges[:-1], edges[1:]))
    assert " ".join(arpabet_of(tier.names, "a")) == "SIL S T AA P CH HH JH AH B IY SIL K SIL P SIL"
    np.testing.assert_allclose(tier.start_s[1:], tier.end_s[:-1])
    assert (tier.start_s[2], tier.end_s[2]) == (0.2, 0.4)
