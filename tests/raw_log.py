"""The events of a log, by the reader of TensorBoard that stands below all its others.

It knows nothing of tags and samples nothing: what it does not give is not in the file, or stands
behind damage.
"""

from __future__ import annotations

import os
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

_FRAME = 16  # bytes around each record: length, two checksums


def events_in(path: Path, *, torn: bool = False) -> list[Event]:
    """The events of one file.

    Args:
        torn: a record that is cut off at the end is fine.
    """
    size = path.stat().st_size
    records = list(RawEventFileLoader(os.fspath(path)).Load())
    read = sum(len(record) + _FRAME for record in records)
    assert torn or read >= size, f"{path}: {size - read} bytes of {size} cannot be read"
    return [Event.FromString(record) for record in records]


def steps_by_file(folder: Path, *, torn: bool = False) -> list[dict[str, list[int]]]:
    """Tag -> steps as they stand in the file, for each file of a run in the order of names."""
    found: list[dict[str, list[int]]] = []
    for path in sorted(folder.glob("*tfevents*")):
        found.append({})
        for event in events_in(path, torn=torn):
            for value in event.summary.value:
                found[-1].setdefault(value.tag, []).append(event.step)
    return found


def steps_in(folder: Path, *, torn: bool = False) -> dict[str, list[int]]:
    """Tag -> steps of a run, all its files one behind the other."""
    joined: dict[str, list[int]] = {}
    for file in steps_by_file(folder, torn=torn):
        for tag, steps in file.items():
            joined.setdefault(tag, []).extend(steps)
    return joined
