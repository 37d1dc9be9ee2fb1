"""Libraries that tbio uses where they are installed and otherwise does without."""

from __future__ import annotations

import importlib
from types import ModuleType

from tbio.errors import MissingExtraError

#: module -> the extra of pyproject.toml that installs it
EXTRAS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow", "fsspec": "remote"}


def require(module: str) -> ModuleType:
    """The optional library ``module``, imported now.

    Raises:
        MissingExtraError: it is not installed; the message says which extra installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # it is there, and something it needs is not
            raise
        raise MissingExtraError(module, EXTRAS[module]) from error
