"""A long film to a Track: peak memory from part to part, and the same bytes after two kills. JSON on the last line.

    python benchmarks/recon_long_film.py [--minutes 10] [--keep FOLDER]

The film repeats clips of ../shared/data/faces/video, or the bundled portrait, which sways, where they are not there, at
30 frames a second with a tone. A process of its own tracks it; another is killed when half of the film has been read,
goes on, is killed when half of it has been fitted, and goes on.

- `read_mb`, `fit_mb`: peak memory after the first and the last part of each phase; `end_mb`: of the whole run.
- `track_mb`: what the Track itself holds. `frames_per_s`: from decoding to the Track.
- `same_bytes`: whether the killed run's file is the other's; `resumed_s`: seconds after each kill.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from assets.locate import asset_path  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.track_file import save_track  # noqa: E402
from readers.film import FRAMES_A_PART  # noqa: E402
from recon.film.track import track_film  # noqa: E402
from render.footage import open_footage  # noqa: E402
from render.image import read_image  # noqa: E402
from render.video import write_video  # noqa: E402

CLIPS = ROOT / "../shared/data/faces/video"
FPS, RATE, WIDTH, HEIGHT = 30, 16000, 640, 480


def pictures(count: int):
    """Frames of the clips, again and again; of the portrait where there are none."""
    clips, at = sorted(CLIPS.glob("*.mkv")), 0
    portrait = None if clips else np.asarray(read_image(asset_path("astronaut")))[:HEIGHT]
    while at < count:
        if portrait is not None:
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            image[:, 64:576] = portrait
            yield np.roll(image, round(40 * np.sin(at / 8)), 1)
            at += 1
            continue
        for clip in clips:
            for frame in open_footage(clip).frames():
                yield _fitted(frame.image)
                at += 1
                if at == count:
                    return


def _fitted(image: np.ndarray) -> np.ndarray:
    if image.shape == (HEIGHT, WIDTH, 3):
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((WIDTH, HEIGHT)))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def child(film: Path, parts: Path, out: Path) -> None:
    """Track, save, and say how much memory there was at which share of the work."""
    count = open_footage(film).count
    share = 0.5 * min(FRAMES_A_PART / count, 1)  # that a part takes of either phase
    peaks: dict[str, float] = {}

    def progress(done: float) -> None:
        for name, at in (("read_first", share), ("read_last", 0.5), ("fit_first", 0.5 + share), ("fit_last", 1.0)):
            if done >= at - 1e-9 and name not in peaks:
                peaks[name] = peak_mb()

    start = time.perf_counter()
    (track,) = track_film(film, load_head(), parts=parts, progress=progress)
    seconds = time.perf_counter() - start
    save_track(track, out)
    held = [track.audio, track.time_s, *(vars(p)[n].numpy() for p in (track.params, track.std) for n in vars(p))]
    size = sum(array.nbytes for array in held if array is not None) + track.appearance.albedo.nbytes
    quality = track.provenance["quality"]
    figures = {"seconds": seconds, "end": peak_mb(), "track": size / 2**20, "frames": len(track), "film": count}
    print(json.dumps(peaks | figures | {"coverage": quality["coverage"]}))


def command(*paths: Path) -> list[str]:
    return [sys.executable, __file__, "--child", *map(str, paths)]


def killed_at(path: Path, arguments: list[str]) -> None:
    """Run until a file is there, and not a moment longer."""
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    while not path.exists():
        if running.poll() is not None:
            raise SystemExit(f"the run ended before {path.name} was there")
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, help="a folder for the film and the files, instead of a temporary one")
    parser.add_argument("--child", nargs=3, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(*asked.child)
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(asked.minutes, asked.keep or Path(scratch))


def measure(minutes: float, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    film, count = folder / "film.mp4", round(minutes * 60 * FPS)
    if count < 2 * FRAMES_A_PART:
        raise SystemExit(f"{minutes} minutes are {count} frames; wanted two parts of {FRAMES_A_PART} at least")
    tone = (0.3 * np.sin(np.arange(count * RATE // FPS) / 20)).astype(np.float32)
    write_video(film, pictures(count), FPS, tone, RATE)
    whole, broken = folder / "whole.face.npz", folder / "broken.face.npz"
    done = subprocess.run(command(film, folder / "a", whole), stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(found, flush=True)
    halfway = -(-count // FRAMES_A_PART) // 2
    resumed = []
    again = command(film, folder / "b", broken)
    names = [path.name for path in sorted((folder / "a").glob("fits-*.npz"))]
    killed_at(folder / "b" / f"part-{halfway:05d}.npz", again)
    start = time.perf_counter()
    killed_at(folder / "b" / names[len(names) // 2], again)
    resumed.append(time.perf_counter() - start)
    start = time.perf_counter()
    subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
    resumed.append(time.perf_counter() - start)
    kept = sum(path.stat().st_size for path in (folder / "a").iterdir()) / 2**20
    print(
        json.dumps(
            {
                "minutes": minutes,
                "frames": found["film"],
                "coverage": found["coverage"],
                "read_mb": [round(found["read_first"]), round(found["read_last"])],
                "fit_mb": [round(found["fit_first"]), round(found["fit_last"])],
                "end_mb": round(found["end"]),
                "track_mb": round(found["track"], 1),
                "kept_mb": round(kept, 1),
                "frames_per_s": round(found["film"] / found["seconds"], 2),
                "resumed_s": [round(seconds, 1) for seconds in resumed],
                "same_bytes": whole.read_bytes() == broken.read_bytes(),
            }
        )
    )


if __name__ == "__main__":
    main()
