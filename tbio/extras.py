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


def require(*modules: str) -> ModuleType:
    """An optional library, imported now: one of these names that is loaded, or the first there is.

    Raises:
        MissingExtraError: none is installed; the message says which extra installs it: that of
            `EXTRAS`, or else the one of the library's own name.

    >>> require("no_such_library", "json").__name__
    'json'
    """
    missing: ModuleNotFoundError | None = None
    for name in sorted(modules, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # it is there, what it needs is not
                raise
            missing = error
    library = modules[0].partition(".")[0]
    extra = EXTRAS.get(library, library.replace("_", "-"))
    raise MissingExtraError(library, extra) from missing
