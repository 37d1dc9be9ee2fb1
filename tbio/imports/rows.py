"""Rows: tables of scalars, whatever file they came in, row by row.

*Long*: a point a row, with the columns ``value`` and ``tag`` (or one tag, the file's name), perhaps
``run``, ``step`` and ``wall_time``; so `tbio.export` writes them, and TensorBoard's page ("Wall
time,Step,Value"). *Wide*: a column a tag.

The step is in the column that the caller names; else in the first of `STEP_COLUMNS` that there is,
whatever its case (of the others each is a tag); else it is the number of the row, from 0. A wall
time is in one of `TIME_COLUMNS`: seconds since the epoch, milliseconds if there are more than 10^11
of them, or an ISO date with its offset from UTC. Empty cells are no points.
"""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tbio.errors import NotFoundError
from tbio.imports.target import Target

STEP_COLUMNS = (
    *("step", "global_step", "_step", "trainer/global_step", "total_timesteps"),
    *("time/total_timesteps", "timesteps_total", "iteration", "iter", "epoch"),
)
TIME_COLUMNS = ("wall_time", "_timestamp", "timestamp")

_MILLISECONDS = 1e11


class ColumnNotFoundError(NotFoundError):
    """No such column in a table."""

    noun = "column"


class NoNumberError(ValueError):
    """A cell that holds something else."""


class _Roles(NamedTuple):
    """What the columns of a row are for."""

    run: str | None
    tag: str | None
    value: str | None
    step: str | None
    time: str | None
    tags: tuple[str, ...]


class Rows:
    """Takes rows in, for one file.

    Args:
        run: of rows without a ``run`` column.
        tag: of long rows without a ``tag`` column.
        step, time: the columns of steps and wall times; None to find them.

    Raises:
        ColumnNotFoundError: at the first row, when a column that was named is not there.
    """

    def __init__(
        self, target: Target, source: str, run: str, tag: str, step: str | None, time: str | None
    ) -> None:
        self._target = target
        self._source = source
        self._run = run
        self._tag = tag
        self._step = step
        self._time = time
        self._roles: dict[tuple[str, ...], _Roles] = {}
        self._numbers: Counter[str] = Counter()
        self._steps_in: str | None = None  # the column, once one was met

    def add_nested(self, row: Mapping[str, Any], where: str) -> None:
        """A row whose cells may be objects: ``{"a": {"b": 1}}`` has a cell ``a/b``."""
        try:
            cells = _flat(row)
        except ValueError as error:
            what = f"a row with {error}"
            self._target.skip(self._source, what, is_damage=True, where=where)
            return
        self.add(cells, where)

    def add(self, row: Mapping[str, Any], where: str) -> None:
        """Take in a row: column -> cell; ``where`` tells where it stands."""
        columns = tuple(row)
        roles = self._roles.get(columns)
        if roles is None:
            roles = self._roles[columns] = self._roles_of(columns)
        run = self._run
        if roles.run is not None and row[roles.run] not in (None, ""):
            run = str(row[roles.run])
        if not self._target.has(run):
            self._target.begin(run, self._source)
        if roles.step is None:
            step = self._numbers[run]
            self._numbers[run] += 1
        else:
            try:
                step = step_of(row.get(roles.step))
            except NoNumberError as error:
                what = f"a row without a step: {roles.step} is {error}"
                self._target.skip(self._source, what, is_damage=True, where=where)
                return
        time = self._time_of(row.get(roles.time), where) if roles.time is not None else None
        if roles.value is not None:
            tag = self._tag if roles.tag is None else str(row[roles.tag] or "")
            self._add(run, tag, step, row[roles.value], time, where)
            return
        for tag in roles.tags:
            self._add(run, tag, step, row[tag], time, where)

    def _add(
        self, run: str, tag: str, step: int, cell: Any, time: float | None, where: str
    ) -> None:
        try:
            value = number_of(cell)
        except NoNumberError as error:
            self._target.skip(self._source, f"{tag!r}: {error}", where=where)
            return
        if value is not None:
            self._target.scalar(run, tag, step, value, time)

    def _time_of(self, cell: Any, where: str) -> float | None:
        try:
            return wall_time_of(cell)
        except NoNumberError as error:
            self._target.skip(self._source, f"a wall time: {error}", where=where)
            return None

    def _roles_of(self, columns: tuple[str, ...]) -> _Roles:
        names = {_plain(column): column for column in reversed(columns)}
        step = self._named(self._step, columns) or _first(STEP_COLUMNS, names)
        time = self._named(self._time, columns) or _first(TIME_COLUMNS, names)
        run = names.get("run")
        taken = {step, time, run}
        rest = tuple(column for column in columns if column not in taken)
        value, tag = names.get("value"), names.get("tag")
        is_long = value is not None and (tag is not None or set(rest) == {value})
        self._steps_in = step = step or self._steps_in
        by = f"the column {step!r}" if step is not None else "the number of the row"
        self._target.remark(f"{self._source}: steps are {by}")
        if is_long:
            for column in set(rest) - {value, tag}:
                self._target.skip(self._source, f"{column!r}: a column beside tag and value")
            return _Roles(run, tag, value, step, time, ())
        return _Roles(run, None, None, step, time, rest)

    def _named(self, column: str | None, columns: tuple[str, ...]) -> str | None:
        # Of rows with columns of their own (JSON lines) some may lack it: rows without a step.
        if column is not None and column not in columns and not self._roles:
            raise ColumnNotFoundError(column, columns, self._source)
        return column


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_")


