"""What every command shares: timed steps, outputs that appear together or not at all, and the report."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import emberface
from emberface_formats import DRAWN, kind_of, names_folder
from flame_tools.errors import FaceError, OutputError, cannot_write
from flame_tools.folder import refuse_strangers
from flame_tools.licences import licences_of

if TYPE_CHECKING:
    from flame_tools.export import Options


class Run:
    """One command from its inputs to its report.

    Outputs are written into a hidden folder beside their places and moved there when all of them stand.
    """

    def __init__(self, command: str, inputs: dict, *, reads: Iterable[Path] = (), show: bool):
        self.command, self.inputs = command, inputs
        self.reads = [path for path in reads if path.exists()]
        self.quality: dict = {}
        self.licences: set[str] = set()
        self.warnings: list[str] = []
        self.seconds: dict[str, float] = {}
        self.show = show and sys.stderr.isatty()
        self.places: list[Path] = []
        self._stages: dict[Path, Path] = {}
        self._made: list[Path] = []
        self._bar = None
        self._task = None

    def __enter__(self) -> Run:
        if self.show:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._stop_bar()
        for stage in self._stages.values():
            shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, FaceError) and error.args:
            # Writers know only the hidden folder; the user knows the place.
            for parent, stage in self._stages.items():
                said = str(error.args[0]).replace(f"{stage}{os.sep}", str(parent / "_").removesuffix("_"))
                error.args = (said.replace(str(stage), str(parent)), *error.args[1:])
        if kind is not None:
            for folder in reversed(self._made):
                with contextlib.suppress(OSError):  # someone else has put something there: it stays
                    folder.rmdir()

    # --- steps ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def step(self, name: str, doing: str | None = None) -> Iterator[None]:
        """Time a step and show it while it runs."""
        if self._bar is not None:
            self._task = self._bar.add_task(doing or name, total=None)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)
        if self._bar is not None:
            self._bar.remove_task(self._task)

    def progress(self, items: Iterable, count: int) -> Iterable:
        """Pass `items` through and move the bar of the step in progress."""
        if self._bar is None:
            return items
        task = self._task
        self._bar.update(task, total=count)

        def counted():
            for item in items:
                yield item
                self._bar.advance(task)

        return counted()

    def share(self, done: float) -> None:
        """Move the bar of the step in progress to `done` in [0, 1]."""
        if self._bar is not None:
            self._bar.update(self._task, total=1.0, completed=done)

    def warn(self, text: str) -> None:
        """Say on stderr and in the report that something is doubtful, or was left out."""
        self.warnings.append(text)
        print(f"emberface: WARNING: {text}", file=sys.stderr)

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None

    # --- outputs ----------------------------------------------------------------------------------------------------

    def prepare(self, *places: Path) -> None:
        """Refuse places that cannot be written, that this run reads, or that are one, before any work is done."""
        for number, place in enumerate(places):
            if place in places[:number]:
                raise OutputError(f"{place} is named twice; give each output a name of its own")
            if place.name in ("", ".."):
                raise OutputError(f"{place} names nothing to write; give a file or a folder a name of its own")
            for source in self.reads:
                if place.exists() and place.samefile(source):
                    raise OutputError(f"{place} is read by this command and would be replaced; choose another name")
            self._stage(place.parent)
            folder = names_folder(place)
            if place.is_dir() and not folder:
                raise OutputError(f"{place} is a folder, and a file should go there; choose another name")
            if place.exists() and not place.is_dir() and folder:
                raise OutputError(f"{place} is a file, and a folder should go there; choose another name")

    def output(self, place: str | os.PathLike) -> Path:
        """Where to write what will stand at `place`. The folder above is made where it is missing."""
        place = Path(place)
        self.prepare(place)
        if place in self.places:
            raise OutputError(f"{place} is named twice; give each output a name of its own")
        self.places.append(place)
        return self._stage(place.parent) / place.name

    def take_along(self, place: Path) -> None:
        """Keep what a writer left beside `place` and named after it, such as the texture NAME.usdc.png."""
        for file in sorted(self._stage(place.parent).iterdir()):
            beside = place.with_name(file.name)
            if file.name.startswith(f"{place.name}.") and beside not in self.places:
                self.output(beside)

    def _stage(self, parent: Path) -> Path:
        """The hidden folder beside what goes into `parent`."""
        if parent not in self._stages:
            self._folder(parent)
            try:
                self._stages[parent] = Path(tempfile.mkdtemp(prefix=".emberface.", dir=parent))
            except OSError as error:
                raise cannot_write(parent, error) from error
        return self._stages[parent]

    def _folder(self, folder: Path) -> None:
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        for f in reversed(missing):
            try:
                f.mkdir()
            except OSError as error:
                raise cannot_write(f, error) from error
            self._made.append(f)
        if not folder.is_dir():
            raise OutputError(f"{folder} is a file, and a folder is needed there; choose another name")

    def finish(self, report: Path) -> dict:
        """Write the report, then move everything into place. Returns the report."""
        self._stop_bar()
        staged = self.output(report)
        self.places.remove(report)
        content = {
            "command": self.command,
            "version": emberface.__version__,
            "inputs": self.inputs,
            "outputs": [str(p) for p in self.places],
            "licences": sorted(self.licences),
            "seconds": {**self.seconds, "total": round(sum(self.seconds.values()), 3)},
            "quality": self.quality,
            "warnings": self.warnings,
        }
        staged.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        self._move([*self.places, report])
        return content

    def _move(self, places: list[Path]) -> None:
        """Move every output from its stage to its place; where one fails, all is as it was before."""
        for place in places:
            if (new := self._stages[place.parent] / place.name).is_dir():
                refuse_strangers(new, place)
        moved: list[tuple[Path, Path]] = []
        before = {stage: Path(tempfile.mkdtemp(prefix="before.", dir=stage)) for stage in self._stages.values()}
        try:
            for place in places:
                stage = self._stages[place.parent]
                aside = before[stage] / place.name
                moved.append((place, aside))
                if place.exists():
                    place.rename(aside)
                (stage / place.name).rename(place)
        except BaseException as error:  # Ctrl-C too
            for done, aside in reversed(moved):
                if aside.exists() or not (self._stages[done.parent] / done.name).exists():  # it has come this far
                    if done.is_dir():
                        shutil.rmtree(done, ignore_errors=True)
                    else:
                        done.unlink(missing_ok=True)
                if aside.exists():
                    aside.rename(done)
            if isinstance(error, OSError):
                raise cannot_write(place, error) from error
            raise


def write_picture(job: Run, image, track, head, place: Path) -> None:
    """Write a picture made of a track, with its licences."""
    from render.image import write_png

    credits = licences_of(track, head.arrays)
    job.licences |= set(credits)
    write_png(job.output(place), image, copyright="; ".join(credits))


def write_all(
    job: Run,
    track,
    head,
    places: list[Path],
    size: tuple[int, int] = emberface.PANEL,
    drawn: dict | None = None,  # options of emberface.render
    options: Options | None = None,  # of emberface.export
) -> None:
    """Write a track to every place, as each one's name asks."""
    drawn = drawn or {}
    job.licences |= set(licences_of(track, head.arrays))
    if "compare" in drawn:
        job.licences |= set(drawn["compare"].licences)
    for place in places:
        kind = kind_of(place)
        with job.step(kind.removeprefix(".") or "obj", f"writing {place.name}"):
            staged = job.output(place)
            if kind in DRAWN:
                asked = {"size": size}
                if kind == ".html":  # is called as the file will be; beside pictures the size is for these
                    asked = {"title": place.stem} | (asked if len(places) == 1 else {})
                emberface.render(track, staged, head=head, progress=job.progress, **asked, **drawn)
            else:
                emberface.export(track, staged, head=head, options=options)
                job.take_along(place)
