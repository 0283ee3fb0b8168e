"""Films of a Track: from any side, turning, as passes, with the mesh over it, beside another track in step with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import at_frames, person, posed_frames
from flame_tools.resample import at_rate
from flame_tools.types import Camera, Track
from render.camera import SIDES, is_size, portrait_camera
from render.passes import PASSES, depth_range, draw_pass
from render.preview import draw
from render.sheets import contact_sheet

# degrees that the camera walks to the subject's left
YAWS = {"portrait": 8.0, "front": 0.0, "three-quarter": 40.0, "profile": 90.0}
VIEWS = (*YAWS, "turntable", "sheet")
SHEET = ("front", "three-quarter", "profile")
TURN_S, TURN_FPS = 4, 24  # a turn about someone who does not move
SLOW_TURN_S = 8  # about someone who speaks


@dataclass(frozen=True)
class Film:
    """Pictures, uint8 [H, W, 3] of one size, drawn as they are asked for."""

    count: int
    fps: Fraction
    pictures: Callable[[], Iterator[np.ndarray]] = field(repr=False)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.pictures()


def frame_rate(track: Track) -> Fraction:
    """Frames per second of a track with a constant rate; the mean rate of any other, 30 for a single frame."""
    if track.fps is not None:
        return Fraction(*track.fps)
    if len(track) < 2:
        return Fraction(30)
    return Fraction((len(track) - 1) / float(track.time_s[-1] - track.time_s[0])).limit_denominator(1001)


def at_even_times(track: Track) -> Track:
    """`track` as a film can show it: one whose frames come at uneven times is read at its usual rate."""
    if track.fps is not None or len(track) < 2:
        return track
    return at_rate(track, Fraction(1 / float(np.median(np.diff(track.time_s)))).limit_denominator(1001))


def slopes_worn(track: Track, head: Head) -> np.ndarray | None:
    """The slopes of the relief that a track wears, as `render.preview.draw` takes them; None without one."""
    if track.appearance is None or track.appearance.detail is None:
        return None
    from flame_tools.surface.relief import slopes_of

    return slopes_of(track.appearance.detail, head.arrays, person(track, head).v_template.numpy())


def film_camera(subject: np.ndarray, size: tuple[int, int], yaw_deg: float) -> Camera:
    """A camera that frames `subject_of` a track, with room for the head to move."""
    return portrait_camera(size, subject, yaw_deg=yaw_deg, fill=0.82)


def subject_of(track: Track, head: Head) -> np.ndarray:
    """Vertices [n, 3] of the person's face, scalp and ears at rest, where the track has them on average."""
    rest = person(track, head).v_template.numpy()
    chosen = [head.arrays.regions[name] for name in ("face", "scalp", "ears") if name in head.arrays.regions]
    subject = rest[np.unique(np.concatenate(chosen))] if chosen else rest
    return subject + track.params.translation.mean(0).numpy()


def film(
    track: Track,
    head: Head,
    *,
    size: tuple[int, int] = (720, 720),  # of one panel
    view: str = "portrait",  # of VIEWS
    passes: str | Sequence[str] = ("shaded",),  # "shaded" or any of PASSES, side by side
    wireframe: bool = False,  # over the shaded pass
    other: Track | None = None,  # beside it at the same times; of one head and pass, with the distances in millimetres
    other_head: Head | None = None,  # of the other track, where it is another one
    names: tuple[str, str] = ("first", "second"),  # what the two are called
    turn: int = TURN_S * TURN_FPS,  # frames of a turntable of a still
    backend: str = "numba",  # or "gl": the shaded pass by OpenGL, see render.gl
    threads: int | None = None,
) -> Film:
    """Draw a track, a frame for each of its own; one turn of the camera about a still.

    Where there is more than one panel each has its label. The other track shows its frames nearest in time, before
    and after it its ends.
    """
    if not is_size(size):
        raise InputError(f"size {size!r} is no picture's; wanted two whole numbers from {SIDES[0]} to {SIDES[1]}")
    if view not in VIEWS:
        raise InputError(f"there is no view {view!r}; there are: {', '.join(VIEWS)}")
    passes = (passes,) if isinstance(passes, str) else tuple(passes)
    unknown = [str(name) for name in passes if name != "shaded" and name not in PASSES]
    if unknown or not passes:
        raise InputError(f"there is no pass {', '.join(unknown) or 'to draw'}; there are: shaded, {', '.join(PASSES)}")
    if backend not in ("numba", "gl") or (backend == "gl" and wireframe):
        raise InputError(f"no backend {backend!r} draws this; there are: numba, and gl without a wireframe")
    turning = view == "turntable"
    still = len(track) == 1 and (other is None or len(other) == 1)
    count = turn if still and turning else len(track)
    own = np.zeros(count, np.int64) if len(track) == 1 else np.arange(count)
    actors = [_Actor(track, head, own, size, backend)]
    heat = None
    if other is not None:
        there = np.interp(track.time_s[own], other.time_s, np.arange(len(other))).round().astype(np.int64)
        actors.append(_Actor(other, other_head or head, there, size, backend))
        if other.head_id == track.head_id and np.array_equal(actors[1].head.arrays.faces, head.arrays.faces):
            actors[1].subject = actors[0].subject  # one camera: what differs is seen to differ
            heat = _heat_limit(actors) if len(passes) == 1 else None
    views = SHEET if view == "sheet" else (view,)
    kinds = [(v, p) for v in views for p in passes]
    labels = _labels(names if other is not None else names[:1], heat is not None, kinds)
    columns = len(labels) if len(kinds) == 1 else len(kinds)
    turns = 1 if len(track) == 1 else max(1, round(float(track.time_s[-1] - track.time_s[0]) / SLOW_TURN_S))

    def panels(posed, k):
        spin = 360.0 * turns * k / count
        for actor, vertices in zip(actors, posed, strict=True):
            for v, p in kinds:
                yield actor.draw(vertices, YAWS.get(v, spin), p, wireframe, threads)
        if heat is not None:
            for v in views:
                yield _distance_picture(actors[0], posed, YAWS.get(v, spin), heat, threads)

    def pictures():
        streams = [posed_frames(at_frames(actor.track, actor.frames), actor.head) for actor in actors]
        for k, posed in enumerate(zip(*streams, strict=True)):
            images = list(panels(posed, k))
            yield images[0] if len(images) == 1 else contact_sheet(images, columns, labels)

    return Film(count, Fraction(TURN_FPS) if still and turning else frame_rate(track), pictures)


