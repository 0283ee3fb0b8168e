"""Khronos' own validator finds no error in what we write."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from flame_tools import load_head
from flame_tools.export import write_glb
from tests.interchange.test_blender_glb import performance

MODULE = Path(__file__).resolve().parents[2] / ".venv" / "node" / "node_modules" / "gltf-validator"
SCRIPT = """
const {validateBytes} = require(process.argv[1]);
const bytes = new Uint8Array(require('fs').readFileSync(process.argv[2]));
validateBytes(bytes).then(report => console.log(JSON.stringify(report)));
"""


@pytest.mark.skipif(
    not (MODULE.is_dir() and shutil.which("node")),
    reason="the glTF validator is not installed: bash tools/install_test_programs.sh, with Node at hand",
)
@pytest.mark.parametrize("frames", [1, 30])
def test_the_validator_finds_no_error(frames, tmp_path):
    head = load_head()
    write_glb(performance(head, frames), head, tmp_path / "head.glb")
    done = subprocess.run(
        ["node", "-e", SCRIPT, MODULE, tmp_path / "head.glb"], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    assert report["issues"]["numErrors"] == 0, report["issues"]["messages"][:5]
    assert report["issues"]["numWarnings"] == 0, report["issues"]["messages"][:5]
    assert report["info"]["totalTriangleCount"] == len(head.arrays.faces)
