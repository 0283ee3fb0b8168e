"""Write the checksums of assets/data into assets/registry.py, after a bundled file was changed on purpose.

python tools/update_checksums.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from assets.locate import DATA, sha256_of  # noqa: E402
from assets.registry import ASSETS  # noqa: E402


def main() -> int:
    registry = ROOT / "assets" / "registry.py"
    text = registry.read_text()
    missing = []
    for asset in ASSETS.values():
        path = DATA / asset.file
        if not path.is_file():
            missing.append(asset.file)
            continue
        entry = re.compile(rf'(file="{re.escape(asset.file)}",\s+sha256=")[^"]*(")')
        text, found = entry.subn(rf"\g<1>{sha256_of(path)}\g<2>", text)
        if found != 1:
            sys.exit(f"{registry}: wanted one entry with file= then sha256= for {asset.file}, found {found}")
    registry.write_text(text)
    if missing:
        sys.stderr.write(f"registered but not in {DATA}: {', '.join(missing)}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
