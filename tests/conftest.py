"""Fixtures of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"
NO_CORPUS = f"{os.path.relpath(CORPUS, ROOT)} is absent: the files of other writers were not read"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="also what needs the heavy peers: torch, Keras, JAX"
    )
    parser.addoption(
        "--adapters", action="store_true", help="only what needs other training libraries"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--adapters"):
        left_out = [item for item in items if not item.get_closest_marker("adapters")]
    else:
        unwanted = {"adapters"} if config.getoption("--full") else {"adapters", "full"}
        left_out = [
            item for item in items if any(mark.name in unwanted for mark in item.iter_markers())
        ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The corpus of other writers' event files, with the truth about each in expected/."""
    if not CORPUS.is_dir():
        pytest.skip(NO_CORPUS)
    return CORPUS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not CORPUS.is_dir():
        terminalreporter.section("NO CORPUS", sep="!", red=True)
        terminalreporter.line(NO_CORPUS)