def still_picture(track: Track, head: Head, *, view: str = "portrait", moments: int = 6, **options) -> np.ndarray:
    """The first frame as `film` draws it; of a turntable eight directions, of a sheet several moments, row by row."""
    if view == "turntable":
        first = at_frames(track, [0])
        if options.get("other") is not None:
            options["other"] = at_frames(options["other"], [0])
        turn = film(first, head, view=view, turn=8, **options)
        return contact_sheet(list(turn), 4, [f"{45 * k}°" for k in range(8)])
    if view == "sheet" and len(track) > 1:
        frames = np.unique(np.linspace(0, len(track) - 1, moments).round().astype(int))
        rows = list(film(at_frames(track, frames), head, view=view, **options))
        columns = round(np.sqrt(len(rows) * rows[0].shape[0] / rows[0].shape[1]))  # about as wide as high
        return contact_sheet(rows, columns, [f"{track.time_s[k]:.2f} s" for k in frames])
    return next(iter(film(track, head, view=view, **options)))


@dataclass
class _Actor:
    """One of the tracks of a film."""

    track: Track
    head: Head
    frames: np.ndarray  # which of its frames are shown
    size: tuple[int, int]
    backend: str
    subject: np.ndarray = None
    slopes: np.ndarray | None = None

    def __post_init__(self):
        self.subject = subject_of(self.track, self.head)
        self.slopes = slopes_worn(self.track, self.head)

    def camera(self, yaw_deg: float) -> Camera:
        return film_camera(self.subject, self.size, yaw_deg)

    def draw(self, vertices, yaw_deg, name, wireframe, threads) -> np.ndarray:
        camera = self.camera(yaw_deg)
        worn = self.track.appearance
        albedo, skin = (None, None) if worn is None else (worn.albedo, worn.skin)
        if name == "shaded" and self.backend == "gl":
            from render.gl import draw_gl

            return draw_gl(self.head, vertices, camera, albedo=albedo, skin=skin)
        if name == "shaded":
            worn = {"albedo": albedo, "skin": skin, "slopes": self.slopes}
            return draw(self.head, vertices, camera, **worn, wireframe=wireframe, threads=threads)
        span = depth_range(self.subject, camera) if name == "depth" else None  # one for the whole film
        return draw_pass(self.head, vertices, camera, name, albedo=albedo, skin=skin, depth_m=span, threads=threads)


def _labels(names, heat: bool, kinds) -> list[str]:
    """What each panel shows, in as few words as tell it from the others."""
    views, passes = ({kind[k] for kind in kinds} for k in (0, 1))
    who = [*names, "distance"] if heat else list(names)
    labels = []
    for name in who:
        for view, kind in kinds:
            words = [name] if len(who) > 1 else []
            words += [view] if len(views) > 1 else []
            words += [kind] if len(passes) > 1 and name != "distance" else []
            labels.append(", ".join(words))
    return labels


def _distances_mm(posed) -> np.ndarray:  # [V]
    return np.linalg.norm(posed[0] - posed[1], axis=1) * 1000


def _heat_limit(actors) -> float:
    """Millimetres of the scale's end: what 99 of 100 vertices stay below in the worst frame, rounded up."""
    streams = [posed_frames(at_frames(actor.track, actor.frames), actor.head) for actor in actors]
    worst = max(float(np.percentile(_distances_mm(posed), 99)) for posed in zip(*streams, strict=True))
    worst = max(worst, 0.01)
    power = 10.0 ** np.floor(np.log10(worst))
    return next(float(step * power) for step in (1, 2, 5, 10) if step * power >= worst * 0.999)


def _distance_picture(actor, posed, yaw_deg, limit, threads) -> np.ndarray:
    from render.heat import draw_heat

    far = _distances_mm(posed)
    title = f"mean {far.mean():.2f} mm, most {far.max():.2f} mm"
    return draw_heat(actor.head, posed[0], actor.camera(yaw_deg), far, limit, title=title, threads=threads)


def turntable(
    head,  # as `draw` takes it
    vertices,  # [V, 3] metres
    *,
    size: tuple[int, int] = (512, 512),
    frames: int = 96,  # of one turn
    pitch_deg: float = 0.0,
    threads: int | None = None,
    **options,  # of draw: albedo, background, supersample, wireframe, skin
) -> Iterator:
    """Walk once round a head, from its face to its left: yields uint8 [H, W, 3]; the last meets the first."""
    points = vertices.detach().cpu().numpy() if hasattr(vertices, "detach") else np.asarray(vertices)
    for k in range(frames):
        camera = portrait_camera(size, points, yaw_deg=360.0 * k / frames, pitch_deg=pitch_deg)
        yield draw(head, points, camera, threads=threads, **options)
