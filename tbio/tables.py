"""Tables: scalars of many runs and tags in columns, and the ways out to other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio.extras import require
from tbio.series import ScalarSeries, joined

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Array = npt.NDArray[Any]
Index: TypeAlias = Literal["step", "wall_time", "relative_time"]

_INDEX_OF: dict[str, Callable[[ScalarSeries], Array]] = {
    "step": lambda series: series.steps,
    "wall_time": lambda series: series.wall_times,
    "relative_time": lambda series: series.relative_times,
}


class ScalarTable:
    """Scalars in long form, one row a point: run, tag, step, wall_time, value.

    Rows stand series by series, each in the order in which it was logged.

    Attributes:
        series: the series that it is made of.
    """

    def __init__(self, series: Iterable[ScalarSeries]) -> None:
        self.series = tuple(series)

    def __len__(self) -> int:
        return sum(len(series) for series in self.series)

    def __repr__(self) -> str:
        return f"<ScalarTable: {len(self)} rows of {len(self.series)} series>"

    @cached_property
    def run(self) -> Array:
        """The run's name of each row, object[n] of ``str``."""
        return self._repeat([series.run for series in self.series])

    @cached_property
    def tag(self) -> Array:
        """The tag of each row, object[n] of ``str``."""
        return self._repeat([series.tag for series in self.series])

    @cached_property
    def step(self) -> npt.NDArray[np.int64]:
        """The step of each row, int64[n]."""
        return joined([series.steps for series in self.series], np.int64)

    @cached_property
    def wall_time(self) -> npt.NDArray[np.float64]:
        """Seconds since the epoch, UTC, of each row, float64[n]."""
        return joined([series.wall_times for series in self.series], np.float64)

    @cached_property
    def value(self) -> Array:
        """The value of each row: float32[n], or what holds the values of all series."""
        return joined([series.values for series in self.series], np.float32)

    def _repeat(self, names: list[str]) -> Array:
        cells = np.empty(len(names), object)
        cells[:] = names
        return np.repeat(cells, [len(series) for series in self.series])

    def _codes(self, names: list[str]) -> tuple[list[str], Array]:
        """The distinct names, in order of appearance, and the place of each row's name in them."""
        places = {name: i for i, name in enumerate(dict.fromkeys(names))}
        codes = np.array([places[name] for name in names], np.int32)
        return list(places), np.repeat(codes, [len(series) for series in self.series])

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame of these columns; run and tag are categorical.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        pd = require("pandas")
        columns: dict[str, Any] = {}
        for column in ("run", "tag"):
            names, codes = self._codes([getattr(series, column) for series in self.series])
            columns[column] = pd.Categorical.from_codes(
                codes, categories=pd.Index(names, dtype=str)
            )
        columns |= {"step": self.step, "wall_time": self.wall_time, "value": self.value}
        frame: pandas.DataFrame = pd.DataFrame(columns)
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table of these columns; run and tag are dictionary-encoded.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pa = require("pyarrow")
        columns: dict[str, Any] = {}
        for column in ("run", "tag"):
            names, codes = self._codes([getattr(series, column) for series in self.series])
            columns[column] = pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
        columns |= {"step": self.step, "wall_time": self.wall_time, "value": self.value}
        return pa.table(columns)

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame of these columns; run and tag are strings.

        Raises:
            MissingExtraError: polars is not installed.
        """
        pl = require("polars")
        frame: polars.DataFrame = pl.DataFrame(
            {
                "run": pl.Series(self.run.tolist(), dtype=pl.String),
                "tag": pl.Series(self.tag.tolist(), dtype=pl.String),
                "step": self.step,
                "wall_time": self.wall_time,
                "value": self.value,
            }
        )
        return frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def wide(self, index: Index = "step") -> WideTable:
        """One row for each run and step, one column for each tag.

        Where a tag has several values at one step, they go into as many rows.

        Args:
            index: "step", "wall_time" or "relative_time" (seconds since the series began).
        """
        if index not in _INDEX_OF:
            raise ValueError(f"index: want one of {get_args(Index)}, got {index!r}")
        return WideTable(self.series, index)


class WideTable:
    """Scalars in wide form: run, the index, and a column for each tag.

    A tag that is called "run" or like the index has ``tag:`` put in front of its column's name.

    Attributes:
        index: the index column's name.
        run: object[n] of ``str``.
        at: the index column, int64[n] or float64[n]; sorted within each run.
        pieces: tag -> the rows that each run's series of it fills, and the series.
    """

    def __init__(self, series: Sequence[ScalarSeries], index: Index) -> None:
        self.index: Index = index
        runs: dict[str, list[ScalarSeries]] = {}
        for one in series:
            runs.setdefault(one.run, []).append(one)
        rows = [_Rows(members, _INDEX_OF[index]) for members in runs.values()]
        names = np.empty(len(runs), object)
        names[:] = list(runs)
        self.run = np.repeat(names, [len(part.at) for part in rows])
        self.at = joined([part.at for part in rows], np.int64 if index == "step" else np.float64)
        begins = np.cumsum([0, *(len(part.at) for part in rows)])
        self.pieces: dict[str, list[tuple[Array, ScalarSeries]]] = {}
        for begin, part in zip(begins.tolist(), rows, strict=False):
            for tag, places in part.places.items():
                self.pieces.setdefault(tag, []).append((begin + places, part.series[tag]))
        self.pieces = dict(sorted(self.pieces.items()))

    @cached_property
    def columns(self) -> dict[str, np.ma.MaskedArray[Any, Any]]:
        """Tag -> masked array[n]; masked where the tag has no value in that row."""
        columns = {}
        for tag, pieces in self.pieces.items():
            values = joined([series.values for _, series in pieces], np.float32)
            places = np.concatenate([places for places, _ in pieces])
            column: np.ma.MaskedArray[Any, Any] = np.ma.masked_all(len(self.at), values.dtype)
            column[places] = values
            columns[tag] = column
        return columns

    def __len__(self) -> int:
        return len(self.at)

    def __repr__(self) -> str:
        return f"<WideTable: {len(self)} rows of {len(self.pieces)} tags by {self.index}>"

    def names(self) -> list[str]:
        """The columns' names, each of them once: run, the index, the tags."""
        names = ["run", str(self.index)]
        for tag in self.pieces:
            while tag in names:
                tag = f"tag:{tag}"
            names.append(tag)
        return names

    def _filled(self) -> Iterator[tuple[str, Array]]:
        """Names and plain arrays; NaN where there is no value (integers become float64 then)."""
        arrays = [self.run, self.at]
        for values in self.columns.values():
            if not np.ma.is_masked(values):
                arrays.append(values.data)
            else:
                plain = values.data.astype(np.result_type(values.dtype, np.float16), copy=True)
                plain[np.ma.getmaskarray(values)] = np.nan
                arrays.append(plain)
        return zip(self.names(), arrays, strict=True)

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame of these columns; NaN where a tag has no value.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        frame: pandas.DataFrame = require("pandas").DataFrame(dict(self._filled()))
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table of these columns; null where a tag has no value.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pa = require("pyarrow")
        arrays = [pa.array(self.run.tolist(), pa.string()), pa.array(self.at)]
        arrays += [
            pa.array(values.data, mask=np.ma.getmaskarray(values))
            for values in self.columns.values()
        ]
        return pa.table(dict(zip(self.names(), arrays, strict=True)))

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame of these columns; null where a tag has no value.

        Raises:
            MissingExtraError: polars is not installed.
        """
        pl = require("polars")
        columns: dict[str, Any] = {}
        for (name, filled), values in zip(
            self._filled(), [None, None, *self.columns.values()], strict=True
        ):
            if values is None:
                columns[name] = pl.Series(name, filled.tolist() if name == "run" else filled)
            else:
                present = pl.Series(~np.ma.getmaskarray(values))
                whole = pl.Series(name, values.data)
                columns[name] = pl.select(pl.when(present).then(whole).alias(name))[name]
        frame: polars.DataFrame = pl.DataFrame(columns)
        return frame


class _Rows:
    """The rows of one run: the index values, and for each tag the rows that it fills."""

    def __init__(
        self, members: list[ScalarSeries], index_of: Callable[[ScalarSeries], Array]
    ) -> None:
        self.series = {series.tag: series for series in members}
        keys = {tag: _occurrences(index_of(series)) for tag, series in self.series.items()}
        every = list(keys.values()) or [_occurrences(np.empty(0))]
        rows: Any = np.unique(np.concatenate(every))
        self.at: Array = rows["at"]
        self.places = {tag: np.searchsorted(rows, key) for tag, key in keys.items()}


def _occurrences(at: Array) -> Any:
    """Each value with the number of equal ones before it: what tells a row from another.

    An array of records with the fields "at" and "nth".
    """
    order = np.argsort(at, kind="stable")
    ordered = at[order]
    fresh = np.ones(len(at), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    count = np.arange(len(at))
    count -= np.maximum.accumulate(np.where(fresh, count, 0))
    keys: Any = np.empty(len(at), [("at", at.dtype), ("nth", np.int64)])
    keys["at"] = at
    keys["nth"][order] = count
    return keys
