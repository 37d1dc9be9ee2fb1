"""The rules of the house: format, lint, types, cost of import, public names."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tbio

ROOT = Path(__file__).parent.parent


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_format() -> None:
    run("ruff", "format", "--check", ".")


def test_lint() -> None:
    run("ruff", "check", ".")


def test_types() -> None:
    run("mypy")


LOADED = """
import sys
before = {name.partition(".")[0] for name in sys.modules}
IMPORT
print(*sorted({name.partition(".")[0] for name in sys.modules} - before - sys.stdlib_module_names))
"""


@pytest.mark.parametrize(
    "words",
    ["import tbio", "from tbio import SummaryWriter", "import tbio; tbio.open; tbio.read_events"],
)
def test_import_loads_no_more_than_it_must(words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.replace("IMPORT", words)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    # _upb is the C part of protobuf (google._upb); namespace helpers of an install may come too
    loaded = {name for name in done.stdout.split() if not name.startswith("_")}
    assert loaded <= {"crc32c", "google", "numpy", "tbio"}


def test_public_names() -> None:
    for name in tbio.__all__:
        assert getattr(tbio, name) is not None
    assert dir(tbio) == tbio.__all__ == sorted(tbio.__all__)
    assert set(tbio._HOME_OF) | {"__version__"} == set(tbio.__all__)
    with pytest.raises(AttributeError, match="no attribute 'SumaryWriter'"):
        tbio.SumaryWriter  # noqa: B018
    # what type checkers see is what there is
    declared = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(Path(tbio.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tbio.")
        for alias in node.names
    }
    assert declared | {"__version__"} == set(tbio.__all__)


LIBRARY = sorted(path for path in (ROOT / "tbio").rglob("*.py") if path.parent.name != "proto")


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_assert_on_anybodys_data(path: Path) -> None:
    asserts = [node for node in ast.walk(ast.parse(path.read_text())) if type(node) is ast.Assert]
    assert not asserts, f"python -O drops it: line {[node.lineno for node in asserts]}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