def _first(wanted: tuple[str, ...], names: Mapping[str, str]) -> str | None:
    return next((names[name] for name in wanted if name in names), None)


def flattened(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as one, with ``/`` between the names.

    >>> dict(flattened({"a": {"b": 1}, "c": 2}))
    {'a/b': 1, 'c': 2}
    """
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of `flattened` by their names.

    Raises:
        ValueError: two cells of one name.
    """
    cells: dict[str, Any] = {}
    for name, cell in flattened(row):
        if name in cells:
            raise ValueError(f"two cells of the name {name!r}")
        cells[name] = cell
    return cells


def number_of(cell: Any) -> float | None:
    """A cell as a number; None where it is empty, or NA.

    Raises:
        NoNumberError: it holds something else.

    >>> number_of("0.5"), number_of(True), number_of("NaN"), number_of(" "), number_of("NA")
    (0.5, 1.0, nan, None, None)
    """
    if cell is None:
        return None
    if isinstance(cell, (bool, np.bool_, int, float, np.number)) and not isinstance(cell, complex):
        try:
            return float(cell)
        except OverflowError:
            raise NoNumberError("an integer beyond a double") from None
    if isinstance(cell, str):
        if cell.strip() in ("", "NA"):  # as Keras's CSVLogger has it
            return None
        lower = cell.strip().lower()
        if lower in ("true", "false"):
            return float(lower == "true")
        try:
            return float(cell)
        except ValueError:
            raise NoNumberError("text, and no number") from None
    raise NoNumberError(f"{_kind(cell)}, and no number")


def _kind(cell: Any) -> str:
    return "a list" if isinstance(cell, (list, tuple)) else f"of type {type(cell).__name__}"


def step_of(cell: Any) -> int:
    """A cell as a step.

    Raises:
        NoNumberError: it is no whole number.

    >>> step_of("7"), step_of(7.0), step_of("1e3")
    (7, 7, 1000)
    """
    if isinstance(cell, (int, np.integer)) and not isinstance(cell, bool):
        return int(cell)
    try:
        return int(str(cell))
    except ValueError:
        pass
    number = number_of(cell)
    if number is None:
        raise NoNumberError("empty")
    if not math.isfinite(number) or number != int(number):
        raise NoNumberError("no whole number")
    return int(number)


def wall_time_of(cell: Any) -> float | None:
    """A cell as seconds since the epoch, UTC; None where it is empty.

    Raises:
        NoNumberError: it is no time, or one without its offset from UTC.

    >>> wall_time_of("1700000000.5"), wall_time_of("2023-11-14T22:13:20+00:00")
    (1700000000.5, 1700000000.0)
    """
    if isinstance(cell, datetime.datetime):
        date = cell
    else:
        try:
            number = number_of(cell)
        except NoNumberError:
            if not isinstance(cell, str):
                raise
            try:
                date = datetime.datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
            except ValueError:
                raise NoNumberError("no number and no ISO date") from None
        else:
            if number is None or not math.isfinite(number):
                return None
            return number / 1000 if abs(number) > _MILLISECONDS else number
    if date.tzinfo is None:
        raise NoNumberError("a date without its offset from UTC")
    return date.timestamp()
