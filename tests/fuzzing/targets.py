"""What is fuzzed: functions of bytes that raise where the house's word about garbage is broken.

That word is: garbage gives a value or a `TbioError`, and nothing else, no warning of numpy or
Pillow either; ways that should agree do; nothing is written where it should not be. A target takes
any bytes. Beside it stand what to begin with and how to change that (`seeds`,
`mutations`). ``test_fuzz.py`` runs each target a little, ``scripts/fuzz.py`` for as long as
one likes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from fuzzing import commands, embeddings, files, kinds, records, seeds
from fuzzing.mutations import Mutator
from tbio import plugins
from tbio.proto.event_pb2 import Event
from tbio.proto.tensor_pb2 import TensorProto


class Target(NamedTuple):
    """One thing that is fuzzed.

    Attributes:
        about: in one line.
        run: raises whatever is a finding.
        seeds: what to begin with.
        mutate: changes data and leaves much of its structure.
    """

    about: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    mutate: Callable[[Mutator, bytes], bytes]


def _of_log(mutator: Mutator, data: bytes) -> bytes:
    return mutator.log(data, seeds.events())


def _of_event(mutator: Mutator, data: bytes) -> bytes:
    return mutator.message(data, Event)


def _of_kind(name: str) -> Target:
    about = f"events with {name}, decoded"
    return Target(about, kinds.event, lambda: seeds.by_kind()[name], _of_event)


def _of_file(about: str, run: Callable[[bytes], None]) -> Target:
    return Target(about, run, seeds.logs, _of_log)


TARGETS: dict[str, Target] = {
    "records": _of_file("records in pieces, and what is lost", records.records),
    "events": _of_file("event files, by every reader", files.events),
    "bulk": _of_file("the bulk lane against the plain path", files.bulk),
    "follow": _of_file("files that are read while they grow", files.follow),
    "exports": _of_file("scalars as CSV and Parquet", files.exports),
    **{name: _of_kind(name) for name in plugins.KINDS},
    "odd_events": Target("events of any sort, decoded", kinds.event, seeds.events, _of_event),
    "tensor_protos": Target(
        "TensorProtos",
        kinds.tensors,
        seeds.tensors,
        lambda mutator, data: mutator.message(data, TensorProto),
    ),
    "image_files": Target(
        "PNG, GIF, JPEG, BMP, WebP", kinds.images, seeds.pictures, Mutator.picture
    ),
    "sound_files": Target("WAV", kinds.sounds, seeds.sounds, Mutator.bytes_),
    "projector": Target(
        "projector_config.pbtxt, and what it names",
        embeddings.config,
        seeds.configs,
        lambda mutator, data: mutator.text(data, seeds.CONFIG_WORDS),
    ),
    "tsv": Target(
        "labels and points of the projector",
        embeddings.tables,
        seeds.tables,
        lambda mutator, data: mutator.text(data, seeds.TSV_WORDS),
    ),
    "commands": Target(
        "the commands on a tree of files", commands.commands, seeds.trees, Mutator.bytes_
    ),
}
