"""A raw scan to a head: `python examples/07_fit_a_scan.py`. The picture: docs/images/fit_a_scan.png"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import trimesh

from flame_tools import load_head
from flame_tools.identity import random_identities
from flame_tools.types import FaceParams
from recon.scan.picture import comparison
from recon.scan.pipeline import fit_files
from render.image import write_png


def scan_somebody(head, path: Path) -> None:
    """What a scanner might leave of a person: points with noise, in inches, upside down, without a back."""
    random = np.random.default_rng(1)
    neutral = FaceParams.neutral(head)
    talking = neutral.replace(shape=random_identities(head, 4, seed=3)[1], jaw=torch.tensor([0.1, 0.0, 0.0]))
    vertices = head.vertices(talking).numpy()
    skin = [head.arrays.materials.index(name) for name in ("skin", "lips", "sclera", "iris", "pupil")]
    points, _ = trimesh.sample.sample_surface(
        trimesh.Trimesh(vertices, head.arrays.faces[np.isin(head.arrays.face_material, skin)]), 60_000, seed=1
    )
    points = points[(points[:, 2] > -0.02) & (points[:, 1] > -0.12)]
    points = points[np.linalg.norm(points - (0.03, -0.03, 0.05), axis=1) > 0.018]  # a hole in the left cheek
    points = points + random.normal(size=points.shape) * 0.0002
    trimesh.PointCloud(points * (1.0, -1.0, -1.0) / 0.0254).export(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scan", nargs="?", help="OBJ, PLY, STL, GLB; a made one by default")
    parser.add_argument("-o", "--output", default="docs/images/fit_a_scan.png")
    parser.add_argument("--size", type=int, default=300, help="pixels")
    options = parser.parse_args()
    head = load_head()
    with tempfile.TemporaryDirectory() as folder:
        scan = options.scan or Path(folder) / "somebody.ply"
        if options.scan is None:
            scan_somebody(head, scan)
        # emberface.fit(scan) gives the Track alone; this call also keeps the scan, brought upright, to compare with
        found = fit_files(scan, head)
    quality = found.track.provenance["quality"]
    print(f"{quality['scan_median_mm']:.2f} mm from the scan (median), {quality['coverage']:.0%} of the face was seen")
    write_png(
        options.output,
        comparison(found.upright[0], found.distance[0], head, found.vertices[0], size=options.size, sides=((25, 0),)),
    )


if __name__ == "__main__":
    main()
