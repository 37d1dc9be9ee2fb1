"""Values of any framework as plain numbers, by protocol: no framework is imported to find out.

What has an ``item()`` (NumPy, torch, JAX, CuPy, ml_dtypes), a ``numpy()`` (TensorFlow), an
``__array__`` or a ``__float__`` is understood.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def number(value: Any) -> float | int:
    """The one number in ``value``, as a Python ``float`` or ``int``.

    Takes Python and NumPy numbers, and arrays and tensors of any framework with exactly one
    element: 0-d, ``[x]`` or ``[[x]]``. A float is exact: a float32 gives the double that equals it.

    Raises:
        TypeError: not a number (text, None, complex, ...).
        ValueError: no element, several, or an element that cannot be had (torch's meta device).

    >>> number(np.float32(0.5)), number([[3]]), number(True)
    (0.5, 3, 1)
    """
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if isinstance(value, (float, int)):
        return int(value) if isinstance(value, bool) else value
    shape = (len(value),) if isinstance(value, (list, tuple)) else getattr(value, "shape", None)
    if isinstance(value, type):
        raise TypeError(f"want a number, got the type {value.__name__}")
    if shape is not None and math.prod(shape) != 1:
        raise ValueError(f"want one number, got {_describe(value)}")
    if np.ma.is_masked(value):
        raise ValueError(f"want one number, got {_describe(value)} that is masked")
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "mM":
        raise TypeError(f"want a number, got {_describe(value)}")
    try:
        item = _item(value)
    except Exception as error:
        raise ValueError(f"no number can be read from {_describe(value)}: {error}") from error
    if isinstance(item, (float, int)):
        return int(item) if isinstance(item, bool) else item
    raise TypeError(f"want a number, got {_describe(value)}")


def _item(value: Any) -> Any:
    """The Python scalar in ``value``, or something that is none."""
    if hasattr(value, "item"):
        item = value.item()
    elif hasattr(value, "numpy"):
        item = np.asarray(value.numpy()).item()
    elif hasattr(value, "__array__"):
        item = np.asarray(value).item()
    else:
        item = value
    if isinstance(item, (float, int, complex, str, bytes)):
        return item
    return float(item) if hasattr(item, "__float__") else item


def _describe(value: Any) -> str:
    """Type, shape and dtype of a value, for a message."""
    kind = type(value)
    words = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    shape = getattr(value, "shape", None)
    if shape is not None:
        words += f" of shape {tuple(shape)}"
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        words += f" and dtype {dtype}"
    if isinstance(value, (list, tuple)):
        words += f" of {len(value)}"
    if isinstance(value, (str, bytes)):
        words += f" {value[:40]!r}"
    return words
