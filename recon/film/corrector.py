"""Who corrects the landmarks of a film, or of a camera's pictures."""

from __future__ import annotations

from flame_tools.errors import InputError
from recon.learned.regressed import NetworkCorrector
from recon.pipeline import network_for

METHODS = ("auto", "solve")


def corrector_for(head_id: str, method: str = "auto") -> NetworkCorrector | None:
    """recon-base, where a method wants it and it knows the head; None where landmarks are taken as they are read.

    Raises InputError for a method that is none of METHODS.
    """
    if method not in METHODS:
        raise InputError(
            f"method {method!r} is none for films and cameras; wanted {' or '.join(METHODS)}, or one photo for regress"
        )
    net = network_for(head_id, method)
    return None if net is None else NetworkCorrector(net)
