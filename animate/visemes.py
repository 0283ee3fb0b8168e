"""What each phone asks of the mouth: targets and how much the phone insists on them.

Channels are abstract articulations, in the units of the ARKit weight that serves them (1 is that shape in full).
A weight near 0 lets the neighbours decide, which is what coarticulation is: /t/ does not care about rounding, so that
the lips of "two" are round before the tongue has let go. Rounding, spreading and opening follow the descriptions in
Ladefoged & Johnson, "A Course in Phonetics"; sizes were set by eye on the default head.
"""

from __future__ import annotations

from dataclasses import dataclass

BILABIAL = frozenset(("P", "B", "M"))
LABIODENTAL = frozenset(("F", "V"))
OPEN_VOWELS = frozenset(("AA", "AE", "AH", "AO", "AW", "AY"))
VOWELS = OPEN_VOWELS | {"EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"}
SILENCE = "SIL"

CHANNELS = (
    "jaw", "close", "pucker", "funnel", "spread", "upper", "lower", "roll", "press", "forward",
    "tongue_up", "tongue_back", "tongue_teeth",
)  # fmt: skip
# Time over which a channel can follow its targets, seconds (half of a step response): the jaw is the heaviest.
INERTIA_S = {
    "jaw": 0.040, "close": 0.022, "pucker": 0.038, "funnel": 0.040, "spread": 0.045, "upper": 0.030, "lower": 0.030,
    "roll": 0.024, "press": 0.028, "forward": 0.045, "tongue_up": 0.020, "tongue_back": 0.026, "tongue_teeth": 0.022,
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One posture in a phone."""

    start: float  # share of the phone at which the posture begins
    end: float
    values: dict[str, tuple[float, float]]  # channel -> target, insistence


# Insistence on channels that a phone does not name: it then prefers rest, a little.
SLACK = {
    "jaw": 0.25, "close": 0.30, "pucker": 0.05, "funnel": 0.06, "spread": 0.05, "upper": 0.10, "lower": 0.10,
    "roll": 0.30, "press": 0.20, "forward": 0.10, "tongue_up": 0.15, "tongue_back": 0.15, "tongue_teeth": 0.30,
}  # fmt: skip

# phone: postures "share jaw=.30 spread=.1*0.5 ..." (target*insistence, insistence 1 if not given)
_TABLE = """
AA  0:1    jaw=.30 lower=.12 pucker=0*.4 spread=0*.3
AE  0:1    jaw=.27 lower=.22 upper=.12 spread=.22*.7 pucker=0*.6
AH  0:1    jaw=.19*.8 lower=.14 spread=.02*.2 pucker=0*.3
AO  0:1    jaw=.26 funnel=.22*.9 pucker=.18*.8 spread=0*.6
AW  0:.55  jaw=.28 lower=.15 spread=.05*.4 pucker=0*.3
AW  .6:1   jaw=.15 funnel=.20 pucker=.45 spread=0*.8
AY  0:.55  jaw=.28 lower=.16 pucker=0*.4
AY  .6:1   jaw=.15 spread=.28 lower=.12 pucker=0*.7
EH  0:1    jaw=.20 lower=.18 upper=.08 spread=.18*.7 pucker=0*.5
ER  0:1    jaw=.14 funnel=.22 pucker=.18 spread=0*.5 lower=.06 tongue_back=.25*.4
EY  0:.5   jaw=.19 spread=.22*.8 lower=.18 upper=.06 pucker=0*.6
EY  .55:1  jaw=.12 spread=.32 lower=.14 pucker=0*.7
IH  0:1    jaw=.14*.8 spread=.16*.6 lower=.14 pucker=0*.4 tongue_up=.10*.3
IY  0:1    jaw=.10 spread=.38 lower=.14 upper=.06 pucker=0*.9 tongue_up=.15*.4
OW  0:.5   jaw=.19 funnel=.18 pucker=.35 spread=0*.8
OW  .5:1   jaw=.12 funnel=.16 pucker=.75*1.3 spread=0*.9 close=.10
OY  0:.5   jaw=.22 funnel=.24 pucker=.38 spread=0*.8
OY  .6:1   jaw=.13 spread=.26 pucker=0*.7
UH  0:1    jaw=.14 funnel=.16 pucker=.34*.9 spread=0*.6
UW  0:1    jaw=.11 funnel=.12 pucker=.95*1.6 spread=0 close=.22
P   0:.85  jaw=.05 press=.25 roll=.12*.5 upper=0*.6 lower=0*.6
B   0:.85  jaw=.06 press=.18 roll=.10*.5 upper=0*.6 lower=0*.6
M   0:1    jaw=.06 press=.14 roll=.08*.5 upper=0*.6 lower=0*.6
F   0:1    jaw=.065 roll=.66*1.6 close=.54*1.4 upper=.20 lower=0 spread=.04*.1
V   0:1    jaw=.07 roll=.58*1.5 close=.50*1.3 upper=.18 lower=0 spread=.04*.1
T   0:1    jaw=.09*.8 tongue_up=.75 lower=.10*.4 close=0*.4
D   0:1    jaw=.10*.7 tongue_up=.70 lower=.10*.4 close=0*.4
N   0:1    jaw=.11*.6 tongue_up=.70 lower=.08*.3 close=0*.4
L   0:1    jaw=.14*.6 tongue_up=.80 lower=.10*.4 close=0*.4
S   0:1    jaw=.055*1.3 spread=.14*.35 lower=.26 upper=.10 tongue_up=.30 close=0*.6
Z   0:1    jaw=.06*1.2 spread=.12*.35 lower=.24 upper=.09 tongue_up=.30 close=0*.6
SH  0:1    jaw=.06*1.2 funnel=.40 pucker=.34 spread=0*.8 forward=.20 tongue_up=.25 close=0*.5
ZH  0:1    jaw=.06*1.2 funnel=.36 pucker=.32 spread=0*.8 forward=.18 tongue_up=.25 close=0*.5
CH  0:1    jaw=.06*1.2 funnel=.36 pucker=.30 spread=0*.8 forward=.18 tongue_up=.60 close=0*.5
JH  0:1    jaw=.07*1.1 funnel=.34 pucker=.28 spread=0*.8 forward=.16 tongue_up=.60 close=0*.5
TH  0:1    jaw=.11 tongue_teeth=.75*1.3 lower=.12 close=0*.6
DH  0:1    jaw=.11*.8 tongue_teeth=.60*1.2 lower=.10*.6 close=0*.5
K   0:1    jaw=.14*.35 tongue_back=.75 close=0*.3
G   0:1    jaw=.14*.35 tongue_back=.72 close=0*.3
NG  0:1    jaw=.14*.35 tongue_back=.70 close=0*.3
HH  0:1    jaw=.15*.15 close=0*.3
R   0:1    jaw=.12*.7 funnel=.28*.9 pucker=.26*.8 spread=0*.5 tongue_back=.25*.4 close=0*.3
W   0:1    jaw=.085 funnel=.13 pucker=1.0*1.8 spread=0*1.2 close=.34
Y   0:1    jaw=.10 spread=.28*.8 lower=.08*.4 pucker=0*.4 tongue_up=.25*.4 close=0*.3
SPN 0:1    jaw=.14*.6 lower=.10*.4
"""


def _parse(table: str) -> dict[str, tuple[Target, ...]]:
    postures: dict[str, list[Target]] = {}
    for line in table.strip().splitlines():
        phone, share, *fields = line.split()
        start, end = (float(edge) for edge in share.split(":"))
        values = {channel: (0.0, slack) for channel, slack in SLACK.items() if channel != "jaw"}
        for field in fields:
            channel, _, rest = field.partition("=")
            target, _, insistence = rest.partition("*")
            values[channel] = (float(target), float(insistence or 1))
        postures.setdefault(phone, []).append(Target(start, end, values))
    return {phone: tuple(targets) for phone, targets in postures.items()}


VISEMES: dict[str, tuple[Target, ...]] = _parse(_TABLE)


def plain(phone: str) -> str:
    """A phone's name as this module knows it: upper case, no stress digit; SIL for every kind of silence."""
    name = phone.strip().upper().rstrip("012")
    if name in ("", "SIL", "SP", "EPS", "<EPS>", "<SIL>", "<S>", "</S>", "+NSN+"):
        return SILENCE
    return "AH" if name == "AX" else name
