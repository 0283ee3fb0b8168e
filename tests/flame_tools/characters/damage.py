"""FBX trees with records lost or with other values than they should have, for readers that must bear them."""

from hypothesis import strategies as st

from flame_tools.characters.fbx_nodes import Node


def damage(root: Node, data: st.DataObject, values: st.SearchStrategy) -> None:
    """Change up to five records of a tree, in place, as hypothesis' `data` draws them."""
    for _ in range(data.draw(st.integers(1, 5))):
        node = root
        for _ in range(data.draw(st.integers(1, 5))):
            if node.children:
                node = node.children[data.draw(st.integers(0, len(node.children) - 1))]
        if node.properties and data.draw(st.booleans()):
            node.properties[data.draw(st.integers(0, len(node.properties) - 1))] = data.draw(values)
        elif node.children:
            del node.children[data.draw(st.integers(0, len(node.children) - 1))]
