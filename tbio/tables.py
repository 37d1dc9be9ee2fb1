"""Tables: columns of one length, and the ways out to other libraries.

`ScalarTable` has scalars in long form, `WideTable` in wide form; a plain `Table` is for everything
else, such as what `sessions` makes of hyperparameters.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from tbio import notebook
from tbio.errors import NotFoundError, TbioError
from tbio.extras import require
from tbio.names import cell, count_of
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


#: A wide table may have so many cells whatever is in them, and so many for each value.
_MOST_CELLS = 1 << 28
_MOST_CELLS_A_POINT = 64

#: The dtype of a column without cells, by the type that they would have.
_DTYPES: dict[Any, type] = {bool: np.bool_, int: np.int64, float: np.float64}


class Table:
    """Named columns of one length, in a fixed order; iteration goes by rows.

    A column is an array of bool, numbers or objects (``str``, or values of mixed types), and a
    masked array where values are missing. What becomes of it elsewhere:

    ==============  ====================  ==========  ===================
    column          pandas                Polars      Arrow
    ==============  ====================  ==========  ===================
    bool            bool                  Boolean     bool
      with missing  boolean, <NA>         null        null
    integers        int64, ...            Int64, ...  int64, ...
      with missing  Int64, ..., <NA>      null        null
    floats          float64, float32      Float64     double, float
      with missing  NaN                   null        null
    str             str                   String      string
      with missing  None or NaN           null        null
    mixed           object, as they are   String      string
    ==============  ====================  ==========  ===================

    Of a mixed column Polars and Arrow get text: strings as they are, the rest as JSON (``true``,
    ``0.1``, ``[1, 2]``). Names of folders that are no Unicode get backslashes there and in pandas.

    Attributes:
        columns: name -> array.

    Raises:
        ValueError: columns of different lengths.

    >>> table = Table({"run": column(["a", "b"]), "lr": column([0.1, None])})
    >>> table["lr"].tolist()
    [0.1, None]
    >>> table
    <Table: 2 rows of 2 columns>
    run  lr
    a    0.1
    b    -
    """

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self.columns = dict(columns)
        if len(lengths := {len(one) for one in self.columns.values()}) > 1:
            raise ValueError(f"want columns of one length, got lengths {sorted(lengths)}")

    @classmethod
    def of_rows(cls, rows: Iterable[Any], kind: type | None = None) -> Table:
        """A table of dataclasses or named tuples of one class: a column for each field.

        Args:
            kind: their class, so that a table without rows has its columns.

        >>> from typing import NamedTuple
        >>> Point = NamedTuple("Point", [("x", int), ("y", str)])
        >>> Table.of_rows([Point(1, "a"), Point(2, "b")])["x"]
        array([1, 2])
        """
        rows = list(rows)
        kind = type(rows[0]) if rows else kind
        if kind is None:
            return cls({})
        fields: Any = getattr(kind, "_fields", None)
        names = fields or [field.name for field in dataclasses.fields(kind)]
        types = {} if rows else get_type_hints(kind)
        return cls(
            {
                name: column(
                    [getattr(row, name) for row in rows], _DTYPES.get(types.get(name), object)
                )
                for name in names
            }
        )

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Array:
        """The column of a name.

        Raises:
            NotFoundError: there is none.
        """
        try:
            return self.columns[name]
        except KeyError:
            raise NotFoundError(name, self.columns, "the table's columns") from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows: name -> plain Python value, None where it is missing."""
        for row in zip(*(one.tolist() for one in self.columns.values()), strict=True):
            yield dict(zip(self.columns, row, strict=True))

    def __repr__(self) -> str:
        title = f"<{type(self).__name__}: {len(self)} rows of {len(self.columns)} columns>"
        return "\n".join([title, *_preview(self.columns)])

    def _repr_html_(self) -> str:
        """The first and last rows, for notebooks."""
        return notebook.title(type(self).__name__, count_of(len(self), "row")) + _shown(
            self.columns
        )

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame of these columns.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        pd = require("pandas")
        frame: pandas.DataFrame = pd.DataFrame(
            {name: _pandas(pd, one) for name, one in self.columns.items()},
            index=pd.RangeIndex(len(self)),
        )
        return frame

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table of these columns.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pa = require("pyarrow")
        arrays = {}
        for name, one in self.columns.items():
            if (texts := texts_of(one)) is not None:
                arrays[name] = pa.array(texts, pa.string())
            else:
                arrays[name] = pa.array(np.ma.getdata(one), mask=np.ma.getmaskarray(one))
        return pa.table(arrays)

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame of these columns.

        Raises:
            MissingExtraError: polars is not installed.
        """
        pl = require("polars")
        columns = []
        for name, one in self.columns.items():
            if (texts := texts_of(one)) is not None:
                columns.append(pl.Series(name, texts, dtype=pl.String))
                continue
            whole = pl.Series(name, np.ma.getdata(one))
            if np.ma.is_masked(one):
                present = pl.Series(~np.ma.getmaskarray(one))
                whole = pl.select(pl.when(present).then(whole).alias(name))[name]
            columns.append(whole)
        frame: polars.DataFrame = pl.DataFrame(columns)
        return frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


def column(cells: Sequence[Any], empty: npt.DTypeLike = object) -> Array:
    """Python or numpy values as a column of a `Table`; None is missing, which makes it masked.

    Bools make a column of bool, integers one of int64, numbers one of floats (float32 if all are,
    else float64), as long as that holds them exactly. All else is a column of objects.

    Args:
        empty: the dtype of a column in which every value is missing.

    >>> column([1, None, 3])
    masked_array(data=[1, --, 3],
                 mask=[False,  True, False],
           fill_value=999999)
    >>> column([True, 0.5]), column(["a", "b"]).dtype
    (array([True, 0.5], dtype=object), dtype('O'))
    """
    missing = np.fromiter((cell is None for cell in cells), bool, len(cells))
    present = [cell for cell in cells if cell is not None]
    typed = _typed(present) if present else np.empty(0, empty)
    if not missing.any():
        return typed
    whole = np.full(len(cells), None if typed.dtype == object else 0, typed.dtype)
    whole[~missing] = typed
    masked: Array = np.ma.array(whole, mask=missing)
    return masked


def _typed(cells: list[Any]) -> Array:
    types = set(map(type, cells))
    if types <= _BOOLS:
        return np.array(cells, bool)
    if not types & _BOOLS and all(issubclass(one, _NUMBERS) for one in types):
        try:
            if all(issubclass(one, (int, np.integer)) for one in types):
                return np.array(list(map(int, cells)), np.int64)
            floats = np.array(cells, np.float32 if types == {np.float32} else np.float64)
        except OverflowError:
            pass
        else:
            if all(issubclass(one, (float, np.floating)) for one in types) or all(
                number == cell or cell != cell
                for number, cell in zip(floats.tolist(), cells, strict=True)
            ):
                return floats
    objects = np.empty(len(cells), object)
    for at, one in enumerate(cells):  # an assignment as a whole would take lists apart
        objects[at] = one
    return objects


_BOOLS = {bool, np.bool_}
_NUMBERS = (int, float, np.integer, np.floating)


def _pandas(pd: Any, one: Array) -> Any:
    """A column as pandas holds it best."""
    data, mask = np.ma.getdata(one), np.ma.getmaskarray(one)
    if data.dtype.kind == "O":
        cells = one.tolist()
        if any(not (cell is None or isinstance(cell, str)) for cell in cells):
            return pd.Series(cells, dtype=object)
        # Left to itself it finds its type of text, which is another one from pandas 3 on.
        return pd.Series(texts_of(one), dtype=None if cells else str)
    if not mask.any():
        return data
    if data.dtype.kind == "b":
        return pd.arrays.BooleanArray(data, mask)
    if data.dtype.kind in "iu":
        return pd.arrays.IntegerArray(data, mask)
    return _with_nan(data, mask)


def _with_nan(data: Array, mask: Array) -> Array:
    """Numbers with NaN where the mask is set; integers become float64."""
    plain = data.astype(np.result_type(data.dtype, np.float16), copy=True)
    plain[mask] = np.nan
    return plain


def texts_of(one: Array) -> list[str | None] | None:
    """The cells as text, where a column is none of bool or real numbers."""
    if one.dtype.kind not in "OcSU":
        return None
    return [None if cell is None else _text(cell) for cell in one.tolist()]


def _text(cell: Any) -> str:
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        text = cell
    else:
        text = str(cell) if isinstance(cell, complex) else json.dumps(cell, default=str)
    # A folder's name may be no Unicode.
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


_PREVIEW_ROWS = 10
_SHOWN_COLUMNS = 20
_PREVIEW_WIDTH = 100


def _shown(columns: Mapping[str, Array], count: int | None = None) -> str:
    """The first and last rows of the first of ``count`` columns, for notebooks."""
    names = list(columns)[:_SHOWN_COLUMNS]
    rows = zip(*(_ends(columns[name]) for name in names), strict=True)
    left = (len(columns) if count is None else count) - len(names)
    return notebook.table(names, rows, f"and {left} more columns" if left else "")


def _ends(one: Array) -> list[Any]:
    """A column in short: all of it, or its first and last values around three dots."""
    if len(one) <= _PREVIEW_ROWS:
        return list(one.tolist())
    half = _PREVIEW_ROWS // 2
    return [*one[:half].tolist(), "...", *one[-half:].tolist()]


def _preview(columns: Mapping[str, Array]) -> list[str]:
    """The first and last rows as lines of text, and as many columns as a line has room for."""
    shown: list[list[str]] = []
    room = _PREVIEW_WIDTH
    for name, one in columns.items():
        cells = [cell(name), *map(cell, _ends(one))]
        width = max(map(len, cells))
        room -= width + 2
        if room < 0 and shown:
            shown.append(["..."] * len(cells))
            break
        shown.append([f"{cell:{width}}" for cell in cells])
    return ["  ".join(line).rstrip() for line in zip(*shown, strict=True)]


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

    def _repr_html_(self) -> str:
        """The first and last rows, for notebooks."""
        facts = f"{count_of(len(self), 'row')} of {len(self.series)} series"
        columns = {name: getattr(self, name) for name in ("run", "tag", "step", "wall_time")}
        return notebook.title("ScalarTable", facts) + _shown({**columns, "value": self.value})

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

    def _plain_value(self) -> Array | list[str | None]:
        """The values as Polars and Arrow take them: complex and mixed numbers as text."""
        texts = texts_of(self.value)
        return self.value if texts is None else texts

    def codes(self, names: list[str]) -> tuple[list[str], Array]:
        """The distinct names, in order of appearance, and the place of each row's name in them."""
        names = list(map(_text, names))
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
            names, codes = self.codes([getattr(series, column) for series in self.series])
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
            names, codes = self.codes([getattr(series, column) for series in self.series])
            columns[column] = pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))
        columns |= {"step": self.step, "wall_time": self.wall_time, "value": self._plain_value()}
        return pa.table(columns)

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame of these columns; run and tag are strings.

        Raises:
            MissingExtraError: polars is not installed.
        """
        pl = require("polars")
        columns: dict[str, Any] = {}
        for column in ("run", "tag"):
            names, codes = self.codes([getattr(series, column) for series in self.series])
            columns[column] = pl.Series(names, dtype=pl.String).gather(codes)
        columns |= {"step": self.step, "wall_time": self.wall_time, "value": self._plain_value()}
        frame: polars.DataFrame = pl.DataFrame(columns)
        return frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def wide(self, index: Index = "step") -> WideTable:
        """One row for each run and step, one column for each tag.

        Where a tag has several values at one step, they go into as many rows. Times that are NaN
        count as equal and come last in their run: the first point of each tag that has such a time
        share a row, and so do the second ones.

        Args:
            index: "step", "wall_time" or "relative_time" (seconds since the series began).
        """
        if index not in _INDEX_OF:
            raise ValueError(f"index: want one of {get_args(Index)}, got {index!r}")
        return WideTable(self.series, index)


class WideTable:
    """Scalars in wide form: run, the index, and a column for each tag.

    A tag that is called "run" or like the index has ``tag:`` put in front of its column's name.

    Raises:
        TbioError: more than 2**28 cells, of which there are values in less than one of 64: a small
            log can ask for more memory than there is.

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
        points, cells = sum(map(len, series)), len(self.at) * len(self.pieces)
        if cells > _MOST_CELLS and cells > _MOST_CELLS_A_POINT * points:
            raise TbioError(
                f"{points:,} points in {len(self.at):,} rows of {len(self.pieces):,} tags are too "
                f"few: take the long form, or index by another column than {index!r}"
            )

    @cached_property
    def columns(self) -> dict[str, np.ma.MaskedArray[Any, Any]]:
        """Tag -> masked array[n]; masked where the tag has no value in that row."""
        return {tag: self._column(pieces) for tag, pieces in self.pieces.items()}

    def _column(self, pieces: list[tuple[Array, ScalarSeries]]) -> np.ma.MaskedArray[Any, Any]:
        values = joined([series.values for _, series in pieces], np.float32)
        places = np.concatenate([places for places, _ in pieces])
        column: np.ma.MaskedArray[Any, Any] = np.ma.masked_all(len(self.at), values.dtype)
        column[places] = values
        return column

    def __len__(self) -> int:
        return len(self.at)

    def __repr__(self) -> str:
        return f"<WideTable: {len(self)} rows of {len(self.pieces)} tags by {self.index}>"

    def _repr_html_(self) -> str:
        """The first and last rows, for notebooks."""
        tags = count_of(len(self.pieces), "tag")
        facts = f"{count_of(len(self), 'row')} of {tags} by {self.index}"
        first = itertools.islice(self.pieces.values(), _SHOWN_COLUMNS)
        columns = [self.run, self.at, *map(self._column, first)]
        names = self.names()
        return notebook.title("WideTable", facts) + _shown(dict(zip(names, columns)), len(names))  # noqa: B905

    def names(self) -> list[str]:
        """The columns' names, each of them once: run, the index, the tags."""
        names = dict.fromkeys(["run", str(self.index)])  # in order, and quick to look into
        for tag in self.pieces:
            while tag in names:
                tag = f"tag:{tag}"
            names[tag] = None
        return list(names)

    def _table(self, columns: Iterable[Array]) -> Table:
        return Table(dict(zip(self.names(), [self.run, self.at, *columns], strict=True)))

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame of these columns; NaN where a tag has no value.

        A column of integers with gaps becomes one of floats, as in pandas' own pivot tables.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return self._table(
            _with_nan(values.data, np.ma.getmaskarray(values))
            if np.ma.is_masked(values)
            else values.data
            for values in self.columns.values()
        ).to_pandas()

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow Table of these columns; null where a tag has no value.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        return self._table(self.columns.values()).to_arrow()

    def to_polars(self) -> polars.DataFrame:
        """A polars DataFrame of these columns; null where a tag has no value.

        Raises:
            MissingExtraError: polars is not installed.
        """
        return self._table(self.columns.values()).to_polars()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


