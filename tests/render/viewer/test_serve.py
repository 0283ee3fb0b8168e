"""The page at an address of this machine, and nothing else there."""

import http.client
import socket
import threading

import pytest

from flame_tools import InputError
from flame_tools.errors import OutputError
from render.viewer.serve import HOST, serve_page

PAGE = "<!doctype html><title>a face, ein Gesicht: \u00e4</title>"


@pytest.fixture
def served():
    with serve_page(PAGE) as served:
        yield served


def ask(served, path="/", method="GET", **headers):
    port = int(served.url.rstrip("/").rsplit(":", 1)[1])
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_page_is_there_and_says_what_it_is(served, capfd):
    answer, body = ask(served)
    assert answer.status == 200 and body.decode() == PAGE
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
    answer, body = ask(served, "/?x=1", "HEAD")
    assert answer.status == 200 and body == b"" and int(answer.headers["Content-Length"]) == len(PAGE.encode())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["/index.html", "/pyproject.toml", "/../", "/%2e%2e/"])
def test_there_is_nothing_else(served, path):
    answer, body = ask(served, path)
    assert answer.status == 404 and b"<" not in body
    answer, _ = ask(served, "/", "POST")
    assert answer.status == 501


def test_another_site_cannot_reach_it_by_a_name_of_its_own(served):
    answer, _ = ask(served, Host="example.org")
    assert answer.status == 403


def test_it_listens_to_this_machine_only(served):
    assert served.url.startswith("http://127.0.0.1:")
    assert served._server.socket.getsockname()[0] == HOST


def test_a_port_that_is_taken_or_does_not_exist_is_refused():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(OutputError, match="is in use"):
            serve_page(PAGE, port=taken.getsockname()[1])
    with pytest.raises(InputError, match="70000"):
        serve_page(PAGE, port=70000)


def test_it_ends_and_gives_the_port_back():
    served = serve_page(PAGE)
    thread = served.start()
    ask(served)
    served.close()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(OSError):
        ask(served)


def test_a_page_that_nobody_began_to_serve_can_be_closed():
    served = serve_page(PAGE)
    closing = threading.Thread(target=served.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
