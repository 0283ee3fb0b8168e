import pytest

from flame_tools.arkit import ARKIT_NAMES
from flame_tools.characters.names import arkit_spelling, joint_named
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE


@pytest.mark.parametrize("name", ARKIT_NAMES)
def test_every_name_in_the_spellings_of_common_tools(name):
    snake = "".join("_" + c.lower() if c.isupper() else c for c in name)
    short = name.replace("Left", "_L").replace("Right", "_R")
    for given in (name, name.lower(), snake, short, f"blendShape1.{name}", f"Head_{snake}", f"face:{short}"):
        assert arkit_spelling(given) == name, given


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mouthSmile", "mouthSmile"),
        ("browInnerUp_L", "browInnerUpLeft"),
        ("cheekPuff_R", "cheekPuffRight"),
        ("Eye_L_Look_Up", "eyeLookUpLeft"),
        ("Brow_Drop_L", "browDownLeft"),
        ("A31_Jaw_Open", "jawOpen"),
        ("jaw_L", "jawLeft"),
        ("eyeBlinkLeft_bulge", None),
        ("jawOpen_over", None),
        ("viseme_aa", None),
        ("mouthOpen", None),
        ("", None),
        ("Basis", None),
    ],
)
def test_other_spellings(given, wanted):
    assert arkit_spelling(given) == wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("mixamorig:Head", (NECK, True)), ("Bip01 Head", (NECK, True)), ("HeadTop_End", None), ("neck", (NECK, False)),
        ("CC_Base_JawRoot", (JAW, True)), ("DEF-jaw", (JAW, True)), ("upper_jaw", None),
        ("LeftEye", (LEFT_EYE, True)), ("eye.R", (RIGHT_EYE, True)), ("CC_Base_L_Eye", (LEFT_EYE, True)),
        ("lid.T.L", None), ("eyebrow_l", None), ("EyeTarget_L", None), ("spine", None),
    ],
)  # fmt: skip
def test_bones(given, wanted):
    assert joint_named(given) == wanted
