"""Values of any framework as numbers and numpy arrays, by protocol.

No framework is imported to find out: what has an ``item()``, ``detach()``, ``numpy()``, ``get()``,
``__array__``, ``__dlpack__`` or ``__float__`` is asked for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt


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


def to_numpy(value: Any) -> npt.NDArray[Any]:
    """The numbers in ``value`` as an array: bool, integer, float or complex, of the same shape.

    Takes arrays and tensors of any framework, on any device, with or without gradients; numbers;
    and (nested) lists of all these. bfloat16 and float8, which numpy lacks, come as float32, which
    holds them exactly. Masked elements come as NaN (masked integers as float64). The result may
    share memory with ``value``.

    Raises:
        TypeError: not numbers (text, None, objects).
        ValueError: rows of differing lengths; data that cannot be had (torch's meta device).

    >>> to_numpy([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    try:
        array = _array(value)
    except Exception as error:
        raise ValueError(f"no array can be made of {_describe(value)}: {error}") from error
    if array.dtype.kind == "V" or array.dtype.name.startswith(("bfloat16", "float8", "float4")):
        try:
            array = array.astype(np.float32)  # the dtypes of ml_dtypes
        except (TypeError, ValueError) as error:
            raise TypeError(f"want numbers, got {_describe(value)}") from error
    if isinstance(array, np.ma.MaskedArray):
        missing = np.ma.getmaskarray(array)
        if missing.any():
            kind = array.dtype if array.dtype.kind in "fc" else np.float64
            array = np.where(missing, np.nan, array.data.astype(kind)).astype(kind)
        else:
            array = array.data
    if array.dtype.kind not in "biufc":
        raise TypeError(f"want numbers, got {_describe(value)}")
    return array


def real_numbers(what: str, value: Any) -> npt.NDArray[Any]:
    """As `to_numpy`, but without complex numbers; ``what`` begins the message of an error.

    Raises:
        TypeError, ValueError: as `to_numpy`; TypeError also for complex numbers.
    """
    try:
        array = to_numpy(value)
    except TypeError as error:
        raise TypeError(f"{what}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error
    if array.dtype.kind == "c":
        raise TypeError(f"{what}: want real numbers, got dtype {array.dtype}")
    return array


def _array(value: Any) -> npt.NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (list, tuple)) and _holds_arrays(value):
        items = [_array(item) for item in value]
        masked = any(isinstance(item, np.ma.MaskedArray) for item in items)
        stacked: npt.NDArray[Any] = np.ma.stack(items) if masked else np.stack(items)
        return stacked
    if hasattr(value, "detach"):  # torch
        tensor = value.detach().cpu().resolve_conj().resolve_neg()
        try:
            return np.asarray(tensor.numpy())
        except TypeError:  # a dtype that numpy lacks: bfloat16, float8, complex32
            wider = tensor.cfloat() if tensor.is_complex() else tensor.float()
            return np.asarray(wider.numpy())
    if hasattr(value, "__cuda_array_interface__") and hasattr(value, "get"):  # CuPy
        return np.asarray(value.get())
    if hasattr(value, "__array__") or not (hasattr(value, "shape") or hasattr(value, "__dlpack__")):
        return np.asarray(value)
    if hasattr(value, "numpy"):
        return np.asarray(value.numpy())
    if hasattr(value, "__dlpack__"):
        return np.from_dlpack(value)
    return np.asarray(value)


def weight(value: Any) -> int:
    """The bytes that an array, or arrays and bytes in a tuple, take.

    >>> weight((np.zeros(4), b"abc", 7))
    35
    """
    if isinstance(value, tuple):
        return sum(map(weight, value))
    if isinstance(value, np.ndarray):
        return value.nbytes
    return len(value) if isinstance(value, bytes) else 0


def _holds_arrays(values: Any) -> bool:
    """Whether there are arrays in lists, perhaps in lists of them (looking into the first one)."""
    return any(hasattr(item, "shape") or hasattr(item, "__dlpack__") for item in values) or (
        bool(values) and isinstance(values[0], (list, tuple)) and _holds_arrays(values[0])
    )


def _item(value: Any) -> Any:
    """The Python scalar in ``value``, or something that is none."""
    if hasattr(value, "item"):
        item = value.item()
    elif hasattr(value, "numpy"):
        item = np.asarray(value.numpy()).item()
    elif hasattr(value, "__array__"):
        item = np.asarray(value).item()
    elif hasattr(value, "__dlpack__"):
        item = np.from_dlpack(value).item()
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
