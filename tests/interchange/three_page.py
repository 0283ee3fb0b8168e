"""The page of docs/programs.md that plays a GLB in three.js, served on this machine with its own copy of three.js."""

from __future__ import annotations

import contextlib
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

_CDN = re.compile(r"https://cdn\.jsdelivr\.net/npm/three@[\d.]+/")
_DOCS = Path(__file__).resolve().parents[2] / "docs" / "programs.md"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


def page_text() -> str:
    """The page as the documentation shows it, but with three.js from the folder `three` beside it."""
    (page,) = re.findall(r"```html\n(.*?)```", _DOCS.read_text("utf-8"), re.DOTALL)
    assert len(_CDN.findall(page)) == 2
    return _CDN.sub("./three/", page)


@contextlib.contextmanager
def served(folder: Path, page: str, three: Path) -> Iterator[str]:
    """The address of `page` among the files of `folder`, which get the package `three` as a link beside them."""
    (folder / "index.html").write_text(page, "utf-8")
    (folder / "three").symlink_to(three.resolve())
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        finally:
            server.shutdown()
            thread.join()


# The sound as a blob, so that it can be sought: Python's server sends no parts of files.
SEEKABLE = """(async () => {
  const voice = document.getElementById('voice');
  voice.src = URL.createObjectURL(await (await fetch('talk.wav')).blob());
  await new Promise((done) => { voice.onloadeddata = done; });
})()"""


def seek(time_s: float) -> str:
    """A script that seeks the sound and waits until the picture of that time is drawn."""
    return f"""(async () => {{
      const voice = document.getElementById('voice');
      const sought = new Promise((done) => {{ voice.onseeked = done; }});
      voice.currentTime = {time_s};
      await sought;
      for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
    }})()"""
