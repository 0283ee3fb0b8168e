"""`emberface corpus`: real pictures and films to crops with fitted faces, in shards to learn from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import emberface
from emberface_options import HeadName, Json, json_text, say
from emberface_run import Run
from flame_tools.archive import written_whole

app = typer.Typer(
    help="Make something to learn from of real pictures and films. The same words again go on where a run was stopped.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class LayoutName(StrEnum):
    """What `corpus build --layout` takes."""

    auto, files, ffhq, celeba, lrs3, mead, voxceleb = "auto", "files", "ffhq", "celeba", "lrs3", "mead", "voxceleb"


class People(StrEnum):
    """What `corpus build --people` takes."""

    one, largest = "one", "largest"


@app.callback()
def _corpus() -> None:
    pass


@app.command()
def build(
    folders: Annotated[list[Path], typer.Argument(help="FFHQ, CelebA, LRS3, MEAD, VoxCeleb, or any with pictures.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A folder for the shards and report.json.")],
    layout: Annotated[
        LayoutName, typer.Option("--layout", help="How the folders are arranged; auto finds out.")
    ] = LayoutName.auto,
    shard_size: Annotated[int, typer.Option("--shard-size", help="Samples after which a shard ends.")] = 1024,
    size: Annotated[int, typer.Option("--size", help="Pixels a side of a crop.")] = 224,
    min_quality: Annotated[float, typer.Option("--min-quality", help="0 to 1: what is worth less is left out.")] = 0.3,
    frames_per_clip: Annotated[int, typer.Option("--frames-per-clip", help="Of each person, evenly.")] = 8,
    people: Annotated[
        People, typer.Option("--people", help="one: leave out pictures where others are about as large.")
    ] = People.one,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes; the shards do not depend on it.")] = 1,
    head: HeadName = "default",
    json: Json = False,
) -> None:
    """Find, fit, judge and cut faces into WebDataset tars, by splits that no subject straddles."""
    from recon.corpus.build import BuildOptions
    from recon.corpus.build import build as built_of

    options = BuildOptions(size, shard_size, min_quality, frames_per_clip, people.value)
    inputs = {"folders": [str(folder) for folder in folders], "layout": layout.value, "head": head, **vars(options)}
    with Run("corpus build", inputs, show=not json) as job, job.step("build", "reading and fitting faces"):
        built = built_of(folders, out, head=head, layout=layout.value, options=options, jobs=jobs, progress=job.share)
    report = {
        "command": job.command,
        "version": emberface.__version__,
        "inputs": inputs | {"jobs": jobs},
        "outputs": [str(path) for path in built.shards],
        "licences": [],
        "seconds": {**job.seconds, "total": job.seconds["build"]},
        "quality": {
            "pictures": built.pictures, "samples": sum(built.samples.values()), "rejected": built.rejected,
            "samples_by_split": built.samples, "sources_by_split": built.sources, "moved_to_other_splits": built.moved,
        },
    }  # fmt: skip
    with written_whole(out / "report.json") as temporary:
        temporary.write_text(json_text(report) + "\n", encoding="utf-8")
    say(report, json)
