"""Renames: what runs and tags are to be called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from tbio.selection import Pattern

#: Old -> new, as a mapping or as pairs. A str is a name as a whole; a compiled regex is replaced
#: wherever it matches, with the groups of ``re.sub`` in the new name.
Renaming: TypeAlias = (
    Mapping[str, str] | Mapping[Pattern, str] | Iterable[tuple[Pattern, str]] | None
)


class Renames:
    r"""New names for old ones.

    A name that stands there as a whole gets its new one, and that is final, so that two names can
    be exchanged. Regexes follow one another, each working on what the one before it has made.

    Args:
        noun: what is renamed, for messages.
        below: names are paths, and a name stands for all paths below it too.

    Raises:
        TypeError, ValueError: nothing of the sort; a group that the regex does not have.

    >>> renames = Renames({"loss": "train/loss", re.compile("acc(.)"): r"accuracy\1"}, "tags")
    >>> renames("loss"), renames("acc5"), renames("lr")
    ('train/loss', 'accuracy5', 'lr')
    """

    def __init__(self, rules: Renaming, noun: str, below: bool = False) -> None:
        self._names: dict[str, str] = {}
        self._regexes: list[tuple[re.Pattern[str], str]] = []
        self._below = below
        for old, new in _pairs(rules, noun):
            if isinstance(old, str):
                if self._names.setdefault(old, new) != new:
                    raise ValueError(f"{noun}: {old!r} is to have two names")
                continue
            try:
                old.sub(new, "")
            except (re.error, IndexError) as error:
                raise ValueError(f"{noun}: {new!r} for {old.pattern!r}: {error}") from error
            self._regexes.append((old, new))
        self._known: dict[str, str] = {}
        self._used: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._names or self._regexes)

    def __call__(self, name: str) -> str:
        """The new name of an old one."""
        new = self._known.get(name)
        if new is None:
            new = self._known[name] = self._renamed(name)
        return new

    def _renamed(self, name: str) -> str:
        whole = self._whole(name)
        if whole is not None:
            self._used.add(whole)
            return self._names[whole] + name[len(whole) :]
        for regex, new in self._regexes:
            if regex.search(name) is not None:
                self._used.add(regex.pattern)
                name = regex.sub(new, name)
        return name

    def _whole(self, name: str) -> str | None:
        if name in self._names:
            return name
        while self._below and "/" in name:
            name = name.rpartition("/")[0]
            if name in self._names:
                return name
        return None

    @property
    def unused(self) -> list[str]:
        """The names and regexes that no name was asked for which they match."""
        every = [*self._names, *(regex.pattern for regex, _ in self._regexes)]
        return [pattern for pattern in every if pattern not in self._used]


def _pairs(rules: Renaming, noun: str) -> list[tuple[Pattern, str]]:
    if rules is None:
        return []
    pairs: Iterable[Any] = rules.items() if isinstance(rules, Mapping) else rules
    checked: list[tuple[Pattern, str]] = []
    for pair in pairs:
        try:
            old, new = pair
        except (TypeError, ValueError):
            old = new = None
        is_regex = isinstance(old, re.Pattern) and isinstance(old.pattern, str)
        if isinstance(pair, str) or not (isinstance(old, str) or is_regex):
            raise TypeError(f"{noun}: want pairs of old name or regex, and new name; got {pair!r}")
        if not isinstance(new, str):
            raise TypeError(f"{noun}: want a str as new name of {old!r}, got {new!r}")
        checked.append((old, new))
    return checked
