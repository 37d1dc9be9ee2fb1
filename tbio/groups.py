"""Groups: which runs belong together, such as the seeds of one experiment."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tbio.errors import NotFoundError
from tbio.kinds.hparams import RunHParams
from tbio.selection import Pattern, matcher
from tbio.series import ScalarSeries
from tbio.sessions import RunLike, sessions

#: "folder": the runs of one folder; "all": every run; a compiled regex: those of which it finds the
#: same; a list of globs or regexes: those that each matches; a mapping of names to such; a
#: function: run -> name of its group, None for none.
Grouping: TypeAlias = (
    str
    | re.Pattern[str]
    | Sequence[Pattern]
    | Mapping[str, Pattern | Sequence[Pattern]]
    | Callable[[str], str | None]
)

_WANT = '"folder", "all", a compiled regex, a list or mapping of globs, or a function'


def grouped(runs: Iterable[str], how: Grouping) -> dict[str, list[str]]:
    """Group -> its runs, in the order of the runs; runs of no group are left out.

    A regex names the group by what its parentheses find, joined by blanks; without any, by all that
    it finds. The run ``"."`` and the runs directly below it are of the folder ``"."``.

    Raises:
        TypeError: none of the forms of `Grouping`.
        ValueError: another word; no run belongs to a group.

    >>> grouped(["a/seed0", "a/seed1", "b/seed0"], "folder")
    {'a': ['a/seed0', 'a/seed1'], 'b': ['b/seed0']}
    >>> grouped(["lr1-s0", "lr1-s1", "lr2-s0", "old"], re.compile("(lr.*)-s"))
    {'lr1': ['lr1-s0', 'lr1-s1'], 'lr2': ['lr2-s0']}
    """
    groups: dict[str, list[str]] = {}
    names = list(runs)
    if isinstance(how, (Mapping, Sequence)) and not isinstance(how, (str, bytes)):
        named = how if isinstance(how, Mapping) else {_text(pattern): pattern for pattern in how}
        for group, pattern in named.items():
            members = list(filter(matcher(pattern, "group"), names))
            if members:
                groups[group] = members
    else:
        group_of = _function(how)
        for run in names:
            found = group_of(run)
            if found is not None:
                groups.setdefault(found, []).append(run)
    if names and not groups:
        raise ValueError(f"group: no run belongs to a group of {how!r:.80}")
    return groups


def _text(pattern: Pattern) -> str:
    return pattern.pattern if isinstance(pattern, re.Pattern) else pattern


def _function(how: Any) -> Callable[[str], str | None]:
    if how == "folder":
        return lambda run: posixpath.dirname(run) or "."
    if how == "all":
        return lambda run: "all"
    if isinstance(how, str):
        raise ValueError(f"group: want {_WANT}, got {how!r:.80}")
    if isinstance(how, re.Pattern):
        return lambda run: _found(how, run)
    if callable(how):
        function: Callable[[str], str | None] = how
        return function
    raise TypeError(f"group: want {_WANT}, got {how!r:.80}")


def _found(pattern: re.Pattern[str], run: str) -> str | None:
    match = pattern.search(run)
    if match is None:
        return None
    return " ".join(filter(None, match.groups())) if pattern.groups else match[0]


@dataclass(frozen=True)
class _Bare:
    """A run without its scalars, which take long."""

    run: RunLike
    first_time: float | None = None
    last_time: float | None = None

    @property
    def hparams(self) -> RunHParams | None:
        return self.run.hparams

    @property
    def scalars(self) -> Mapping[str, ScalarSeries]:
        return {}


def grouped_by_hparams(runs: Mapping[str, RunLike], names: Sequence[str]) -> dict[str, list[str]]:
    """Group -> the runs that were started with the same values, named such as ``lr=0.1,depth=3``.

    The runs below a session (Keras's ``train`` and ``validation``) make groups of their own, with
    the path to them behind: ``lr=0.1/train``. The run that torch's ``add_hparams`` makes below that
    of the training stands for the latter, as in `tbio.sessions`, and is left out itself. So are
    runs of no session. A hyperparameter that a session does not have is ``none``.

    Raises:
        NotFoundError: no session has a hyperparameter of that name.
        ValueError: no names; no run has hyperparameters.
    """
    if isinstance(names, str) or not names:
        raise ValueError(f"hparams: want a list of at least one name, got {names!r}")
    table = sessions({name: _Bare(run) for name, run in runs.items()})
    if not len(table):
        raise ValueError("hparams: no run has hyperparameters")
    values: dict[str, Mapping[str, Any]] = {
        session: (runs[session].hparams or RunHParams()).values for session in table["session"]
    }
    known = {name for one in values.values() for name in one}
    for name in names:
        if name not in known:
            raise NotFoundError(name, known, "the hyperparameters")
    # The run that torch's add_hparams makes stands for its parent, if it is the only one there.
    joined = table["run"].tolist()
    stands_for = {
        session: run
        for run, session in zip(joined, table["session"], strict=True)
        if run != session and run not in values and joined.count(run) == 1
    }
    owners = values | {run: values[session] for session, run in stands_for.items()}
    groups: dict[str, list[str]] = {}
    names_of: dict[tuple[str, ...], str] = {}  # "1" is not 1, nor is "1,b=2" two values
    for run in runs:
        owner = next((above for above in _upwards(run) if above in owners), None)
        if owner is None or run in stands_for:
            continue
        group = ",".join(f"{name}={_plain(owners[owner].get(name))}" for name in names)
        below = "" if run == owner else run if owner == "." else run[len(owner) + 1 :]
        if below:
            group += f"/{below}"
        key = (*(repr(owners[owner].get(name)) for name in names), below)
        if key not in names_of:
            count, base = 1, group
            while group in groups:
                count += 1
                group = f"{base}~{count}"
            names_of[key] = group
        groups.setdefault(names_of[key], []).append(run)
    return groups


def _upwards(run: str) -> Iterator[str]:
    """A run's name and those of the folders above it, up to that of the log folder."""
    yield run
    while "/" in run:
        run = run.rpartition("/")[0]
        yield run
    if not run.startswith(("/", "..")):
        yield "."


def _plain(value: Any) -> str:
    """A hyperparameter as text: 32 for the 32.0 that TensorBoard makes of an integer."""
    if value is None:
        return "none"
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
