"""What a caller asks for: runs and tags by glob, regex, list or callable; kinds; steps."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.plugins import KINDS

Pattern: TypeAlias = str | re.Pattern[str]
#: None takes everything; a str is a glob; a compiled regex is searched for; a list is any of them.
Selection: TypeAlias = Pattern | Iterable[Pattern] | Callable[[str], bool] | None


def everything(name: str) -> bool:
    """True: the selection that leaves nothing out."""
    return True


def matcher(selection: Selection, noun: str) -> Callable[[str], bool]:
    """A function that says whether a name is asked for.

    A glob covers the whole name, ``*`` and ``?`` match ``/`` too, and a name always matches itself,
    brackets and all. A compiled regex is searched for anywhere in the name.

    Raises:
        TypeError: ``selection`` is none of the forms of `Selection`; ``noun`` says of what.

    >>> wanted = matcher(["loss", "val/*"], "tags")
    >>> wanted("loss"), wanted("val/loss"), wanted("train/loss")
    (True, True, False)
    """
    if selection is None:
        return everything
    if isinstance(selection, (str, re.Pattern)):
        return _one(selection, noun)
    if callable(selection):
        return selection
    if isinstance(selection, Iterable) and not isinstance(selection, (bytes, bytearray)):
        several = [_one(pattern, noun) for pattern in selection]
        return lambda name: any(wanted(name) for wanted in several)
    raise TypeError(_want(noun, selection))


def _one(pattern: Pattern, noun: str) -> Callable[[str], bool]:
    if isinstance(pattern, str):
        glob = re.compile(fnmatch.translate(pattern)).match
        return lambda name: name == pattern or glob(name) is not None
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        search = pattern.search
        return lambda name: search(name) is not None
    raise TypeError(_want(noun, pattern))


def _want(noun: str, got: object) -> str:
    return f"{noun}: want a glob, a compiled regex, a list of these or a callable, got {got!r}"


def kind_set(kinds: str | Iterable[str] | None) -> frozenset[str]:
    """The kinds asked for, all of them when None.

    Raises:
        ValueError: a name that is no kind of data.

    >>> sorted(kind_set(["scalars", "images"]))
    ['images', 'scalars']
    """
    if kinds is None:
        return frozenset(KINDS)
    wanted = frozenset([kinds] if isinstance(kinds, str) else kinds)
    unknown = wanted.difference(KINDS)
    if unknown:
        raise ValueError(f"kinds: {sorted(unknown)} unknown; there are {', '.join(KINDS)}")
    return wanted


class StepRange(NamedTuple):
    """Steps from ``first`` on and before ``stop``, every ``stride``-th of them.

    Strides count from ``first``, from step 0 where there is none.
    """

    first: int | None = None
    stop: int | None = None
    stride: int = 1

    def wants(self, step: int) -> bool:
        """Whether one step is in it."""
        return (
            (self.first is None or step >= self.first)
            and (self.stop is None or step < self.stop)
            and (self.stride == 1 or (step - (self.first or 0)) % self.stride == 0)
        )

    def mask(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the steps are in it, bool[n]."""
        mask = np.ones(len(steps), bool)
        if self.first is not None:
            mask &= steps >= self.first
        if self.stop is not None:
            mask &= steps < self.stop
        if self.stride != 1:
            # Of steps and first apart, whose difference may be beyond int64; a stride may be too.
            whole = steps if self.stride <= np.iinfo(np.int64).max else steps.astype(object)
            mask &= whole % self.stride == (self.first or 0) % self.stride
        return mask


#: None takes every step, an integer that one; a slice and a range are half open as ever. A negative
#: number is a negative step.
Steps: TypeAlias = int | range | slice | StepRange | None


def step_range(steps: Steps) -> StepRange | None:
    """The steps asked for; None for all of them.

    Raises:
        TypeError: ``steps`` is none of the forms of `Steps`.
        ValueError: a stride below 1.

    >>> step_range(slice(100, 200)), step_range(7)
    (StepRange(first=100, stop=200, stride=1), StepRange(first=7, stop=8, stride=1))
    """
    if steps is None or isinstance(steps, StepRange):
        return steps
    try:
        if isinstance(steps, (range, slice)):
            first, stop, stride = (
                None if bound is None else operator.index(bound)
                for bound in (steps.start, steps.stop, steps.step)
            )
        else:
            if isinstance(steps, (bool, np.bool_)):
                raise TypeError
            first, stride = operator.index(steps), 1
            stop = first + 1
    except TypeError:
        raise TypeError(f"steps: want an int, a range or a slice of ints, got {steps!r}") from None
    stride = 1 if stride is None else stride
    if stride < 1:
        raise ValueError(f"steps: want a stride of at least 1, got {stride}")
    return None if (first, stop, stride) == (None, None, 1) else StepRange(first, stop, stride)
