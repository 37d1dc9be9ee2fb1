"""Places: where the values of a series stand in its event files, and how they are got from there.

Nothing of a blob is kept in memory but its place: the file, the offset and size of its record, and
which value of the event's summary it is. It is read again, checksums and all, when it is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio.column import PlaceColumn
from tbio.errors import DamageError
from tbio.event_file import EventFileReader
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event

Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Places:
    """The places of n values.

    Attributes:
        readers: the event files.
        files: int64[n], which of the files each value is in.
        offsets: int64[n], of its record, in bytes.
        sizes: int64[n], of its whole record, in bytes.
        indexes: int64[n], which value of the summary it is; -1 in an event without summary.
    """

    readers: Sequence[EventFileReader]
    files: Longs
    offsets: Longs
    sizes: Longs
    indexes: Longs

    @classmethod
    def of_columns(
        cls, readers: Sequence[EventFileReader], columns: Sequence[PlaceColumn | None]
    ) -> Places:
        """The places in the columns of as many files, one file behind the other."""
        lengths = [0 if column is None else len(column) for column in columns]
        present = [column for column in columns if column is not None]

        def joined(name: str) -> Longs:
            arrays = [np.array(getattr(column, name), np.int64) for column in present]
            return np.concatenate(arrays) if arrays else np.empty(0, np.int64)

        files = np.repeat(np.arange(len(readers)), lengths)
        return cls(readers, files, joined("offsets"), joined("sizes"), joined("indexes"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, which: Any) -> Places:
        """The places of a slice, a mask or an array of indexes."""
        columns = (self.files, self.offsets, self.sizes, self.indexes)
        return Places(self.readers, *(column[which] for column in columns))

    def events(self) -> Iterator[Event]:
        """The event of each value, in order; a file is opened once for values that follow.

        Raises:
            DamageError: the file was written anew since it was read.
            OSError: as the operating system has it.
        """
        rows = zip(self.files.tolist(), self.offsets.tolist(), self.sizes.tolist(), strict=True)
        for file, group in itertools.groupby(rows, lambda row: row[0]):
            reader = self.readers[file]
            for record in reader.fetch((offset, size) for _, offset, size in group):
                try:
                    event = Event.FromString(record.payload)
                except PARSE_ERRORS as error:
                    what = "the event that was read here is gone: the file was written anew"
                    name = reader.file.name
                    raise DamageError(name, record.offset, "replaced", what) from error
                yield event
