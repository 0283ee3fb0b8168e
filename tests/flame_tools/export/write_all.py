"""Runs in a process of its own, where files cannot grow: what every writer says then, and leaves.

python write_all.py FOLDER limited|full...

For each word it prints {ending: {"kinds": [...], "message": "...", "left": [...]}} as one line of JSON. limited: no
file may grow beyond 16 bytes. full: FOLDER's file system is filled to its last byte first.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

from flame_tools import Head
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.export.every_writer import EVERY, fitting

folder, *ways = sys.argv[1:]
folder, head = Path(folder), Head(random_arrays())
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error, and not the end


def fill() -> None:
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def said_by(write, ending: str) -> dict:
    track = fitting(ending, head)
    try:
        write(track, head, folder / f"x{ending}")
        kinds, message = [], "nothing"
    except Exception as error:
        kinds, message = [kind.__name__ for kind in type(error).__mro__], str(error)
    return {"kinds": kinds, "message": message, "left": sorted(set(os.listdir(folder)) - {"filler"})}


for way in ways:
    if way == "full":
        fill()
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    said = {ending: said_by(write, ending) for ending, write in EVERY.items()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    sys.stdout.write(json.dumps(said) + "\n")
