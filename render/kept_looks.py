"""The Look of each head, made once and kept with it."""

from __future__ import annotations

import contextlib
import weakref

from render.look import Look

_looks: dict[int, tuple[weakref.ref, Look]] = {}  # by the id of the arrays, dropped with them


def look_of(head) -> Look:
    """The Look of a Head, HeadArrays or Mesh. Made at the first call, then kept as long as the arrays live."""
    if isinstance(head, Look):
        return head
    arrays = getattr(head, "arrays", head)
    kept = _looks.get(id(arrays))
    if kept is not None and kept[0]() is arrays:
        return kept[1]
    from render.looks import make_look  # kernels

    look = make_look(arrays)
    key = id(arrays)
    with contextlib.suppress(TypeError):  # what cannot be watched is not kept
        _looks[key] = (weakref.ref(arrays, lambda _: _looks.pop(key, None)), look)
    return look