class _Rows:
    """The rows of one run: the index values, and for each tag the rows that it fills."""

    def __init__(
        self, members: list[ScalarSeries], index_of: Callable[[ScalarSeries], Array]
    ) -> None:
        self.series = {series.tag: series for series in members}
        # All NaN are one value to np.unique, and the last.
        found, codes = np.unique(
            np.concatenate([np.empty(0, np.int64), *map(index_of, self.series.values())]),
            return_inverse=True,
        )
        ends = np.cumsum([len(series) for series in self.series.values()])
        nths = [_occurrences(part) for part in np.split(codes, ends[:-1])]
        nth = np.concatenate([np.empty(0, np.int64), *nths])
        # What tells a row from another: the value, and how many equal ones its tag had before.
        depth = int(nth.max(initial=0)) + 1
        rows, places = np.unique(codes * depth + nth, return_inverse=True)
        self.at: Array = found[rows // depth]
        self.places = dict(zip(self.series, np.split(places, ends[:-1]), strict=True))


def _occurrences(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many equal ones each value has before it."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    fresh = np.ones(len(codes), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    count = np.arange(len(codes))
    count -= np.maximum.accumulate(np.where(fresh, count, 0))
    nth = np.empty(len(codes), np.int64)
    nth[order] = count
    return nth
