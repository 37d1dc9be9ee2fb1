"""What a caller asks for: runs, tags and kinds by glob, regex, list or callable."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

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
