"""`emberface head`: what a head has, adding one, and people who do not exist."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assets.locate import asset_path
from emberface_options import Formats, HeadName, Json, Out, Seed, json_text, numbered, places_of, say, say_figures
from emberface_run import Run, write_all, write_picture
from flame_tools.errors import FaceError, InputError

if TYPE_CHECKING:
    from flame_tools.types import HeadArrays

app = typer.Typer(
    help="Heads: what they have, adding your own, people who do not exist.", no_args_is_help=True, rich_markup_mode=None
)


Name = Annotated[str | None, typer.Option("--name", help="What to call the head; its file's name where not given.")]
Licence = Annotated[str | None, typer.Option("--licence", help="Of the files, where you know better than they say.")]
Identity = Annotated[
    int | None, typer.Option("--identity", min=0, help="How many directions are identity, where FLAME was cut by hand.")
]


@app.command("list")
def list_(json: Json = False) -> None:
    """Heads that can be named: the default one, and those that were added."""
    from flame_tools.load import head_arrays, registered_heads

    heads = []
    for name, file in {"default": asset_path("head"), **registered_heads()}.items():
        try:
            arrays = head_arrays(name)
        except FaceError as error:  # one broken file hides no other head
            heads.append({"name": name, "file": str(file), "error": str(error)})
            continue
        heads.append({"name": name, "file": str(file), "vertices": len(arrays.v_template), "licence": arrays.licence})
    if json:
        print(json_text({"heads": heads}))
        return
    for head in heads:
        print(f"{head['name']:20} {head.get('error') or '{vertices:>6} vertices, {licence}'.format(**head)}")


@app.command()
def info(
    name: Annotated[
        str, typer.Argument(help="'default', a head that was added, or a head's file or folder.")
    ] = "default",
    json: Json = False,
) -> None:
    """What a head has, and what it lacks."""
    from flame_tools.load import head_arrays

    say_figures(_facts(head_arrays(name)), json)


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(help="A model and its parts, or a folder that holds them.")],
    name: Name = None,
    licence: Licence = None,
    identity: Identity = None,
    replace: Annotated[bool, typer.Option("--replace", help="A head of this name may be replaced.")] = False,
    json: Json = False,
) -> None:
    """Register a head once: FLAME, ICT-FaceKit, or a character with ARKit shapes; then --head NAME finds it."""
    from flame_tools.load import register_head, registered_place

    def free(name: str) -> None:
        registered_place(name, replace=replace)

    head = _put_together("head add", files, name, licence, identity, show=not json, check=free)
    file = register_head(head, replace=replace)
    say_figures({"file": str(file), **_facts(head)}, json)


@app.command()
def convert(
    files: Annotated[list[Path], typer.Argument(help="A model and its parts, or a folder that holds them.")],
    out: Annotated[Path, typer.Argument(help="NAME.npz")],
    name: Name = None,
    licence: Licence = None,
    identity: Identity = None,
    json: Json = False,
) -> None:
    """Put a head's files together into one npz that needs no pickle."""
    from flame_tools.head_file import save_head

    if out.suffix.lower() != ".npz" or out.name.endswith(".face.npz"):
        raise InputError(f"a head goes into a file that ends in .npz, not {out}; the last name is where to write")
    if any(file.exists() and out.exists() and out.samefile(file) for file in files):
        raise InputError(f"{out} is read by this command and would be replaced; choose another name")
    head = _put_together("head convert", files, name, licence, identity, show=not json)
    save_head(head, out)
    say_figures({"file": str(out), **_facts(head)}, json)


