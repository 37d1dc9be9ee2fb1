"""Oracle: what may come of garbage, a value or a `TbioError`."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

from tbio.errors import TbioError, TbioWarning

T = TypeVar("T")


def attempt(read: Callable[[], T]) -> T | None:
    """What a call gives; None where it raises as tbio may."""
    try:
        return read()
    except TbioError:
        return None


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Every warning is an error, but for those of tbio."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TbioWarning)
        yield
