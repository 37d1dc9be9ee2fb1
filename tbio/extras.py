"""Libraries that tbio uses where they are installed and otherwise does without."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tbio.errors import MissingExtraError

#: module -> the extra of pyproject.toml that installs it
EXTRAS = {
    "duckdb": "duckdb",
    "fsspec": "remote",
    "openpyxl": "excel",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "arrow",
    "shtab": "completion",
    "sklearn": "embeddings",
    "umap": "embeddings",
    "zstandard": "zstd",
}


def is_of(value: object, module: str, name: str) -> bool:
    """Whether ``value`` is of a class of an optional library, which is not imported to find out.

    Who has such a value has loaded the library. Another thread may be loading it this moment, so
    that it is there but not the class: then the value is of another kind.

    >>> is_of(3, "no_such_library", "Image")
    False
    """
    loaded = getattr(sys.modules.get(module), name, None)
    return isinstance(loaded, type) and isinstance(value, loaded)


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
