"""Imports point one way: assets <- flame_tools <- render <- readers, learning <- recon | animate <- emberface."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "assets": set(),
    "flame_tools": {"assets"},
    "render": {"assets", "flame_tools"},
    "readers": {"assets", "flame_tools", "render"},
    "learning": {"assets", "flame_tools"},
    "recon": {"assets", "flame_tools", "render", "readers", "learning"},
    "animate": {"assets", "flame_tools", "render", "readers", "learning"},
    "emberface": {"assets", "flame_tools", "render", "readers", "learning", "recon", "animate"},
}


def imported(path: Path) -> set[str]:
    """Top-level names of our own that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    names = {"emberface" if name.startswith("emberface_") else name for name in names}
    return names & (set(MAY_IMPORT) | {"tools", "tests", "examples", "benchmarks"})


def sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py")) if (ROOT / layer).is_dir() else sorted(ROOT.glob(f"{layer}*.py"))


def run_in(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node but what only a type checker reads."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from run_in(child)


def needed(path: Path, modules: set[str]) -> set[str]:
    """Which of `modules` a file imports when it runs, at its top or inside functions."""
    names = set()
    for node in run_in(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports {node.module} without its whole name"
            wholes = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= wholes if wholes <= modules else {node.module} | wholes
    return names & modules


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_what_lies_below(layer):
    files = sources(layer)
    assert files, f"{layer} has no sources"
    wrong = {
        str(f.relative_to(ROOT)): sorted(extra) for f in files if (extra := imported(f) - MAY_IMPORT[layer] - {layer})
    }
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    files = {".".join(f.relative_to(ROOT).with_suffix("").parts): f for layer in MAY_IMPORT for f in sources(layer)}
    files = {name.removesuffix(".__init__"): file for name, file in files.items()}
    graph = {name: needed(file, set(files)) for name, file in files.items()}
    graph["emberface"].remove("emberface_cli")  # `main`, where the command begins: the only way up
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the way round


def test_the_parser_sees_imports_inside_functions(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from recon.pipeline import reconstruct\n    import animate.speech, emberface_cli\n")
    assert imported(file) == {"recon", "animate", "emberface"}


def test_only_assets_knows_where_files_lie():
    for layer in set(MAY_IMPORT) - {"assets"}:
        for file in sources(layer):
            assert "importlib.resources" not in file.read_text(), f"{file} looks for files itself"


def test_benchmarks_find_the_packages_and_not_files_of_their_own_folder():
    """`python benchmarks/NAME.py` looks there first, and readers.py and recon.py lie there."""
    for file in sorted((ROOT / "benchmarks").glob("*.py")):
        text = file.read_text()
        if '__name__ == "__main__"' in text and imported(file):
            assert "sys.path.insert(0, str(" in text, f"{file} does not say where the packages are"
