"""The libraries that adapters are for, loaded with their adapter and not before."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from tbio.errors import MissingExtraError


def require(*modules: str) -> ModuleType:
    """The library that goes by one of these names: one that is loaded already, or the first there.

    Raises:
        MissingExtraError: none is installed; the message says which extra, of the name of the
            first, installs it.

    >>> require("no_such_library", "json").__name__
    'json'
    """
    for name in sorted(modules, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # it is there, what it needs is not
                raise
    library = modules[0].partition(".")[0]
    raise MissingExtraError(library, library.replace("_", "-"))
