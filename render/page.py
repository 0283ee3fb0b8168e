"""What web pages that hold everything are made of: one script, facts as JSON, a rule that lets nothing out."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|let|function|class|async)", re.MULTILINE)


def one_script(folder: Path, names: Iterable[str]) -> str:
    """Modules NAME.js of a folder, each after those that it imports, as one script: they share one scope then."""
    joined = "".join(_EXPORT.sub("", _IMPORT.sub("", (folder / f"{name}.js").read_text("utf-8"))) for name in names)
    return f'"use strict";\n(() => {{\n{joined}}})();\n'


def as_json(facts: dict) -> str:
    """Facts as JSON in ASCII that no tag can end."""
    return json.dumps(facts, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def policy(scripts: Iterable[str], style: str, *, media: str = "blob:") -> str:
    """A Content-Security-Policy (https://www.w3.org/TR/CSP3/): these scripts and this style run, nothing is fetched.

    Pictures, sound and films come from blobs that the page makes of itself, or from where else `media` says.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'sha256-{_digest(style)}'; img-src blob: data:; "
        f"media-src {media}; connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
