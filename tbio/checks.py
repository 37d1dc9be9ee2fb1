"""Steps and wall times as they are stored."""

from __future__ import annotations

import math
from typing import Any

from tbio import arrays

#: The greatest step; the least is one further from zero.
MAX_STEP = 2**63 - 1


def double_of(value: Any) -> float:
    """A number as a double."""
    try:
        return float(arrays.number(value))
    except OverflowError as error:
        raise ValueError("an integer too large for a double") from error


def step_of(value: Any, what: str) -> tuple[int, bool]:
    """A step as an integer of 64 bits, and whether it was a whole number."""
    if value is None:
        return 0, True
    if type(value) is int and -MAX_STEP <= value <= MAX_STEP:
        return value, True
    try:
        number = arrays.number(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from error
    finite = isinstance(number, int) or math.isfinite(number)
    if not finite or not -MAX_STEP - 1 <= int(number) <= MAX_STEP:
        raise ValueError(f"{what}: want an integer of 64 bits, got {value!r}")
    return int(number), int(number) == number


def wall_time_of(value: Any, what: str) -> float:
    """Seconds since the epoch."""
    try:
        wall_time = double_of(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from error
    if not math.isfinite(wall_time):
        # TensorBoard's data server stops reading a file at the first one.
        raise ValueError(f"{what}: want seconds since the epoch, got {value!r}")
    return wall_time
