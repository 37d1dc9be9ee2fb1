"""Buffer: bytes of event files, and gathers of a few bytes from many places at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Longs = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: The widest row that may be gathered.
MAX_ROW = 512


class Buffer:
    """A stretch of memory that is filled again and again.

    Fresh memory costs more than reading a file into it: the operating system has to find and clear
    every page of it. So there is one buffer, and all files go through it.

    A gather takes as many bytes from each of n places and gives them as rows of a matrix. numpy
    copies a row at once (void dtypes need no alignment): 64 bytes from one place cost about what
    one number costs that stands askew, and the columns of the matrix are nearly free afterwards.

    Attributes:
        size: bytes that it has room for.
        data: uint8[size + MAX_ROW]; a row may begin, or end, anywhere within the size.
        view: the same as a memoryview.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._whole: Bytes = np.empty(MAX_ROW + size + MAX_ROW, np.uint8)
        self._whole[:MAX_ROW] = self._whole[MAX_ROW + size :] = 0
        self.data = self._whole[MAX_ROW:]
        self.view = memoryview(self.data)  # type: ignore[arg-type]
        self._windows: dict[tuple[int, int], npt.NDArray[Any]] = {}

    def rows(self, places: Longs, width: int) -> Bytes:
        """The ``width`` bytes at each place, uint8[n, width]; a copy."""
        rows: Bytes = self._window(width)[places].view(np.uint8).reshape(len(places), width)
        return rows

    def words(self, places: Longs, count: int) -> Words:
        """The ``count`` little-endian words of 8 bytes at each place, uint64[n, count]; a copy."""
        words: Words = (
            self._window(8 * count)[places].view(np.dtype("<u8")).reshape(len(places), count)
        )
        return words

    def words_before(self, places: Longs, count: int) -> Words:
        """The words that end at each place, uint64[n, count]; a copy."""
        rows = self._window(8 * count, 8 * count)[places]
        words: Words = rows.view(np.dtype("<u8")).reshape(len(places), count)
        return words

    def put(self, places: Longs, rows: npt.NDArray[Any]) -> None:
        """Write rows [n, k], of whatever numbers, to as many places."""
        width = rows.shape[1] * rows.itemsize
        self._window(width)[places] = rows.view(f"V{width}").reshape(len(places))

    def _window(self, width: int, before: int = 0) -> npt.NDArray[Any]:
        """Overlapping rows of ``width`` bytes, one for each byte: from so many before it on."""
        window = self._windows.get((width, before))
        if window is None:
            shape, start = (self.size + 1,), MAX_ROW - before
            window = np.ndarray(shape, f"V{width}", self._whole, start, (1,))
            self._windows[width, before] = window
        return window
