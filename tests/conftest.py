"""Fixtures of the whole suite."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared" / "corpus"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="also what needs the heavy peers: torch, Keras, JAX"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The corpus of other writers' event files, with the truth about each in expected/."""
    if not CORPUS.is_dir():
        message = f"NO CORPUS: {os.path.relpath(CORPUS, ROOT)} is absent, its tests do not run"
        warnings.warn(message, stacklevel=2)
        pytest.skip(message)
    return CORPUS
