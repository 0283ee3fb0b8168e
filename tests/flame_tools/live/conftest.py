"""Sockets on this machine, and faces to send."""

import socket

import numpy as np
import pytest

from flame_tools import load_head
from flame_tools.live import CHANNELS


@pytest.fixture
def listening():
    """A bound UDP socket on a free port of localhost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        here.bind(("127.0.0.1", 0))
        here.settimeout(5)
        yield here


@pytest.fixture(scope="session")
def default_head():
    return load_head()


@pytest.fixture
def face():
    """Channels [61] that are all different: what is exchanged or turned round shows."""
    channels = np.linspace(0.01, 0.61, len(CHANNELS))
    channels[52:] -= 0.56  # angles of either sign
    return channels


def received(here: socket.socket) -> list[bytes]:
    """Everything that has arrived."""
    here.setblocking(False)
    found = []
    while True:
        try:
            found.append(here.recv(65535))
        except BlockingIOError:
            return found
