"""What is worked out once for each head, and forgotten with it."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)


def kept_with_head(function: Function) -> Function:
    """A function of a head's arrays, and of what can be hashed, that answers each question once."""
    answers: dict = {}

    @functools.wraps(function)
    def once(head, *rest, **named):
        key = (id(head), rest, tuple(sorted(named.items())))
        if key not in answers:
            answers[key] = function(head, *rest, **named)
            weakref.finalize(head, answers.pop, key, None)
        return answers[key]

    return once
