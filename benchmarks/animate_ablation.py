"""What parts of the training do: trained models side by side, on the voice that nothing learnt from.

    python benchmarks/animate_ablation.py [teacher] [still] NAME=MODEL.npz ... [--lines 12] [--judge-file FILE]

Every model hears the same lines, at every emotion at 0.7, and moves the face as it is: no promise is kept for it
(animate.learned.kept). Against the teacher's performance of the true phones with the same emotion: vertices in mm, and
the figures of `eval lips`. Readability: what the bundled emotion reader, and with --judge-file the independent judges,
see in the face. The row `teacher` is the teacher itself, `still` a face that never moves. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from animate.emotion import EMOTIONS, parse
from animate.encoder.corpus import PHONES, corpus_folder, load_corpus
from animate.hearing import hear
from animate.learned import load_performer, moved
from animate.manner import Manner
from animate.metrics import lip_report
from animate.motion import face_of
from animate.motion_metrics import motion_report
from animate.perform import params_of, speak
from animate.speech import RATE, measure, prepare
from benchmarks.animate_lips import pooled
from flame_tools.lips import Lips
from flame_tools.load import load_head
from flame_tools.types import Intervals, Track
from readers.coarse import coarse
from readers.emotion import load_emotion_reader
from readers.stage import Stage

FPS = 30
INTENSITY = 0.7


def lines(count: int) -> list:
    """Utterances of the voice kept out whose phones are all known."""
    _, held = load_corpus([corpus_folder() / "aligned"])
    whole = [spoken for spoken in held if spoken.trusted.all() and spoken.duration_s > 3]
    return sorted(whole, key=lambda spoken: spoken.name)[:count]


class Line:
    """One utterance, heard once."""

    def __init__(self, spoken):
        self.speech = prepare(spoken.samples, RATE)
        self.prosody = measure(self.speech)
        self.said = Intervals(tuple(PHONES[i] for i in spoken.phones), spoken.start_s, spoken.end_s)
        self.times = np.arange(int(np.ceil(self.speech.duration_s * FPS))) / FPS

    @functools.cached_property
    def hearing(self):
        return hear(self.speech.analysis)

    def track(self, head, params) -> Track:
        count = len(self.times)
        return Track(
            head.arrays.id, params.frame(slice(count)), self.times, audio=self.speech.samples,
            audio_rate=self.speech.rate,
        )  # fmt: skip

    def by_teacher(self, head, lips: Lips, felt: np.ndarray) -> Track:
        made = speak(self.said, self.prosody, self.times, self.speech.duration_s, felt, lips=lips, manner=Manner())
        return self.track(head, params_of(made, head, torch.zeros(head.shape_size)))

    def by_model(self, performer, felt: np.ndarray, teacher: Track) -> Track:
        motion = next(iter(moved(performer, self.hearing, self.said, felt)))
        short = max(len(self.times) - len(motion), 0)
        motion = np.concatenate([motion, motion[-1:].repeat(short, 0)])[: len(self.times)]
        face = face_of(torch.from_numpy(motion), performer.head)
        moving = {name: getattr(face, name).detach() for name in ("expression", "jaw", "eyelids")}
        return teacher.replace(params=teacher.params.replace(**moving))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="+", metavar="teacher, still or NAME=MODEL.npz")
    parser.add_argument("--lines", type=int, default=12)
    parser.add_argument("--judge-file", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    head = load_head()
    lips, stage, reader = Lips(head, torch.zeros(head.shape_size)), Stage(coarse(head), "face"), load_emotion_reader()
    heard = [Line(spoken) for spoken in lines(options.lines)]
    models = dict(pair.split("=", 1) for pair in options.rows if "=" in pair)
    performers = {name: load_performer(Path(file)) for name, file in models.items()}

    def named(track: Track) -> str:
        with torch.no_grad():
            pictures = stage(stage.vertices(track.params), stage.framing(track.params.shape))
            return EMOTIONS[int(reader(pictures[None, ::15]).logits[0].argmax())]

    teacher = {
        (k, emotion): line.by_teacher(head, lips, parse(f"{emotion}:{INTENSITY}"))
        for k, line in enumerate(heard)
        for emotion in EMOTIONS
    }
    result: dict = {"lines": len(heard), "seconds": round(sum(line.speech.duration_s for line in heard), 1)}
    for name in (row.split("=")[0] for row in options.rows):
        reports, errors, right, judged = [], [], [], []
        for (k, emotion), wanted in teacher.items():
            if name == "teacher":
                track = wanted
            elif name == "still":
                rest = torch.zeros_like(wanted.params.expression)
                still = wanted.params.replace(expression=rest, jaw=torch.zeros_like(wanted.params.jaw))
                track = wanted.replace(params=still)
            else:
                track = heard[k].by_model(performers[name], parse(f"{emotion}:{INTENSITY}"), wanted)
            if emotion == "neutral":
                reports.append(lip_report(track, head, heard[k].said))
            errors.append(motion_report(track, wanted, head))
            right.append(named(track) == emotion)
            if options.judge_file:
                judged.append(judge(track, head, options.judge_file, emotion))
        figures = pooled(reports)
        for field in ("mve_face_mm", "lve_artalk_mm", "fdd_mm2", "lip_gap_error_mm"):
            figures[field] = round(float(np.mean([getattr(e, field) for e in errors])), 4)
        figures["reader_named"] = round(float(np.mean(right)), 4)
        if judged:
            figures["judge_named"] = round(float(np.mean(judged)), 4)
        result[name] = figures
        print(name, figures, flush=True)
    print(json.dumps(result))
    return 0


def judge(track: Track, head, file: Path, emotion: str) -> bool:
    from readers.judges import judge_emotion

    return judge_emotion(track, head, judge_file=file).named == emotion


if __name__ == "__main__":
    sys.exit(main())
