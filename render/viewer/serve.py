"""The page of a track on this machine only: one document at http://127.0.0.1:PORT/."""

from __future__ import annotations

import errno
import http.server
import threading
from dataclasses import dataclass, field

from flame_tools.errors import InputError, OutputError
from flame_tools.head import Head
from flame_tools.types import Track
from render.viewer.page import viewer_page

HOST = "127.0.0.1"
_QUIET_S = 30  # a connection that says nothing for so long is closed


@dataclass(frozen=True)
class Served:
    """A page that waits to be asked for. Use it in a `with` block, or close it."""

    url: str
    _server: http.server.ThreadingHTTPServer = field(repr=False)
    _begun: threading.Event = field(default_factory=threading.Event, repr=False)

    def run(self) -> None:
        """Answer until `close` is called from another thread, or until Ctrl-C, which leaves as KeyboardInterrupt."""
        self._begun.set()
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._server.server_close()

    def start(self) -> threading.Thread:
        """Answer in a thread of its own."""
        self._begun.set()
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread

    def close(self) -> None:
        """End a `run` that goes on, and give the port back."""
        if self._begun.is_set():  # shutdown waits for a loop, even for one that never began
            self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Served:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.close()


def serve(track: Track, head: Head, *, port: int = 0, **options) -> Served:
    """Open the page of `track` at a port of 127.0.0.1, by default a free one; `options` are those of `viewer_page`.

    Nothing outside this machine can reach it. Raises OutputError where the port is taken.
    """
    return serve_page(viewer_page(track, head, **options), port=port)


def serve_page(page: str, *, port: int = 0) -> Served:
    """Open a page that is made already."""
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise InputError(f"port {port!r} does not exist; wanted 1 to 65535, or 0 for a free one")
    try:
        server = _Server((HOST, port), _Answer)
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        raise OutputError(f"port {port} of {HOST} {why}; choose another one, or 0 for a free one") from error
    server.page = page.encode()
    return Served(f"http://{HOST}:{server.server_address[1]}/", server)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    page: bytes

    def handle_error(self, request, client_address) -> None:
        """A browser that hangs up is no event."""


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "emberface", ""
    timeout = _QUIET_S

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        port = self.server.server_address[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            status, body = 403, b"this page is for this machine\n"  # a name of another site that leads here
        elif self.path.split("?")[0] != "/":
            status, body = 404, b"there is one page here: /\n"
        else:
            status, body = 200, self.server.page
        kind = "text/html" if status == 200 else "text/plain"
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Say nothing: the command line does."""
