"""Digits: arrays of numbers as decimal text, without a Python call for each.

`repr` of a double takes some 0.4 us, which for three numbers a row is more than reading the log
takes. So a column of numbers becomes *cells*: a table of characters, four to a word, in which NUL
stands for no character. Four digits at a time come out of a table; separators are columns of their
own; a block of lines is the cells side by side with every NUL deleted, which is one call of C.

The text is always that of `repr` for ints and float64, and for float32 the shortest that reads back
as the same float32, so that 0.1 is "0.1" and not "0.10000000149011612". What has no fast form here
is made by the plain way, `texts` of it; a property test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

#: uint32[n, words]: n texts of four characters a word.
Cells = npt.NDArray[np.uint32]
_Floats = npt.NDArray[np.float64]
_Singles = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]


def texts(values: npt.NDArray[Any]) -> list[str]:
    """Each number in the shortest form that reads back as the same number of its dtype.

    >>> texts(np.array([0.1, 1e-8, np.nan], np.float32)), texts(np.array([3, -4]))
    (['0.1', '1e-08', 'nan'], ['3', '-4'])
    """
    if values.dtype == np.float64 or values.dtype.kind in "iubO":
        return list(map(repr, values.tolist()))
    if values.dtype == np.float32:
        return list(map(repr, shortest(values).tolist()))
    if values.dtype.kind == "f":
        return list(map(repr, _plain(values).tolist()))
    return [str(text) for text in values.astype(str).tolist()]


def decimals(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Small floats as the doubles that are printed in their shortest form; all else as it is.

    >>> decimals(np.array([0.1], np.float32)).tolist()
    [0.1]
    """
    if values.dtype == np.float32:
        return shortest(values)
    return _plain(values) if values.dtype == np.float16 else values


def cells(values: npt.NDArray[Any]) -> Cells:
    """What `texts` says, as cells."""
    if values.dtype == np.int64:
        return _integer_cells(values)
    if values.dtype == np.float32:
        return _single_cells(values)
    return text_cells(texts(values))


def lines(
    parts: Iterable[tuple[bytes, int]], columns: Sequence[Cells], separator: bytes = b","
) -> bytes:
    r"""Rows of CSV, of which so many in turn begin with the same bytes.

    Args:
        separator: one byte, which separates the cells of ``columns``.

    >>> columns = [cells(np.array([1, 20, 3])), cells(np.array([0.5, 0.25, 1]))]
    >>> lines([(b"a,", 2), (b"b,", 1)], columns)
    b'a,1,0.5\na,20,0.25\nb,3,1.0\n'
    """
    words = sum(one.shape[1] + 1 for one in columns)
    table = np.empty((len(columns[0]), words), np.uint32)
    at = 0
    for one in columns:
        table[:, at : at + one.shape[1]] = one
        at += one.shape[1] + 1
        table[:, at - 1] = _word(b"\n" if at == words else separator)
    found, begin = [], 0
    for prefix, count in parts:
        body = table[begin : begin + count].tobytes().translate(None, b"\0")
        found += [prefix, body[:-1].replace(b"\n", b"\n" + prefix), body[-1:]] if count else []
        begin += count
    return b"".join(found)


# -------------------------------------------------------------------- words of four digits


def _word(characters: bytes) -> np.uint32:
    word: np.uint32 = np.frombuffer(characters.ljust(4, b"\0"), np.uint32)[0]
    return word


def _words(form: str, strip: str) -> Cells:
    """The 20 000 words for a number below 10 000, and for 10 000 more, which strips its zeros.

    Args:
        form: a format for what stands alone, as the first or last digits.
        strip: "l" for leading zeros, "r" for those at the end.
    """
    padded = [f"{number:04d}" for number in range(10_000)]
    stripped = [text.lstrip("0") if strip == "l" else text.rstrip("0") for text in padded]
    stripped[0] = form
    both = [text.encode().ljust(4, b"\0") for text in (*padded, *stripped)]
    return np.frombuffer(b"".join(both), np.uint32)


#: Where nothing stands before them: digits of an integer, and its last ones, which may be "0".
_LEADING, _LAST = _words("", "l"), _words("0", "l")
#: Where nothing stands behind them: digits after the point, and the first ones, which may be "0".
_TRAILING, _FIRST = _words("", "r"), _words("0", "r")
_ALONE = 10_000


