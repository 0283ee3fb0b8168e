"""The objects of an FBX file and what joins them, numbered as they come: no clock and no chance enters an id."""

from __future__ import annotations

from collections import Counter

import numpy as np

from flame_tools.characters.fbx_nodes import Node

ROOT = np.int64(0)  # the scene itself, which is no object
_FIRST_ID = 1_000_000  # small numbers are left to the programs that read


class Objects:
    """Collects records of the section Objects and the connections between them."""

    def __init__(self):
        self.nodes: list[Node] = []
        self.links: list[Node] = []

    def new_id(self) -> np.int64:
        return np.int64(_FIRST_ID + len(self.nodes))

    def add(self, kind: str, name: str, label: str, subtype: str, children: list[Node]) -> np.int64:
        """A record `kind`, named "name\\0\\1label" as binary FBX joins an object's name and class. Returns its id."""
        number = self.new_id()
        self.nodes.append(Node(kind, [number, f"{name}\x00\x01{label}", subtype], children))
        return number

    def link(self, child: np.int64, parent: np.int64, prop: str | None = None) -> None:
        """Hang `child` below `parent`, or on the property `prop` of it."""
        properties = ["OO", child, parent] if prop is None else ["OP", child, parent, prop]
        self.links.append(Node("C", properties))

    def counts(self) -> dict[str, int]:
        """How many objects there are of each kind, in the order in which the kinds first came."""
        return dict(Counter(node.name for node in self.nodes))


def add_model(
    objects: Objects, name: str, subtype: str, *further: tuple, place: np.ndarray, degrees: np.ndarray
) -> np.int64:
    """The id of a Model that stands at `place` [3] metres, turned by `degrees` [3], with `further` properties."""
    settings = properties(
        ("InheritType", "enum", "", "", 1),
        ("DefaultAttributeIndex", "int", "Integer", "", 0),
        vector("Lcl Translation", place),
        vector("Lcl Rotation", degrees),
        vector("Lcl Scaling", np.ones(3)),
        *further,
    )
    rows = [Node("Version", [232]), settings, Node("Shading", [True]), Node("Culling", ["CullingOff"])]
    return objects.add("Model", name, "Model", subtype, rows)


def properties(*rows: tuple) -> Node:
    """Properties70 of rows (name, type, label, flags, value, ...): the file's typed settings."""
    return Node("Properties70", [], [Node("P", list(row)) for row in rows])


def vector(name: str, values: np.ndarray, kind: str | None = None) -> tuple:
    """A row of three numbers that curves may drive."""
    return (name, kind or name, "", "A", *(float(value) for value in values))


def text(name: str, value: str, flags: str = "") -> tuple:
    return (name, "KString", "", flags, value)


def layer(kind: str, index: int, children: list[Node], *, version: int, mapping: str, reference: str) -> Node:
    """A LayerElement: values by polygon, by corner or for the whole mesh."""
    return Node(
        kind,
        [index],
        [
            Node("Version", [version]),
            Node("Name", [""]),
            Node("MappingInformationType", [mapping]),
            Node("ReferenceInformationType", [reference]),
            *children,
        ],
    )
