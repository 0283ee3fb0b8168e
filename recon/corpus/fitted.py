"""A source to samples: its pictures are read, a head is fitted to all of one person's, crops are cut and judged."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from flame_tools.blas import one_blas_thread
from flame_tools.errors import FormatError, InputError
from flame_tools.head import Head
from flame_tools.types import Camera
from readers.cuts import thumbnail
from readers.faces import FaceReading
from readers.sampling import Square
from recon.corpus.clips import Picture, Shown, people_of
from recon.corpus.faces import PEOPLE, Rejected, face_in
from recon.corpus.quality import MOST_BLUR, MOST_ERROR, Quality, blur, quality_of
from recon.corpus.sample import Sample, jpeg_of, members_of
from recon.corpus.source import Source
from recon.fitting.evaluate import errors
from recon.fitting.fit import LandmarkFit, fit_many, same_lens
from recon.fitting.focal import focal_from_exif
from recon.fitting.observation import Observation, View
from recon.learned.regressed import crop_of
from recon.pipeline import landmark_model, network_for, observe, params_of, reader_of


@dataclass(frozen=True)
class BuildOptions:
    """What a corpus takes."""

    size: int = 224
    """Pixels a side of a crop's picture."""
    shard_size: int = 1024
    """Samples after which a shard ends; a clip is never parted."""
    min_quality: float = 0.3
    """In [0, 1]: what is worth less is left out."""
    frames_per_clip: int = 8
    """At most so many frames of each person in a clip share an identity."""
    people: str = "one"
    """one: pictures of several people are left out where it is unclear who is meant; largest: the largest is."""

    def __post_init__(self):
        for what, value, low, high in (
            ("size", self.size, 32, 1024),
            ("shard_size", self.shard_size, 1, 1_000_000),
            ("min_quality", self.min_quality, 0, 1),
            ("frames_per_clip", self.frames_per_clip, 1, 64),
        ):
            if not low <= value <= high:
                raise InputError(f"{what} is {value}, wanted {low} to {high}")
        if self.people not in PEOPLE:
            raise InputError(f"people is {self.people!r}; choose {' or '.join(PEOPLE)}")


@dataclass(frozen=True)
class Packed:
    """A sample ready for a shard, and what tells it from its neighbours."""

    key: str
    members: dict[str, bytes]
    landmarks: np.ndarray  # float32 [468, 2] crop units
    thumbnail: np.ndarray  # [18, 32] in [0, 1]


@dataclass(frozen=True)
class Made:
    """What became of a source."""

    samples: list[Packed] = field(default_factory=list)
    pictures: int = 0  # that were looked at
    rejected: Counter[str] = field(default_factory=Counter)  # by recon.corpus.faces.REASONS


@dataclass(frozen=True)
class _Read:
    """A face that was read and may be fitted."""

    picture: Picture  # without its pixels
    reading: FaceReading
    seen: Observation
    roi: Square  # the reader's crop
    crop: np.ndarray  # uint8 [P, P, 3]
    marks: np.ndarray  # float32 [478, 3] crop units
    blurred: float


class Fitter:
    """Makes samples for one head."""

    def __init__(self, head: Head, options: BuildOptions):
        self.head, self.options = head, options
        self.model, self.net = landmark_model(head.arrays), network_for(head.arrays.id)

    @one_blas_thread()
    def made_of(self, source: Source) -> Made:
        """Samples of a source in the order of its people and frames. The same source gives the same bytes."""
        made = Made()
        pictures = 0
        try:
            for who, shown in enumerate(people_of(source, self.options.frames_per_clip)):
                read: list[_Read] = []
                for picture in shown.pictures:
                    pictures += 1
                    try:
                        read.append(self._read(source, picture))
                    except Rejected as rejected:
                        made.rejected[rejected.reason] += 1
                made.samples.extend(self._fitted(source, shown, who, read, made.rejected))
        except (FormatError, InputError, OSError):
            made.samples.clear()  # of a film that breaks off nothing is taken
            made.rejected.clear()
            made.rejected["unreadable"] = pictures = max(pictures, 1)
        if not pictures:
            made.rejected["no_face"] = pictures = 1  # a film in which nobody was followed
        return dataclasses.replace(made, pictures=pictures)

    def _read(self, source: Source, picture: Picture) -> _Read:
        image = picture.image
        reading = face_in(image, at=picture.at, people=self.options.people)
        roi, crop, marks = crop_of(image, reading.landmarks, reading.iris, self.options.size)
        crop = np.rint(crop * 255).astype(np.uint8)
        blurred = blur(crop)
        if blurred > MOST_BLUR:
            raise Rejected("blurred")
        focal = None if source.is_clip else focal_from_exif(source.path)
        seen = observe(image, reading, View((image.shape[1], image.shape[0]), focal), self.head.arrays, self.net)
        return _Read(picture._replace(image=image[:0]), reading, seen, roi, crop, marks.astype(np.float32), blurred)

    def _fitted(self, source: Source, shown: Shown, who: int, read: list[_Read], rejected: Counter) -> Iterator[Packed]:
        """Samples of one person; what is left out is counted in `rejected`."""
        if not read:
            return
        seen = [one.seen for one in read]
        fits = fit_many(self.head.arrays, self.model, seen, one_camera=same_lens(seen))
        for one, found in zip(read, fits, strict=True):
            error = float(errors(found, one.seen.landmarks).mean())
            quality = quality_of(one.reading, one.blurred, error)
            if error > MOST_ERROR:
                rejected["poor_fit"] += 1
            elif quality.total < self.options.min_quality:
                rejected["low_quality"] += 1
            else:
                yield self._packed(source, shown, who, one, found, error, quality)

    def _packed(
        self, source: Source, shown: Shown, who: int, one: _Read, found: LandmarkFit, error: float, quality: Quality
    ) -> Packed:
        seen, number = one.seen, one.picture.number
        figures = {"nme_468_fitted": error, "blur": one.blurred, "face_px": one.reading.size, **vars(quality)}
        facts = {
            "dataset": source.dataset, "source": source.name, "frame": number, "time_s": one.picture.time_s,
            "labels": source.labels, "head": self.head.arrays.id, "landmarks": reader_of(seen),
            "focal": {"known": seen.view.focal_px is not None, "log_sd": float(found.sd[found.layout.log_focal][0])},
            "figures": {name: round(float(value), 5) for name, value in figures.items()},
        }  # fmt: skip
        noise = np.full(468, np.nan) if seen.noise is None else seen.noise / one.roi.size
        placed = np.concatenate([one.roi.from_image(seen.landmarks), noise[:, None]], 1).astype(np.float32)
        sample = Sample(
            key=f"{source.key}-{who}-{number:06d}", picture=one.crop, landmarks=one.marks, placed=placed,
            params=params_of(found, found.unknowns, unknown=0.0, dtype=torch.float32).frame(0),
            std=params_of(found, found.sd, unknown=float("nan"), dtype=torch.float32).frame(0),
            camera=Camera(np.full(2, found.focal), seen.view.middle, seen.view.size), crop=one.roi,
            quality=quality.total, subject=shown.subject, split=source.split, facts=facts,
        )  # fmt: skip
        return Packed(sample.key, members_of(sample, jpeg_of(one.crop)), one.marks[:468, :2], thumbnail(one.crop))
