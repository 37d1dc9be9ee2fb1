"""The events of one file, in place of TensorFlow's ``summary_iterator``."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from tbio.event_file import EventFileReader
from tbio.proto.event_pb2 import Event
from tbio.storage import file_at


def summary_iterator(path: str | os.PathLike[str]) -> Iterator[Event]:
    """The events of an event file, in place of ``tf.compat.v1.train.summary_iterator``.

    TensorFlow's raises a DataLossError at the first wrong byte; this one passes over the damage,
    warns of it once, and goes on. A record that is cut off by the end of the file ends the events,
    without a word: it may still be under way. Files that are compressed as a whole are read, too.

    Args:
        path: a file of any name, or a URL.

    Raises:
        FileNotFoundError: there is none; at once, as TensorFlow's error does.
        IsADirectoryError: a folder; `tbio.read_events` reads all files of one.

    >>> from tbio.compat import summary_iterator
    >>> from glob import glob
    >>> for event in summary_iterator(*glob("tests/golden/digits/train/*tfevents*")):
    ...     for value in event.summary.value:
    ...         if value.tag == "loss" and event.step < 2:
    ...             print(event.step, value.simple_value)
    0 2.3025851249694824
    1 2.202794313430786
    """
    path = os.fspath(path)
    file = file_at(path)
    if file is None:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return (stored.event for stored in EventFileReader(file).events())
