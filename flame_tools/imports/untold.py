"""Which parameters a file has no place for: what its reader leaves at rest not because the face rests.

Readers list them in `provenance["untold"]`: fields of FaceParams, and single components as "expression.NAME".
`edited.put_back` takes these from the track that a file was made from.
"""

from __future__ import annotations

from collections.abc import Collection

from flame_tools.arkit import ARKIT_NAMES, LID_OWNED, says_names
from flame_tools.types import JAW, LEFT_EYE, NECK, RIGHT_EYE, HeadArrays

_JAW = {"jawOpen", "jawLeft", "jawRight"}
_LOOKS = {name for name in ARKIT_NAMES if name.startswith("eyeLook")}


def untold_by_names(head: HeadArrays, *, missing: Collection[str], turned: Collection[int]) -> list[str]:
    """Of a file that speaks by ARKit's names: those it lacks, and the joints (NECK, JAW, ...) that it can turn."""
    missing, fields = set(missing), ["shape", "global_rotation", "translation"]
    for field, names, joints in (
        ("neck", set(), {NECK}),
        ("jaw", _JAW, {JAW}),
        ("eyes", _LOOKS, {LEFT_EYE, RIGHT_EYE}),
        ("eyelids", set(LID_OWNED), set()),
    ):
        if names <= missing and not joints & set(turned):
            fields.append(field)
    if not says_names(head):  # its components are not the names': each moves with all that is told
        return fields
    told = set(ARKIT_NAMES) - missing
    return fields + [f"expression.{name}" for name in head.expression_names if name not in told]
