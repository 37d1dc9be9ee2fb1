"""Words as labels: which one belongs to which row of an embedding."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tbio.projector import tsv

#: More rows than any embedding has; an index beyond is a mistake.
_MOST_ROWS = 1 << 24
#: What keras.datasets.imdb and reuters put in front of the words, by default.
_RESERVED = {0: "<pad>", 1: "<start>", 2: "<unknown>"}


class Labels(NamedTuple):
    """What a Projector shows of the points: a cell for each, or a row of cells."""

    cells: list[Any]
    header: list[str] | None = None


def vocabulary(
    words: Any,
    size: int | None = None,
    *,
    index_from: int = 0,
    reserved: Mapping[int, str] | None = None,
) -> list[str]:
    """The label of each row of an embedding, for ``embeddings_metadata``.

    Args:
        words: a mapping index -> word, or word -> index (``keras.datasets.imdb.get_word_index()``);
            the words in their order; or a layer with ``get_vocabulary()`` (``TextVectorization``).
        size: how many rows, the embedding's ``input_dim``; None takes them all. Words beyond are
            left out.
        index_from: what was added to each index. ``keras.datasets.imdb.load_data`` and ``reuters``
            add 3 unless they are told otherwise.
        reserved: index -> label of rows that are no words. By default, with an ``index_from`` of
            3 or more, those of ``imdb``: 0 is padding, 1 the start, 2 what is unknown.

    Returns:
        A label a row. One that nothing is known of is its number in brackets.

    Raises:
        TypeError: words that are none of these.
        ValueError: an index below 0 or beyond 2**24, or a size that is not within these.

    >>> vocabulary({"the": 1, "and": 2}, index_from=3)
    ['<pad>', '<start>', '<unknown>', '<3>', 'the', 'and']
    >>> vocabulary({0: "a", 2: "b", 7: "rare"}, size=4)
    ['a', '<1>', 'b', '<3>']
    """
    if hasattr(words, "get_vocabulary"):
        words = words.get_vocabulary()
    if not isinstance(words, Mapping):
        if isinstance(words, (str, bytes)) or not isinstance(words, Sequence):
            raise TypeError(
                f"want a mapping of words and indexes, or a list of words, got "
                f"{type(words).__name__}"
            )
        words = dict(enumerate(words))
    if reserved is None:
        reserved = _RESERVED if index_from >= len(_RESERVED) else {}
    by_index = {_index(index) + index_from: str(word) for index, word in _pairs(words)}
    by_index.update({_index(index): str(label) for index, label in reserved.items()})
    if any(index < 0 for index in by_index):
        raise ValueError(f"index_from={index_from} leads to an index below 0")
    rows = max(by_index, default=-1) + 1 if size is None else size
    if not 0 <= rows <= _MOST_ROWS:
        raise ValueError(f"want at most {_MOST_ROWS} rows, got {rows}")
    return [by_index.get(row, f"<{row}>") for row in range(rows)]


def is_vocabulary(metadata: Mapping[Any, Any]) -> bool:
    """Whether a mapping is of words and indexes, and not of layers and what they have.

    >>> is_vocabulary({"the": 1}), is_vocabulary({0: "the"}), is_vocabulary({"emb": "words.tsv"})
    (True, True, False)
    """
    return any(_is_index(key) or _is_index(value) for key, value in metadata.items())


def labels(metadata: Any, rows: int, folder: str) -> tuple[Labels, str]:
    """Labels for so many points, and what is amiss with them, "" for nothing.

    Labels that are too many are left out; those that are missing are numbers in brackets: the
    Projector shows none at all if their number is not that of the points.

    Args:
        metadata: the path of a TSV, relative to ``folder``, as Keras takes it, or else to the
            working folder; or what `vocabulary` takes.

    Raises:
        OSError: the file cannot be read.
        DecodeError: it is no table of text.
        TypeError, ValueError: as `vocabulary`.
    """
    if isinstance(metadata, (str, os.PathLike)):
        columns = tsv.labels(_content(metadata, folder))
        found = len(next(iter(columns.values())))
        cells: list[Any] = list(zip(*columns.values(), strict=True))
        # The first name is blank in what pandas writes of a table with an index.
        header: list[str] | None = [
            name if name.strip() else f"<{place}>" for place, name in enumerate(columns)
        ]
        if len(columns) == 1:
            cells, header = [cell for (cell,) in cells], None
        missing: list[Any] = [f"<{row}>" for row in range(found, rows)]
        if header:
            missing = [(label,) + ("",) * (len(header) - 1) for label in missing]
        made = Labels(cells[:rows] + missing, header)
    else:
        known = len(metadata) if isinstance(metadata, Sequence) else rows
        found, made = known, Labels(vocabulary(metadata, rows))
    return made, "" if found == rows else f"{found} labels for {rows} points"


def _content(path: str | os.PathLike[str], folder: str) -> bytes:
    inside = os.path.join(folder, path)
    with open(inside if os.path.exists(inside) else path, "rb") as file:
        return file.read()


def _pairs(words: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Index and word of each, whichever comes first; of two with one index the first counts."""
    items = list(words.items())
    if items and not all(_is_index(key) for key, _ in items):
        items = [(value, key) for key, value in items]
    return items[::-1]


def _is_index(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _index(value: Any) -> int:
    if not _is_index(value):
        raise TypeError(f"want a mapping of words and indexes, got {value!r:.80} for an index")
    if not -_MOST_ROWS < value < _MOST_ROWS:
        raise ValueError(f"want indexes below {_MOST_ROWS}, got {value}")
    return int(value)
