"""tbio, tensorboard, tensorboardX and torch can be loaded into one process, in any order.

All of them register protobuf messages with one pool for the process, which takes a name only once.
Each order is tried in an interpreter of its own.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Library -> what to import, and the module with the Event class it uses.
EVENT_MODULES = {
    "tbio": ("tbio", "tbio.proto.event_pb2"),
    "tensorboard": ("tensorboard.compat.proto.summary_pb2", "tensorboard.compat.proto.event_pb2"),
    "tensorboardX": ("tensorboardX", "tensorboardX.proto.event_pb2"),
    "torch": ("torch.utils.tensorboard", "tensorboard.compat.proto.event_pb2"),
}

PROGRAM = """
import importlib, sys

modules = []
for name, events in zip(sys.argv[1::2], sys.argv[2::2]):
    importlib.import_module(name)
    modules.append(importlib.import_module(events))

from tbio.proto.event_pb2 import Event

FIELDS = dict(wall_time=1.5, step=-7, summary={"value": [{"tag": "žλ🙂", "simple_value": 0.25}]})
for theirs in modules:
    ours_read = theirs.Event.FromString(Event(**FIELDS).SerializeToString())
    assert ours_read == theirs.Event(**FIELDS), (theirs, ours_read)
    theirs_read = Event.FromString(theirs.Event(**FIELDS).SerializeToString())
    assert theirs_read == Event(**FIELDS), (theirs, theirs_read)
print("exchanged", len(modules))
"""


def exchange_events(libraries: tuple[str, ...]) -> None:
    """Import the libraries in this order, then pass an Event between tbio and each, both ways."""
    arguments = [name for library in libraries for name in EVENT_MODULES[library]]
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"exchanged {len(libraries)}\n"


def both_orders(*libraries: str) -> list[tuple[str, ...]]:
    return [libraries, libraries[::-1]]


@pytest.mark.parametrize(
    "libraries",
    [
        *both_orders("tbio", "tensorboard"),
        *both_orders("tbio", "tensorboardX"),
        *itertools.permutations(("tbio", "tensorboard", "tensorboardX")),
    ],
    ids="-".join,
)
def test_in_one_process(libraries: tuple[str, ...]) -> None:
    exchange_events(libraries)


@pytest.mark.full
@pytest.mark.parametrize(
    "libraries",
    [
        *both_orders("tbio", "torch"),
        *both_orders("tbio", "tensorboard", "tensorboardX", "torch"),
    ],
    ids="-".join,
)
def test_in_one_process_with_torch(libraries: tuple[str, ...]) -> None:
    exchange_events(libraries)
