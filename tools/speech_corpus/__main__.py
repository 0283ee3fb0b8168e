"""Build the speech corpus: recordings with phone times in the user's cache folder.

python -m tools.speech_corpus PATH/TO/speech [aligned] [recognised] [synthetic]

Running it again goes on where it stopped. `synthetic` needs the Debian package flite.
"""

from __future__ import annotations

import sys
from pathlib import Path

from animate.encoder.corpus import corpus_folder, save
from tools.speech_corpus.aligned import aligned
from tools.speech_corpus.recognised import recognised
from tools.speech_corpus.synthetic import synthetic

PARTS = {"aligned": aligned, "recognised": recognised, "synthetic": synthetic}


def main(arguments: list[str]) -> int:
    if not arguments or set(arguments[1:]) - set(PARTS):
        sys.exit(__doc__)
    for part in arguments[1:] or PARTS:
        folder = corpus_folder() / part
        seconds = trusted = count = 0
        for spoken in PARTS[part](Path(arguments[0]), lambda name, at=folder: (at / f"{name}.npz").is_file()):
            save(spoken, folder)
            count += 1
            seconds += spoken.duration_s
            trusted += (spoken.end_s - spoken.start_s)[spoken.trusted].sum()
        print(
            f"{part}: {count} new, {seconds / 60:.1f} min, {trusted / max(seconds, 1e-9):.0%} of it trusted: {folder}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
