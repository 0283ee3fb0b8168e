"""emberface: 3D faces from images and from speech.

    import emberface
    person = emberface.recon("portrait.jpg")
    talk = emberface.animate("voice.wav", text="What the voice says.", identity=person, emotion="happy:0.6")
    emberface.export(talk, "talk.glb")
    emberface.render(talk, "talk.mp4")

Every call takes and gives a `Track` (flame_tools.types). Whatever cannot be done raises a `FaceError` that says what
was found, what was wanted and the way out. The command line is in emberface_cli.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emberface_formats import DOUBLE_ENDINGS, DRAWN, FORMATS, kind_of, names_folder, options_for  # noqa: F401
from flame_tools.errors import FaceError, InputError

if TYPE_CHECKING:
    from animate.emotion_source import Emotion
    from animate.learned import Performer
    from animate.life import Life
    from animate.phones_given import Given
    from animate.takes import Sampling
    from flame_tools.export import Options
    from flame_tools.head import Head
    from flame_tools.types import Appearance, Track
    from render.viewer import Served

__version__ = "0.1.0"
__all__ = [
    "FORMATS", "FaceError", "Track", "animate", "export", "fit", "load", "main", "recon", "render", "transfer", "view",
]  # fmt: skip

PathLike = str | os.PathLike

NO_CHOICE = {  # of `recon`: what means nothing for a kind of source
    "one photo": ("one-moment", "causal", "parts"),
    "several photos": ("method", "all faces", "causal", "parts"),
    "a film": ("one-moment", "photometric"),
}
PANEL = (720, 720)  # pixels of a drawing that nobody asked to be of another size
BESIDE_A_CHECKPOINT = ("several photos", "method", "camera", "focal", "one-moment", "photometric", "causal")


def recon(
    image: PathLike | np.ndarray | Sequence[PathLike | np.ndarray],  # files, or uint8 [H, W, 3] sRGB
    *,
    head: str | Head = "default",
    all_faces: bool = False,
    focal_px: float | None = None,
    method: str = "auto",
    one_moment: bool | None = None,
    photometric: bool = True,
    causal: bool = False,
    parts: PathLike | None = None,
    weak: bool = False,
    checkpoint: PathLike | None = None,
    detail: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> Track | list[Track]:
    """A photo, several of one person, or a film to a Track: identity, expression, pose, camera and texture.

    A photo gives one frame, of its largest face. Several pictures of one person share an identity and give a frame
    each; those of `one_moment` share the expression too (None: where their landmarks allow it). What is fitted to
    photos is refined by the skin's shading, and by how it matches between pictures, unless `photometric` is False:
    landmarks alone.
    A film (a video file, a moving GIF, a folder of numbered pictures) gives its own frames and its sound: faces are
    followed, frames that cannot be trusted are bridged and marked, jitter goes without lag, or `causal`ly. What was
    read and fitted of a film is kept in the folder `parts`, where one is given: a run that was stopped goes on there.

    `method` auto fits to landmarks where a network of our own sees them, solve to MediaPipe's, regress takes what the
    network says at a glance, in a film with what a second one makes of neighbouring frames (of one photo, or a film).

    With `all_faces` a list of Tracks: the largest face of a photo first, of a film who is seen longest. `focal_px` is
    the camera's focal length in pixels; where it is not given, a photo's EXIF data or what a phone wrote into a film is
    asked, then a common lens is assumed. A `weak` camera (weak perspective, as DECA and SMIRK have) has none and sees
    the whole head at one depth: the Track's is orthographic, in pixels a metre.

    With `detail` the appearance also has the folds and wrinkles that the picture of the texture shows, as heights
    (the default head; docs/recon.md).

    A `checkpoint` is a published file of DECA, EMOCA, EMICA, SMIRK, SPECTRE or TEASER, whose network then says all of
    a photo or a film, on a FLAME head; see docs/recon_networks.md.

    Raises InputError for an option that means nothing for what is given.
    """
    from recon.fitting.focal import focal_from_exif
    from render.footage import is_film
    from render.image import read_image

    is_file = isinstance(image, (str, os.PathLike))
    several = isinstance(image, Iterable) and not isinstance(image, (str, os.PathLike, np.ndarray))
    one = not several and not (is_file and is_film(image))
    kind = "several photos" if several else "one photo" if one else "a film"
    chosen = {
        "several photos": several, "method": method != "auto", "all faces": all_faces, "camera": weak,
        "focal": focal_px is not None, "one-moment": one_moment is not None, "photometric": not photometric,
        "causal": causal, "parts": parts is not None,
    }  # fmt: skip
    if checkpoint is not None and (idle := [name for name in BESIDE_A_CHECKPOINT if chosen[name]]):
        raise InputError(
            f"beside a checkpoint there is no choice of {', '.join(idle)}: its network says all of one photo or film "
            "by itself; leave it out"
        )
    if idle := [name for name in NO_CHOICE[kind] if chosen[name]]:
        raise InputError(f"of {kind} there is no choice of {', '.join(idle)}; leave it out")
    if detail:
        from recon.detail.photo import network_of
        from recon.detail.worn import with_detail
        from recon.texture.taken_from import taken_from

        model = _head(head)
        network_of(model)
        found = recon(
            image, head=model, all_faces=all_faces, focal_px=focal_px, method=method, one_moment=one_moment,
            photometric=photometric, causal=causal, parts=parts, weak=weak, checkpoint=checkpoint, progress=progress,
        )  # fmt: skip
        folded = []
        for track in found if all_faces else [found]:
            frame, picture = taken_from(image, track)
            folded.append(with_detail(track, model, picture, frame=frame))
        return folded if all_faces else folded[0]
    if checkpoint is not None:
        from recon.networks.face_network import open_checkpoint
        from recon.published import read_film_by, read_photo

        model, network = _head(head), open_checkpoint(checkpoint)
        if one:
            tracks = read_photo(read_image(image) if is_file else image, model, network, all_faces=all_faces)
        else:
            tracks = read_film_by(image, model, network, all_faces=all_faces, parts=parts, progress=progress)
        return tracks if all_faces else tracks[0]
    if several:
        from recon.pictures import read_pictures, reconstruct_many

        model = _head(head)
        pixels, views = read_pictures(image, focal_px=focal_px, weak=weak)
        return reconstruct_many(pixels, model, views=views, one_moment=one_moment, photometric=photometric)
    if not one:
        from recon.film.track import track_film

        model = _head(head)
        tracks = track_film(
            image, model, all_faces=all_faces, focal_px=focal_px, parts=parts, causal=causal, weak=weak,
            method=method, progress=progress,
        )  # fmt: skip
        return tracks if all_faces else tracks[0]
    from recon.pipeline import reconstruct

    pixels = read_image(image) if is_file else image
    if focal_px is None and is_file and not weak:
        focal_px = focal_from_exif(image)
    tracks = reconstruct(
        pixels, _head(head), all_faces=all_faces, focal_px=focal_px, method=method, weak=weak, photometric=photometric
    )
    return tracks if all_faces else tracks[0]


def fit(
    scan: PathLike,  # an OBJ, PLY, STL, GLB or glTF, or a folder with several of one person
    *,
    head: str | Head = "default",
    offsets: bool = False,
    registered: bool | None = None,
) -> Track:
    """A mesh or raw scan of a head, in any unit and orientation, to a Track with a frame for each scan.

    The fitted head lies on the scan: in its axes, in metres. With `offsets` what the parameters cannot express becomes
    a smooth field of vertex offsets. `registered` says whether the scan has the head's own topology (None: find out).
    """
    from recon.scan.pipeline import fit_files

    return fit_files(scan, _head(head), offsets=offsets, registered=registered).track


def animate(
    audio: PathLike | np.ndarray,  # a file, or samples [N] or [channels, N]
    rate: int | None = None,  # Hz; needed for samples
    *,
    text: str | None = None,
    phones: Given | None = None,  # with their times: a TextGrid or a NAME.face.npz, or tiers as track.intervals
    emotion: Emotion = None,  # "happy:0.8", {"happy": 0.5, "surprise": 0.3}, "voice", a read_emotion_csv(FILE)
    identity: Track | None = None,
    head: str | Head = "default",
    fps: Fraction | int = 30,
    seed: int = 0,
    takes: int | None = None,  # how many ways to say it; None: one, and it is the result
    model: PathLike | Performer | None = None,  # "rules", "motion", "flow", "keys", a file of `train`; None: see below
    sampling: Sampling | None = None,  # how a flow is followed, as Sampling(guidance=Guidance(emotion=1.5))
    life: str | Mapping[str, float] | Life | None = None,  # amounts, as "head:0.5,gaze:1,brows:1,blinks:0"
    progress: Callable[[float], None] = lambda share: None,
) -> Track | Iterator[Track]:
    """Speech to a performance, on the identity and with the texture of another Track where one is given.

    Where no `model` is given, rules move the face by a `text` or by `phones` with their times, and a bundled network
    ("motion") does without either. Phones are ARPAbet or IPA; what is called "words" beside them is kept. For many
    recordings, animate.learned.load_performer("motion") loads a network once.

    With `takes` an iterator of Tracks, each made as it is asked for: the rules' takes by seeds seed, seed + 1, ..., a
    flow's drawn from what it has learnt.
    """
    from animate.audio_file import read_audio
    from animate.learned import Performer, load_performer
    from animate.pipeline import animate as perform

    if isinstance(audio, np.ndarray):
        if rate is None:
            raise InputError("samples were given without a rate; say rate=16000 or whatever they were recorded at")
        samples = audio
    elif isinstance(audio, (str, os.PathLike)):
        samples, rate = read_audio(audio)
    else:
        raise InputError(f"audio is {type(audio).__name__}; wanted a file, or samples [N] or [channels, N] as an array")
    if not (model is None or isinstance(model, (str, os.PathLike, Performer))):
        raise InputError(f"model is {type(model).__name__}; wanted rules, motion, flow, keys, or a file")
    head = _head(head)
    shape = None
    if identity is not None:
        _check_track(identity, "identity")
        if identity.head_id != head.arrays.id:
            raise InputError(
                f"the identity was made on head {identity.head_id!r}, the performance is for {head.arrays.id!r}; "
                "use one head for both, or emberface.transfer(identity, head) first"
            )
        shape = identity.params.shape
    if sampling is not None and model in (None, "rules"):
        raise InputError("guidance and sampling are of a flow, and none was given; the model may be 'flow' or a file")
    if model is None and text is None and phones is None:
        model = "motion"
    if isinstance(model, Performer):
        performer = model if sampling is None else dataclasses.replace(model, sampling=sampling)
    else:
        performer = None if model in (None, "rules") else load_performer(model, sampling=sampling)
    made = perform(
        samples,
        rate,
        head=head,
        text=text,
        phones=phones,
        emotion=emotion,
        shape=shape,
        fps=fps,
        seed=seed,
        takes=takes,
        performer=performer,
        life=life,
        progress=progress,
    )
    if identity is None:
        return made
    return wear(made, identity) if takes is None else (wear(track, identity) for track in made)


def wear(performance: Track, identity: Track) -> Track:
    """The performance with the identity, texture and licences of another track."""
    licences = tuple(dict.fromkeys((*performance.licences, *identity.licences)))
    return performance.replace(
        params=performance.params.replace(shape=identity.params.shape),
        appearance=at_rest(identity.appearance),
        licences=licences,
    )


def at_rest(appearance: Appearance | None) -> Appearance | None:
    """An appearance without the folds of the expression that it was seen in."""
    if appearance is None or appearance.detail_rest is None:
        return appearance
    return dataclasses.replace(appearance, detail=appearance.detail_rest)


def transfer(
    track: Track,
    to: str | Head,
    *,
    head: str | Head | None = None,  # the track's own where None
    method: str = "surface",
    identity: str = "auto",
) -> Track:
    """The performance on another head: a name, a file (FLAME, ICT-FaceKit, a GLB or FBX character), or a Head.

    `method` "surface" carries the moving face, "names" copies ARKit weights. `identity` "match" makes the target look
    like the track's person, "mean" keeps the target's own face; "auto" matches everybody but the mean face.
    """
    from flame_tools.transfer.retarget import transfer as carry_over

    _check_track(track)
    return carry_over(track, _head(head, track), _head(to), method=method, identity=identity)


def export(
    track: Track,
    path: PathLike,
    *,
    head: str | Head | None = None,  # the track's own where None
    fps: Fraction | int | None = None,
    options: Options | None = None,
) -> None:
    """Write a track as the kind of file that `path` names; see FORMATS.

    `fps` reads the track at another rate. `options` (flame_tools.export.Options) choose unit, axes, shapes and their
    names, how few keys; asking a format for one that it does not take raises InputError.
    """
    _check_track(track)
    path = Path(path)
    kind = kind_of(path)
    if fps is not None:
        from flame_tools.resample import at_rate

        track = at_rate(track, fps)
    asked = options_for(path, options)
    if kind in DRAWN:
        render(track, path, head=head)
    elif kind == ".face.npz":
        from flame_tools.track_file import save_track

        save_track(track, path)
    elif kind == ".wav":
        from flame_tools.export import write_wav

        write_wav(track, path)
    elif kind == ".emotion.csv":
        from animate.emotion_track import write_emotion_csv

        write_emotion_csv(track, path)
    elif kind == ".TextGrid":
        from animate.textgrid import write_said

        write_said(track, path)
    else:
        from flame_tools.export import WRITERS

        WRITERS[kind](track, _head(head, track), path, **asked)


def render(
    track: Track,
    path: PathLike,
    *,
    head: str | Head | None = None,  # the track's own where None
    size: tuple[int, int] = PANEL,  # of one panel
    progress: Callable[[Iterable, int], Iterable] = lambda frames, count: frames,
    compare: Track | None = None,
    compare_head: str | Head | None = None,  # the other track's own where None
    **options,  # of render.film.film: view, passes, wireframe, backend, names; of a page: names, title
) -> None:
    """Draw a track: an .mp4 of every frame with its sound, a .webp or .gif without, or a .png of the first one.

    An .html is a page of its own: play, turn, sliders, curves, sound; it works from disk. For the others `view` is
    "portrait", "front", "three-quarter", "profile", "turntable" or "sheet" (three sides), `passes` any of "shaded",
    "albedo", "normals", "depth", "uv", "mask". `compare` is shown beside the track, frame by frame.
    """
    from flame_tools.licences import licences_of
    from render.drawn import write_drawn

    _check_track(track)
    if compare is not None:
        _check_track(compare, "compare")
    head, path = _head(head, track), Path(path)
    if kind_of(path) == ".html":
        from render.viewer import write_viewer

        write_viewer(track, head, path, **_page_options(compare, compare_head, options | {"size": size}))
        return
    kind, licences = kind_of(path), licences_of(track, head.arrays)
    if kind not in DRAWN:
        raise InputError(f"cannot draw to {path}; wanted a name that ends in {', '.join(DRAWN)}")
    if compare is not None:
        same = compare_head is None and compare.head_id == track.head_id
        second = head if same else _head(compare_head, compare)
        options |= {"other": compare, "other_head": second}
        licences = [*licences, *licences_of(compare, second.arrays)]
    credits = "; ".join(dict.fromkeys(licences))
    write_drawn(track, head, path, size=size, progress=progress, credits=credits, **options)


def view(
    track: Track,
    *,
    head: str | Head | None = None,  # the track's own where None
    port: int = 0,  # of 127.0.0.1; 0: a free one
    compare: Track | None = None,
    compare_head: str | Head | None = None,
    **options,  # names, title
) -> Served:
    """Serve a track's page on this machine: `.url` says where, `.run()` serves until Ctrl-C."""
    from render.viewer import serve

    _check_track(track)
    return serve(track, _head(head, track), port=port, **_page_options(compare, compare_head, options))