def _whole_cells(numbers: npt.NDArray[np.uint64]) -> list[Cells]:
    """The words of integers of at least 0."""
    most = int(numbers.max(initial=0))
    rest: npt.NDArray[Any] = numbers.astype(np.uint32) if most < 2**32 else numbers
    words: list[Cells] = []
    table = _LAST
    while most or not words:
        more = rest // 10_000
        place = (rest - more * 10_000).astype(np.intp)
        place[more == 0] += _ALONE
        words.insert(0, table[place])
        rest, most, table = more, most // 10_000, _LEADING
    return words


def _fraction_cells(numbers: npt.NDArray[np.uint64], words: int) -> list[Cells]:
    """The words of the digits after the point, of which there are four a word."""
    found: list[Cells] = []
    rest: npt.NDArray[Any] = numbers
    ends = np.ones(len(numbers), bool)  # nothing but zeros behind
    for word in range(words):
        more = rest // 10_000
        place = (rest - more * 10_000).astype(np.intp)
        nothing = place == 0
        place[ends] += _ALONE
        found.insert(0, (_FIRST if word == words - 1 else _TRAILING)[place])
        ends &= nothing
        rest = more
    return found


def _side_by_side(words: Sequence[npt.NDArray[np.uint32] | np.uint32], rows: int) -> Cells:
    table = np.empty((rows, len(words)), np.uint32)
    for at, word in enumerate(words):
        table[:, at] = word
    return table


