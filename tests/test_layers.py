"""Imports run one way: the layers of ARCHITECTURE.md, held."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tbio"

#: module -> layer; a module imports from lower layers, or from its own without a circle.
LAYERS = {
    "errors": 0,
    "growing": 0,
    "extras": 0,
    "lock": 0,
    "masked_crc": 0,
    "names": 0,
    "plugins": 0,
    "proto": 0,
    "selection": 0,
    "wire": 0,
    "record": 1,
    "headers": 1,
    "dialect": 1,
    "span_crcs": 1,
    "tensor": 1,
    "arrays": 1,
    "checks": 1,
    "tag_book": 1,
    "notebook": 1,
    "optimum": 1,
    "aggregates": 1,
    "smoothing": 1,
    "device": 1,
    "readahead": 1,
    "recycled": 1,
    "storage": 1,
    "record_file": 2,
    "rotation": 2,
    "event_file": 2,
    "scalar_lane": 2,
    "kinds": 2,
    "columns": 2,
    "column": 2,
    "bulk": 2,
    "places": 2,
    "migration": 2,
    "projector": 2,
    "assets": 2,
    "graphs": 2,
    "series": 3,
    "tables": 3,
    "rules": 3,
    "run": 3,
    "scalar_stream": 3,
    "sessions": 3,
    "logdir": 3,
    "following": 3,
    "background": 3,
    "file_writer": 3,
    "resuming": 3,
    "run_writer": 3,
    "writer": 3,
    "global_writer": 3,
    "summary": 3,
    "summary_protos": 3,
    "exports": 4,
    "event_rows": 4,
    "comparison": 4,
    "terminal_charts": 1,
    "glance": 4,
    "extracts": 4,
    "diagnosis": 4,
    "examination": 4,
    "findings": 4,
    "repairs": 4,
    "groups": 4,
    "curves": 4,
    "reduction": 4,
    "ranking": 4,
    "checkpoints": 4,
    "backups": 1,
    "edits": 4,
    "imports": 4,
    "plot": 4,
    "adapters": 5,
    "compat": 5,
    "keras": 5,
    "remote": 5,
    "cli": 6,
}
#: The two sides of layer 3, which never import each other.
READING = {
    "series",
    "tables",
    "rules",
    "run",
    "scalar_stream",
    "sessions",
    "logdir",
    "following",
}
WRITING = {
    "background",
    "file_writer",
    "resuming",
    "run_writer",
    "writer",
    "global_writer",
    "summary",
    "summary_protos",
}
#: They gather what the others define.
FACES = {"__init__", "__main__"}


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The modules of tbio that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tbio":
                    yield [*alias.name.split("."), "__init__"][1]
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = node.module.split(".")
            if parts[0] == "tbio":
                yield from [parts[1]] if len(parts) > 1 else (alias.name for alias in node.names)


FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent.name != "proto" or path.stem == "__init__"
)


@functools.cache
def graph() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in FILES:
        found.setdefault(module_of(path), set()).update(imports(path))
    return found


def test_every_module_has_a_layer() -> None:
    assert set(graph()) - FACES == set(LAYERS)


@pytest.mark.parametrize("module", sorted(LAYERS))
def test_imports_go_down(module: str) -> None:
    for imported in graph()[module] - {module, "__init__"}:
        assert LAYERS[imported] <= LAYERS[module], f"{module} imports {imported} from above"
    if module != "cli":
        assert "__init__" not in graph()[module], f"{module} imports the package's face"


def test_no_circle_within_a_layer() -> None:
    edges = {module: graph()[module] & set(LAYERS) - {module} for module in LAYERS}
    while edges:
        free = {module for module, targets in edges.items() if not targets & set(edges)}
        assert free, f"a circle among {sorted(edges)}"
        edges = {module: targets for module, targets in edges.items() if module not in free}


def test_reading_and_writing_do_not_meet() -> None:
    found = graph()
    assert not any(found[module] & WRITING for module in READING)
    assert not any(found[module] & READING for module in WRITING)