@app.command()
def learn(
    folder: Annotated[Path, typer.Argument(help="Registered meshes: PERSON/EXPRESSION.obj, with a neutral.obj each.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="NAME.npz")],
    like: Annotated[str, typer.Option("--like", help="A head of the meshes' topology: a name, or a file.")] = "default",
    identity: Annotated[int, typer.Option("--identity", min=1, help="At most so many identity components.")] = 100,
    expression: Annotated[int, typer.Option("--expression", min=1, help="At most so many expressions.")] = 60,
    named: Annotated[bool, typer.Option("--named", help="Files carry ARKit's names: keep them as components.")] = False,
    unit: Annotated[str, typer.Option("--unit", help="Of the meshes: m, cm or mm.")] = "m",
    licence: Licence = None,
    json: Json = False,
) -> None:
    """Learn a head from meshes of many people and expressions."""
    from flame_tools.head_file import save_head
    from flame_tools.learn.folder import read_scans
    from flame_tools.learn.head import UNKNOWN, learn_head
    from flame_tools.load import checked_name, head_arrays

    if out.suffix.lower() != ".npz" or out.name.endswith(".face.npz"):
        raise InputError(f"a head goes into a file that ends in .npz, not {out}")
    options = {"identity": identity, "expression": expression, "named": named, "licence": licence or UNKNOWN}
    head = learn_head(read_scans(folder, unit=unit), head_arrays(like), id=checked_name(out.stem), **options)
    save_head(head, out)
    say_figures({"file": str(out), **_facts(head)}, json)


def _put_together(
    command: str,
    files: list[Path],
    name: str | None,
    licence: str | None,
    identity: int | None,
    *,
    show: bool,
    check: Callable[[str], None] = lambda name: None,  # raises where a head of this name is of no use
) -> HeadArrays:
    """One head of its files, with what it lacks taken from the default head: ARKit's names and dense landmarks."""
    from flame_tools.arkit import known_to
    from flame_tools.characters.landmarks import with_dense_landmarks
    from flame_tools.files.derived import complete
    from flame_tools.load import checked_name, head_arrays, read_files
    from flame_tools.transfer.names import solve_map

    with Run(command, {}, show=show) as job:
        with job.step("read", "reading the files"):
            head = read_files(files, name=name and checked_name(name), licence=licence, identity=identity)
            check(head.id)
        if not known_to(head):
            # without landmarks there is nothing to go by: `missing` says which file brings them
            with job.step("arkit", "solving for ARKit's names"), contextlib.suppress(FaceError):
                head = complete(dataclasses.replace(head, arkit_map=solve_map(head)))
        if "68" in head.landmarks and "468" not in head.landmarks:
            with job.step("landmarks", "carrying the landmarks over"):
                head = with_dense_landmarks(head, head_arrays("default"))
    return head


def _facts(a: HeadArrays) -> dict:
    from flame_tools.arkit import known_to

    return {
        "id": a.id,
        "licence": a.licence,
        "vertices": len(a.v_template),
        "triangles": len(a.faces),
        "identity_components": len(a.shape_names),
        "expression_components": len(a.expression_names),
        "expression_names": list(a.expression_names),
        "materials": list(a.materials),
        "arkit": known_to(a),
        "uv": len(a.uv),
        "eyelid_vertices": len(a.eyelid_vertices),
        "inner_lip_pairs": len(a.inner_lip_pairs),
        "landmarks": {k: len(v.faces) for k, v in sorted(a.landmarks.items())} | {"contour": len(a.contour.faces)},
        "regions": {k: len(v) for k, v in sorted(a.regions.items())},
        "directions": sorted(a.directions),
        "missing": _missing(a),
        "provenance": a.provenance,
    }


def _missing(a: HeadArrays) -> dict[str, str]:
    """Parts that a head lacks, and which published file brings each to a FLAME model."""
    from flame_tools.arkit import known_to

    there = {
        "ARKit names": known_to(a),
        "landmarks 68": "68" in a.landmarks,
        "landmarks 105": not {"105", "468"}.isdisjoint(a.landmarks),
        "contour": len(a.contour.faces) > 0,
        "lips": len(a.inner_lip_pairs) > 0,
        "regions": "face" in a.regions,
        "UV": len(a.uv) > 0,
        "eyelids": len(a.eyelid_vertices) > 0,
    }
    brings = {
        "ARKit names": "landmark_embedding.npy, and emberface head add",
        "landmarks 68": "landmark_embedding.npy",
        "landmarks 105": "mediapipe_landmark_embedding.npz",
        "contour": "landmark_embedding.npy or flame_dynamic_embedding.npy",
        "lips": "landmark_embedding.npy",
        "regions": "FLAME_masks.pkl",
        "UV": "head_template.obj",
        "eyelids": "l_eyelid.npy and r_eyelid.npy",
    }
    official = a.joints_follow_expression
    return {part: brings[part] if official else "" for part, found in there.items() if not found}


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
    from flame_tools.identity import random_cast
    from flame_tools.load import load_head
    from flame_tools.posing import still
    from flame_tools.types import Appearance
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
            cast = random_cast(model, count, seed, age=_years(age), sex=sex, ancestry=shares)
            people = [
                still(model, shape).replace(appearance=Appearance(skin=skin))
                for shape, skin in zip(cast.shapes, cast.skin, strict=True)
            ]
        if out.suffix == ".png":
            with job.step("png", "drawing the sheet"):
                pictures = [next(iter(film(person, model, size=(320, 400)))) for person in people]
                sheet = contact_sheet(pictures, columns=min(6, count))
                write_picture(job, sheet, people[0], model, out)
        else:
            for i, person in enumerate(people, 1):
                mine = places if count == 1 else [numbered(place, i) for place in places]
                write_all(job, person, model, mine)
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