def text_cells(texts: list[str]) -> Cells:
    """Any texts in ASCII."""
    raw = np.array(texts, "S")
    words = -(-raw.itemsize // 4)
    table: Cells = raw.astype(f"S{4 * words}").view(np.uint32).reshape(len(texts), words)
    return table


def _with_plain(fast: Cells, is_fast: _Mask, values: npt.NDArray[Any]) -> Cells:
    """The cells of all values, of which ``fast`` has some."""
    if len(fast) == len(values):
        return fast
    plain = text_cells(texts(values[~is_fast]))
    table = np.zeros((len(values), max(fast.shape[1], plain.shape[1])), np.uint32)
    table[is_fast, : fast.shape[1]] = fast
    table[~is_fast, : plain.shape[1]] = plain
    return table


def _integer_cells(values: npt.NDArray[np.int64]) -> Cells:
    negative = values < 0
    size = values.view(np.uint64)
    if not negative.any():
        return _side_by_side(_whole_cells(size), len(values))
    size = np.where(negative, ~size + np.uint64(1), size)
    return _side_by_side([negative * _word(b"-"), *_whole_cells(size)], len(values))


# -------------------------------------------------------------------- wall times

_TIMES = 2.0**29, 2.0**32  # 1987 to 2106


def time_cells(times: _Floats) -> Cells:
    """Seconds since the epoch as cells: what `repr` says of each.

    From 2**29 to 2**32 neighbouring doubles are 2**-23 to 2**-21 s apart. Six decimals are further
    apart than that, so that at most one of such a number reads back as the time; seven are closer,
    so that the nearest always does. What is left of a second times a million is exact in a double,
    and so is its distance from a whole number.
    """
    is_fast = (times >= _TIMES[0]) & (times < _TIMES[1])
    fast = times if is_fast.all() else times[is_fast]
    seconds = np.floor(fast)
    part = fast - seconds
    micros = part * 1e6
    rounded = np.rint(micros)
    six = np.abs(rounded - micros) < np.spacing(fast) * 0.5e6
    decimals = np.where(six, rounded * 100, np.rint(part * 1e7) * 10)
    words: list[Any] = [
        *_whole_cells(seconds.astype(np.uint64)),
        _word(b"."),
        *_fraction_cells(decimals.astype(np.uint32), 2),
    ]
    return _with_plain(_side_by_side(words, len(fast)), is_fast, times)


# -------------------------------------------------------------------- float32

_POWERS = 10.0 ** np.arange(23)  # all exact
_SURE_DIGITS = 9


def _exponents() -> tuple[npt.NDArray[np.int64], _Floats]:
    """For each biased exponent of a float32: log10 of its least, rounded down, and where it grows.

    No power of two but 1 is one of ten, and no binade holds two powers of ten.
    """
    powers = [float(f"1e{at}") for at in range(-46, 40)]
    least = [2.0 ** (biased - 127) for biased in range(256)]
    at = np.searchsorted(powers, least, "right") - 1
    return at - 46, np.array(powers)[at + 1]


_EXPONENT, _NEXT_POWER = _exponents()


def _plain(values: npt.NDArray[Any]) -> _Floats:
    """The double nearest to the shortest digits of each float, by numpy's own printing.

    It is printed by the same digits, without an exponent where Python needs none.
    """
    return values.astype(str).astype(np.float64)


def shortest(values: _Singles) -> _Floats:
    """The doubles whose `repr` is the shortest text that reads back as these float32.

    >>> shortest(np.array([0.1, 16777216], np.float32)).tolist()
    [0.1, 16777216.0]
    """
    found = np.empty(len(values), np.float64)
    sizes = np.abs(values)
    fast = (sizes > 1e-14) & (sizes < 1e22)
    digits, power, sure = _nine_digits(sizes[fast])
    found[fast] = np.copysign(_ratio(digits, power), values[fast])
    fast[fast] = sure
    zero = sizes == 0
    found[zero] = values[zero]
    rest = ~(fast | zero)
    if rest.any():
        found[rest] = _plain(values[rest])
    return found


def _ratio(digits: _Floats, power: npt.NDArray[np.int64]) -> _Floats:
    """``digits * 10**-power``, rounded once: both factors are exact, and one of the two is 1."""
    down, up = _POWERS[np.maximum(power, 0)], _POWERS[np.maximum(-power, 0)]
    ratio: _Floats = digits / down * up
    return ratio


def _nine_digits(sizes: _Singles) -> tuple[_Floats, npt.NDArray[np.int64], _Mask]:
    """The shortest decimal that reads back as each float32, as ``digits * 10**-power``.

    Nine digits always read back. The fewest that do are sought from six on: decimals of six digits
    are further apart than neighbouring floats, so that at most one reads back, and one of fewer
    digits is that same number. A decimal is an integer in a double, divided by an exact power of
    ten, and so the double nearest to it; that is rounded to float32 as the decimal would be, unless
    it lies right between two of them.

    Args:
        sizes: float32[n] within 1e-14 and 1e22.

    Returns:
        ``digits``, integers up to 10**9; ``power``; and whether they are sure to be the shortest:
        not where a decimal lies between two floats, or a float between two decimals, or for a power
        of two, whose neighbour below is nearer than the one above.
    """
    bits = sizes.view(np.int32)
    biased = bits >> 23
    whole = sizes.astype(np.float64)
    exponent = _EXPONENT[biased] + (whole >= _NEXT_POWER[biased])
    power = _SURE_DIGITS - 1 - exponent
    scaled = whole * _POWERS[np.maximum(power, 0)] / _POWERS[np.maximum(-power, 0)]
    digits = np.empty(len(sizes), np.float64)
    sure = np.ones(len(sizes), bool)
    left: Any = slice(None)  # which have not been found yet
    for unit in (1e3, 1e2, 1e1, 1e0):
        parts = scaled[left] / unit
        rounded = np.rint(parts)
        tried = rounded * unit
        nearest = _ratio(tried, power[left])
        between = (nearest.view(np.int64) & 0x1FFFFFFF) == 0x10000000
        between |= np.abs(parts - rounded) > 0.5 - 2.0**-20
        digits[left] = tried
        reads_back = nearest.astype(np.float32) == sizes[left]
        if unit == 1e3:
            between |= ~reads_back & ((bits & 0x7FFFFF) == 0)
        sure[left] &= ~between
        again = ~(reads_back | between)
        left = np.flatnonzero(again) if isinstance(left, slice) else left[again]
    sure[left] = False
    return digits, power, sure


_POINT_DIGITS = 12


def _single_cells(values: _Singles) -> Cells:
    """Numbers from 0.0001 to 1e8 by their digits, which `repr` writes without an exponent."""
    sizes = np.abs(values)
    is_fast = (sizes > 1.0001e-4) & (sizes < 9.999e7)
    digits, power, sure = _nine_digits(sizes if is_fast.all() else sizes[is_fast])
    if not sure.all():
        is_fast[is_fast] = sure
        digits, power = digits[sure], power[sure]
    scale = _POWERS[power]
    whole = np.floor(digits / scale)
    decimals = (digits - whole * scale) * _POWERS[_POINT_DIGITS - power]
    words: list[Any] = [
        *_whole_cells(whole.astype(np.uint64)),
        _word(b"."),
        *_fraction_cells(decimals.astype(np.uint64), _POINT_DIGITS // 4),
    ]
    negative = np.signbit(values[is_fast])
    if negative.any():
        words.insert(0, negative * _word(b"-"))
    return _with_plain(_side_by_side(words, len(digits)), is_fast, values)
