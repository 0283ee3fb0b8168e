"""Who corrects the landmarks of a film, or of a camera's pictures."""

from __future__ import annotations

from flame_tools.errors import InputError
from recon.learned.regressed import NetworkCorrector
from recon.pipeline import network_for

LIVE_METHODS = ("auto", "solve")
METHODS = (*LIVE_METHODS, "regress")  # of films


def corrector_for(head_id: str, method: str = "auto", *, methods: tuple[str, ...] = METHODS) -> NetworkCorrector | None:
    """recon-base, where a method wants it and it knows the head; None where landmarks are taken as they are read.

    Raises InputError for a method that is none of `methods`, and for regress where it does not know the head.
    """
    if method not in methods:
        why = "; regress looks ahead, and is for photos and films" if method in METHODS else ""
        raise InputError(f"method {method!r} is none of {', '.join(methods)}{why}")
    net = network_for(head_id, method)
    return None if net is None else NetworkCorrector(net)
