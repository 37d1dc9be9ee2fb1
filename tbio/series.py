"""Series: all values of one tag in one run, as arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt


def joined(columns: Sequence[npt.NDArray[Any]], empty: npt.DTypeLike) -> npt.NDArray[Any]:
    """The columns one behind the other, in a dtype that holds the values of all exactly.

    Where numpy has none (integers of 64 bits beside floats), they are Python objects.

    >>> joined([np.array([2**60 + 1]), np.array([0.5], np.float32)], np.float32)
    array([1152921504606846977, 0.5], dtype=object)
    """
    if not columns:
        return np.empty(0, empty)
    whole: npt.NDArray[Any] = np.concatenate(columns)
    if whole.dtype.kind in "fc":
        for column in columns:
            if column.dtype.kind in "iu" and column.itemsize == 8:
                numbers = column.astype(whole.dtype).tolist()
                if numbers != column.tolist():  # Python compares int and float exactly
                    return joined([piece.astype(object) for piece in columns], object)
    return whole


@dataclass(frozen=True, eq=False)
class ScalarSeries:
    """The scalars of one tag in one run, in the order in which they were logged.

    Slices, masks and arrays of indexes cut it; its arrays are read-only.

    Attributes:
        run: the run's name.
        tag: the tag.
        steps: int64[n].
        wall_times: float64[n], seconds since the epoch, UTC.
        values: float32[n]; float64[n], int64[n], ... where the log holds such.
        display_name: what TensorBoard shows in place of the tag, or "".
        description: Markdown, or "".
        single: bool[n], which values the log holds as float32 where it also holds doubles, so that
            `values` is float64; None where the dtype says it.
    """

    run: str
    tag: str
    steps: npt.NDArray[np.int64]
    wall_times: npt.NDArray[np.float64]
    values: npt.NDArray[Any]
    display_name: str = ""
    description: str = ""
    single: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for column in (self.steps, self.wall_times, self.values):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, which: slice | npt.NDArray[Any]) -> ScalarSeries:
        """The points of a slice, a mask or an array of indexes."""
        if isinstance(which, (int, np.integer)):
            raise TypeError("a series is cut by slices; a single value is series.values[i]")
        return replace(
            self,
            steps=self.steps[which],
            wall_times=self.wall_times[which],
            values=self.values[which],
            single=None if self.single is None else self.single[which],
        )

    def __repr__(self) -> str:
        return f"<ScalarSeries {self.tag!r} of run {self.run!r}: {len(self)} points>"

    @property
    def relative_times(self) -> npt.NDArray[np.float64]:
        """Seconds since the first point of the series, float64[n], as TensorBoard counts them."""
        if not len(self):
            return self.wall_times
        since_first: npt.NDArray[np.float64] = self.wall_times - self.wall_times[0]
        return since_first

    def smooth(self, weight: float = 0.6) -> npt.NDArray[np.float64]:
        """The values smoothed as the TensorBoard page does it, float64[n].

        An exponential moving average without the bias of its start. Values that are not finite are
        kept and passed over; a constant series is returned as it is
        (tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts, ``classicSmoothing``).

        Args:
            weight: from 0 (not at all) to 1; the page's own slider is at 0.6.

        >>> series = ScalarSeries("", "x", *map(np.array, ([0, 1, 2], [0.0, 1, 2], [0.0, 1, 1])))
        >>> series.smooth(0.5).round(3)
        array([0.   , 0.667, 0.857])
        """
        weight = min(max(float(weight), 0.0), 1.0)
        values = self.values.astype(np.float64)
        if not len(values) or np.all(values == values[0]):
            return values
        last, count = 0.0, 0
        smoothed = []
        for value in values.tolist():
            if math.isfinite(value):
                last = last * weight + (1 - weight) * value
                count += 1
                value = last / (1 - weight**count) if weight != 1 else last
            smoothed.append(value)
        return np.array(smoothed)
