import numpy as np

from animate.dynamics import course, lived
from animate.emphasis import find_accents
from animate.speech import RATE, measure, prepare
from animate.textgrid import intervals
from animate.visemes import SILENCE
from tests.animate.test_eyes import swelling
from tests.animate.test_speech import voiced

TIMES = np.arange(0, 8, 1 / 60)


def spoken_then_silent():
    sound = np.concatenate([swelling(), np.zeros(4 * RATE, np.float32)])
    return measure(prepare(sound, RATE)), intervals([("AA", 0.0, 4.0), (SILENCE, 4.0, 8.0)])


def test_emotion_peaks_with_the_voice_and_sinks_in_pauses():
    prosody, phones = spoken_then_silent()
    factor = course(prosody, phones, TIMES)
    assert factor.min() > 0.5 and factor.max() <= 1
    at = [np.abs(TIMES - time).argmin() for time in find_accents(prosody).time_s[:2]]
    assert factor[at].min() > factor[(TIMES > 1.9) & (TIMES < 2.2)].max() + 0.05
    assert factor[-1] < 0.62, "a long pause rests"
    speaking = (TIMES > 0.7) & (TIMES < 3.5)
    assert factor[-1] < factor[speaking].min() - 0.05, "no pause sinks it while somebody speaks"
    assert factor[0] < factor[speaking].min() - 0.05, "no onset"
    assert np.abs(np.diff(factor)).max() * 60 < 2.0, "an onset of less than a fifth of a second"


def test_emotion_swells_with_loud_phrases():
    loud = voiced(120, 3.0)
    sound = np.concatenate([0.15 * loud, loud]).astype(np.float32)
    factor = course(measure(prepare(sound, RATE)), intervals([("AA", 0.0, 6.0)]), TIMES)
    soft, strong = factor[(TIMES > 1.0) & (TIMES < 2.0)], factor[(TIMES > 4.5) & (TIMES < 5.5)]
    assert strong.mean() > soft.mean() + 0.08


def test_it_is_there_before_the_voice():
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), swelling()])
    factor = course(measure(prepare(sound, RATE)), intervals([(SILENCE, 0.0, 2.0), ("AA", 2.0, 6.0)]), TIMES)
    resting, early = factor[TIMES < 1.0], factor[(TIMES > 1.85) & (TIMES < 2.0)]
    assert np.ptp(resting) < 1e-6 and early.min() > resting.max() + 0.05


def test_every_emotion_follows_one_course_up_to_what_is_asked():
    asked = np.array([0, 0.8, 0, 0.4, 0, 0, 0, 0])
    felt = lived(asked, *spoken_then_silent(), TIMES)
    assert felt.shape == (len(TIMES), 8) and (felt <= asked).all()
    np.testing.assert_allclose(felt[:, 1], 2 * felt[:, 3])
