"""`emberface head`: what a head has, and people who do not exist."""

from __future__ import annotations

from typing import Annotated

import typer

from assets.locate import asset_path
from emberface_options import Formats, HeadName, Json, Out, Seed, numbered, places_of, say, say_figures
from emberface_run import Run, write_all
from flame_tools.errors import InputError

app = typer.Typer(help="Look at heads.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_() -> None:
    """Heads that can be named."""
    from flame_tools.load import read_head

    arrays = read_head(asset_path("head"))
    print(
        f"default  {len(arrays.v_template)} vertices, {len(arrays.shape_names)} identity components, {arrays.licence}"
    )


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="'default', or a head's file.")] = "default", json: Json = False
) -> None:
    """What a head has."""
    from flame_tools.load import load_head

    a = load_head(name).arrays
    facts = {
        "id": a.id,
        "licence": a.licence,
        "vertices": len(a.v_template),
        "triangles": len(a.faces),
        "identity_components": len(a.shape_names),
        "expression_components": len(a.expression_names),
        "expression_names": list(a.expression_names),
        "materials": list(a.materials),
        "landmarks": {k: len(v.faces) for k, v in a.landmarks.items()},
        "regions": {k: len(v) for k, v in sorted(a.regions.items())},
        "directions": sorted(a.directions),
        "provenance": a.provenance,
    }
    say_figures(facts, json)


@app.command()
def random(
    out: Out,
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="How many people.")] = 1,
    age: Annotated[str | None, typer.Option("--age", help="Years, such as 30 or 20-40.")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="female or male.")] = None,
    ancestry: Annotated[str | None, typer.Option("--ancestry", help="Such as asian, or asian:2,european:1.")] = None,
    head: HeadName = "default",
    seed: Seed = 0,
    format: Formats = "glb",
    json: Json = False,
) -> None:
    """People who do not exist: a sheet of them (-o SHEET.png), or their tracks and files (-o FOLDER)."""
    from flame_tools.identity import random_identities
    from flame_tools.load import load_head
    from flame_tools.posing import still
    from render.image import write_png
    from render.performance import film
    from render.preview import contact_sheet

    inputs = {"count": count, "age": age, "sex": sex, "ancestry": ancestry, "head": head, "seed": seed}
    places, report = places_of(out, "person", format)
    with Run("head random", inputs, show=not json) as job:
        job.prepare(*places, report)
        with job.step("load"):
            model = load_head(head)
        with job.step("draw"):
            shares = _shares(ancestry) if ancestry and ":" in ancestry else ancestry
            people = random_identities(model, count, seed, age=_years(age), sex=sex, ancestry=shares)
        if out.suffix == ".png":
            with job.step("png", "drawing the sheet"):
                pictures = [next(iter(film(still(model, shape), model, size=(320, 400)))) for shape in people]
                write_png(job.output(out), contact_sheet(pictures, columns=min(6, count)))
        else:
            for i, shape in enumerate(people, 1):
                mine = places if count == 1 else [numbered(place, i) for place in places]
                write_all(job, still(model, shape), model, mine)
        say(job.finish(report), json)


def _years(text: str | None) -> float | tuple[float, float] | None:
    """'30' or '20-40'."""
    if text is None:
        return None
    try:
        years = [float(part) for part in text.split("-")]
    except ValueError:
        years = []
    if len(years) not in (1, 2):
        raise InputError(f"age {text!r} is no number of years; wanted such as 30 or 20-40")
    return years[0] if len(years) == 1 else (years[0], years[1])


def _shares(text: str) -> dict[str, float]:
    """'asian:2,european:1' to a dict."""
    shares = {}
    for part in text.split(","):
        name, _, value = part.strip().partition(":")
        try:
            shares[name] = float(value or 1)
        except ValueError:
            raise InputError(f"{part.strip()!r} is no NAME:SHARE; wanted such as asian:2,european:1") from None
    return shares
