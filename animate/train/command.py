"""The words that trainings on a corpus of performances are started with."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from animate.corpus import Corpus, load_corpus
from animate.train.run import read_config


def asked(arguments: list[str], default, usage: str) -> tuple[object, Corpus, Path]:
    """CORPUS FOLDER [CONFIG.json] [--overfit N]: the config, the corpus (its first N clips) and the folder."""
    words, overfit = list(arguments), 0
    if len(words) > 1 and words[-2] == "--overfit" and words[-1].isdigit():
        overfit = int(words[-1])
        words = words[:-2]
    if len(words) not in (2, 3):
        sys.exit(usage)
    corpus = load_corpus(Path(words[0]))
    if overfit:
        corpus = first_clips(corpus, overfit)
    return read_config(default, Path(words[2])) if words[2:] else default, corpus, Path(words[1])


def first_clips(corpus: Corpus, count: int) -> Corpus:
    clips = corpus.clips[:count]
    return dataclasses.replace(corpus, clips=clips, speakers=tuple(sorted({clip.speaker for clip in clips})))