def _page_options(compare: Track | None, compare_head: str | Head | None, options: dict) -> dict:
    """What a page takes of the options of a drawing, and the emotions that its sliders stand for."""
    from animate.emotion import EMOTIONS, layer

    usual = {"view": "portrait", "passes": ("shaded",), "wireframe": False, "backend": "numba", "size": PANEL}
    chosen = [name for name, value in options.items() if name in usual and value != usual[name]]
    if chosen:
        raise InputError(f"a page shows every view itself and has no choice of {', '.join(chosen)}; leave it out")
    one_hot = np.eye(len(EMOTIONS))
    emotions = {name: layer(row) for name, row in zip(EMOTIONS[1:], one_hot[1:], strict=True)}
    second = None if compare is None or compare_head is None else _head(compare_head)
    rest = {name: value for name, value in options.items() if name not in usual}
    return {"compare": compare, "compare_head": second, "emotions": emotions, **rest}


def load(
    path: PathLike,
    *,
    head: str | Head | None = None,  # the default one where None, or that of `like`
    fps: Fraction | float | None = None,
    like: Track | None = None,
    audio: PathLike | None = None,
) -> Track:
    """Read a NAME.face.npz, or a performance that another program left, on `head`.

    A NAME.face.npz is on the head that it was made on: any other `head` is refused (see `transfer`).

    These are a Live Link Face CSV, a GLB or FBX whose shapes have ARKit's names, and the parameters of DECA, EMOCA,
    SMIRK, SPECTRE, EMOTE and smplx on a FLAME head. `fps` reads it at a rate of its own.

    `like` is the track that the file was made from and then edited: what it has no place for (sound, phones and words,
    the person's shape and look, camera) is put back, in step; see flame_tools.imports.edited.put_back. `audio` sets or
    replaces the sound alone, from time 0 on.
    """
    from flame_tools.imports import read_track
    from flame_tools.resample import at_rate
    from flame_tools.track_file import load_track

    if like is not None:
        from flame_tools.imports.edited import read_edited

        _check_track(like, "like")
        track = read_edited(path, _head(head, like), like, fps=fps)
    elif str(path).endswith(".face.npz") and head is None:
        track = load_track(path)
        track = track if fps is None else at_rate(track, fps, str(path))
    else:
        track = read_track(path, _head(head or "default"), fps=fps)
    if audio is None:
        return track
    from animate.audio_file import read_audio
    from flame_tools.imports.in_step import with_sound

    return with_sound(track, *read_audio(audio), source=str(audio))


def _head(head: str | Head | None, track: Track | None = None) -> Head:
    if head == "default" or (head is None and track is not None and track.head_id == "default"):
        return _default_head()
    if head is None or isinstance(head, (str, os.PathLike)):
        from flame_tools.load import head_of, load_head

        return head_of(track) if head is None else load_head(head)
    from flame_tools.head import Head

    if not isinstance(head, Head):
        raise InputError(f"head is {type(head).__name__}; wanted a name, a file or a flame_tools.Head")
    return head


@functools.lru_cache(maxsize=1)
def _default_head() -> Head:
    """Kept, and with it all that is worked out once a head: a third of a photo's time from the second on."""
    from flame_tools.load import load_head

    return load_head()


def _check_track(track: Track, name: str = "track") -> None:
    from flame_tools.types import Track

    if not isinstance(track, Track):
        raise InputError(f"{name} is {type(track).__name__}; wanted a Track, as emberface.load makes of a file")


def __getattr__(name: str) -> object:
    if name == "Track":  # with torch, for which help and refusals need not wait
        from flame_tools.types import Track

        return Track
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """The `emberface` command."""
    # Torch and numba bring many objects that stay: they are not looked through again and again, nor at the end.
    gc.freeze()
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    from emberface_cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
