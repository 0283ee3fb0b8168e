import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.errors import InputError
from flame_tools.live.osc import bundle, bundles, message
from tests.flame_tools.live.osc_reader import messages_in

ascii_text = st.text(st.characters(codec="ascii", min_codepoint=1), max_size=20)
arguments = st.lists(
    st.one_of(ascii_text, st.integers(-(2**31), 2**31 - 1), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    max_size=8,
)


def test_the_specifications_own_example():
    # opensoundcontrol.org, OSC 1.0, "OSC Message Examples"
    assert message("/foo", 1000, -1, "hello", 1.234, 5.678) == bytes.fromhex(
        "2f666f6f 00000000 2c696973 66660000 000003e8 ffffffff 68656c6c 6f000000 3f9df3b6 40b5b22d"
    )
    assert message("/oscillator/4/frequency", 440.0) == b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0"


def test_a_bundle_holds_its_messages_and_says_now():
    one, other = message("/a", 1), message("/bcd")
    assert bundle([one, other]) == (
        b"#bundle\0\0\0\0\0\0\0\0\x01" + b"\0\0\0\x0c" + one + b"\0\0\0\x0c" + b"/bcd\0\0\0\0,\0\0\0"
    )
    assert messages_in(bundle([one, other])) == [("/a", 1), ("/bcd",)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ascii_text, arguments), max_size=6))
def test_what_is_written_is_read(many):
    wanted = [("/" + address, *values) for address, values in many]
    written = [message(*one) for one in wanted]
    assert all(len(one) % 4 == 0 for one in written)
    assert messages_in(bundle(written)) == wanted
    packed = bundles(written, most=120)
    assert [one for data in packed for one in messages_in(data)] == wanted
    for data in packed:
        assert len(data) <= 120 or len(messages_in(data)) == 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("foo",), "begin"),
        (("/foo", 2**31), "32 bits"),
        (("/foo", float("nan")), "number"),
        (("/foo", 1e300), "number"),
        (("/foo", "naïve"), "ASCII"),
        (("/fo\0o",), "ASCII"),
    ],
)
def test_what_osc_cannot_say_is_refused(arguments, match):
    with pytest.raises(InputError, match=match):
        message(*arguments)


def test_python_osc_writes_the_same_bytes():
    pytest.importorskip("pythonosc")
    from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder("/VMC/Ext/Blend/Val")
    for value in ("JawOpen", 0.25, 7):
        builder.add_arg(value)
    theirs = OscBundleBuilder(IMMEDIATELY)
    theirs.add_content(builder.build())
    assert theirs.build().dgram == bundle([message("/VMC/Ext/Blend/Val", "JawOpen", 0.25, 7)])


def test_numpy_numbers_are_numbers():
    assert message("/f", np.float64(0.5)) == message("/f", 0.5)
