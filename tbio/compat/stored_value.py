"""Values of a summary that are kept for later: small ones as bytes, large ones by their place.

So a log of many images costs memory only for those that are looked at.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias, cast

from google.protobuf.message import Message

from tbio.errors import DamageError
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import HistogramProto, Summary
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record_file import RecordFileReader
from tbio.storage import File

#: What is larger than this stays in the file.
_MAX_BYTES = 1024
_MESSAGE_OF_FIELD: dict[str, type[Message]] = {
    "histo": HistogramProto,
    "image": Summary.Image,
    "audio": Summary.Audio,
    "tensor": TensorProto,
}


class Place(NamedTuple):
    """Where a value stands.

    Attributes:
        offset: of its record in the file, in bytes.
        size: of the whole record, in bytes.
        number: which value of the event's summary it is, from 0.
    """

    file: File
    offset: int
    size: int
    number: int


#: A serialized message, or where it stands.
StoredValue: TypeAlias = bytes | Place


def store(message: Any, place: Place | None) -> StoredValue:
    """A message in the form in which it is kept.

    Args:
        message: of a `Summary.Value`.
        place: where that stands; None when it cannot be read there again.
    """
    if place is not None and message.ByteSize() > _MAX_BYTES:
        return place
    data: bytes = message.SerializeToString()
    return data


def fetch(values: Iterable[StoredValue], field: str) -> Iterator[Any]:
    """The messages of kept values; ``field`` says which of a summary value they are.

    Raises:
        DamageError: the file was written anew since.
        OSError: the file is gone, or forbids reading.
    """
    from_string = _MESSAGE_OF_FIELD[field].FromString
    for file, group in itertools.groupby(values, _file_of):
        if file is None:
            yield from map(from_string, cast(Iterator[bytes], group))
        else:
            yield from _fetch_from(file, list(cast(Iterator[Place], group)), field)


def _file_of(value: StoredValue) -> File | None:
    return value.file if isinstance(value, Place) else None


def _fetch_from(file: File, places: list[Place], field: str) -> Iterator[Any]:
    reader = RecordFileReader(file)
    records = reader.fetch((place.offset, place.size) for place in places)
    for record, place in zip(records, places, strict=True):
        with contextlib.suppress(*PARSE_ERRORS):
            values = Event.FromString(record.payload).summary.value
            if place.number < len(values) and values[place.number].HasField(field):
                yield getattr(values[place.number], field)
                continue
        what = "the value that was read here is gone: the file was written anew"
        raise DamageError(file.name, place.offset, "replaced", what)
