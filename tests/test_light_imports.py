"""Importing costs little and changes nothing."""

import json
import subprocess
import sys

import pytest

HEAVY = ["ai_edge_litert", "av", "librosa", "matplotlib", "numba", "pocketsphinx", "pxr", "ray", "rich", "sklearn",
         "soundfile", "tensorboard", "transformers", "typer"]  # fmt: skip
PROBE = """
import json, sys, time, warnings
import numpy, torch
flags = (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), len(warnings.filters))
start = time.process_time()
import {package}
seconds = time.process_time() - start
changed = flags != (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), len(warnings.filters))
print(json.dumps({{
    "seconds": seconds, "changed": changed, "cuda": torch.cuda.is_initialized(),
    "heavy": sorted(set({heavy}) & set(sys.modules)),
}}))
"""


@pytest.mark.parametrize(
    "package",
    ["assets", "flame_tools", "render", "readers", "learning", "recon", "animate", "emberface", "flame_tools.export"],
)
def test_import_is_quick_silent_and_light(package):
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", PROBE.format(package=package, heavy=HEAVY)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == "", done.stderr
    *noise, last = done.stdout.strip().splitlines()
    report = json.loads(last)
    assert not noise and not report["changed"] and not report["cuda"]
    assert report["heavy"] == []
    assert report["seconds"] < 1.0  # of processor time: 0.1 s on a quiet core; numpy and torch are already there


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["animate", "--help"],
        ["recon", "nothere.jpg", "-o", "a"],
        ["convert", "nothere.csv", "-o", "a.glb"],
        ["convert", "nothere.csv", "-o", "a.xyz"],
        ["view", "nothere.face.npz"],
        ["render", "nothere.face.npz", "-o", "a.mp4"],
        ["live", "nothere.wav"],
    ],
)
def test_help_and_refusals_do_not_wait_for_torch(arguments, tmp_path):
    probe = "import sys, emberface_cli; emberface_cli.run(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and (done.stdout or done.stderr), done.stderr


def test_the_core_names_what_it_loads_when_it_is_asked_for():
    import flame_tools

    loaded = {name: getattr(flame_tools, name) for name in flame_tools.__all__}
    assert all(value.__name__ == name for name, value in loaded.items()) and set(loaded) <= set(dir(flame_tools))
    with pytest.raises(AttributeError, match="no attribute 'Heads'"):
        flame_tools.Heads  # noqa: B018
