"""Runs of Weights & Biases, from the folders that it keeps on the machine.

A run is a folder ``run-<date>-<id>`` or ``offline-run-<date>-<id>``. ``run-<id>.wandb`` in it is
its transaction log: seven bytes (``:W&B``, a magic number, a version), and then LevelDB's log
format (leveldb's doc/log_format.md, with zlib's CRC-32 over type and data): blocks of 32 KiB, in
them fragments ``<u32 crc> <u16 length> <u8 type>``. A whole record is a message ``Record``
(wandb/proto/wandb_internal.proto), of which these fields are read:

=============  ====================================================================================
2 history      a row: items (1) with key (1) or nested_key (2), and value_json (16); step (2)
17 run         run_id (1), config (4), display_name (8), start_time (17)
5 config       a change of the hyperparameters: update (1), key, value_json
18 exit        exit_code (1)
7 stats        system metrics, which are told of and not imported
=============  ====================================================================================

Nested names get ``/`` between them. The step is the row's ``_step``, the wall time its
``_timestamp``; other names with ``_`` in front are W&B's own. What is no number has no place in a
scalar: media, histograms, tables and texts are listed.

Where there is no transaction log, the run has one point a tag, of ``files/wandb-summary.json``, and
the hyperparameters of ``files/config.yaml``.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tbio import wire
from tbio.imports.plain_yaml import parsed
from tbio.imports.rows import NoNumberError, number_of, step_of, wall_time_of
from tbio.imports.target import Target

_MAGIC = b":W&B\xe1\xbe"
_HEAD, _FRAGMENT, _BLOCK = 7, struct.Struct("<IHB"), 1 << 15
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_FOLDER = re.compile(r"(offline-)?run-\d+_\d+-(.+)$")
#: What W&B writes for numbers that JSON does not have.
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def is_transaction_log(path: str) -> bool:
    """Whether a file is one."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class WandbRun(NamedTuple):
    """What a run is made of: id, folder, and the transaction log, "" where there is none."""

    id: str
    folder: str
    log: str


def runs_in(folder: str) -> list[WandbRun]:
    """The runs at or below a folder, sorted; links, such as ``latest-run``, are not followed."""
    found = []
    for path, folders, names in os.walk(folder):
        folders.sort()
        logs = sorted(name for name in names if name.endswith(".wandb"))
        match = _FOLDER.match(os.path.basename(os.path.abspath(path)))
        if logs:
            id = logs[0].removeprefix("run-").removesuffix(".wandb")
            found.append(WandbRun(id, path, os.path.join(path, logs[0])))
        elif match and "files" in folders:
            found.append(WandbRun(match[2], path, ""))
    return found


def add_runs(runs: Iterable[WandbRun], target: Target) -> None:
    """Import runs.

    Raises:
        OSError: a file cannot be read.
    """
    for run in runs:
        if run.log and not is_transaction_log(run.log):
            target.skip(run.log, "no transaction log of W&B", is_damage=True)
            run = run._replace(log="")
        (_Log(run, target) if run.log else _Files(run, target)).add()


class _Importer:
    """What the two ways have in common."""

    def __init__(self, run: WandbRun, target: Target) -> None:
        self.run = run
        self.target = target
        self.source = run.log or run.folder
        self.name = ""

    def begin(self, display_name: str) -> None:
        name = display_name or self.run.id
        if self.target.has(name):
            name = f"{name}-{self.run.id}"
        if self.target.has(name):  # a run that was resumed has several folders
            name = next(
                new for n in itertools.count(2) if not self.target.has(new := f"{name}-{n}")
            )
        self.name = name
        self.target.begin(name, self.source)

    def row(self, row: Mapping[str, Any], step: int, where: str) -> None:
        time = None
        try:
            time = wall_time_of(row.get("_timestamp"))
        except NoNumberError:
            self.target.skip(self.source, "a _timestamp that is no time", where=where)
        for tag, cell in row.items():
            if tag.startswith("_"):
                continue
            try:
                value = number_of(_SPECIAL.get(cell, cell) if isinstance(cell, str) else cell)
                if isinstance(cell, str) and cell not in _SPECIAL:
                    raise NoNumberError("text, and no number")
            except NoNumberError as error:
                self.target.skip(self.source, f"{tag!r}: {error}", where=where)
                continue
            if value is not None:
                self.target.scalar(self.name, tag, step, value, time)

    def items(self, values: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Values with nested names made one; what is of a type of W&B's own is told of."""
        row = {}
        for key, value in values.items():
            if isinstance(value, Mapping) and "_type" in value:
                kind = value["_type"]
                self.target.skip(self.source, f"{key!r}: W&B's {kind}, and no number", where=where)
            elif isinstance(value, Mapping):
                inner = {f"{key}/{name}": one for name, one in value.items()}
                row.update(self.items(inner, where))
            else:
                row[key] = value
        return row


class _Log(_Importer):
    """A run by its transaction log."""

    def add(self) -> None:
        config: dict[str, Any] = {}
        start = 0.0
        rows = 0
        for record in _records(self.run.log, self.target):
            where = f"record {record.number}"
            if record.kind == 17:
                one = _message(record.content)
                config.update(self._config(one.get(4, [b""])[-1]))
                start = _timestamp(one.get(17, [b""])[-1]) or start
                if not self.name:
                    self.begin(one.get(8, [b""])[-1].decode("utf-8", "backslashreplace"))
            elif record.kind == 5:
                config.update(self._config(record.content))
            if not self.name and record.kind in (2, 18):
                self.begin("")
            if record.kind == 2:
                self._history(record.content, rows, where)
                rows += 1
            elif record.kind == 18:
                self._exit(record.content)
            elif record.kind == 7:
                self.target.skip(self.source, "system metrics")
        if not self.name:
            self.begin("")
        config.pop("_wandb", None)
        if config:
            self.target.start(self.name, config, start)

    def _history(self, content: bytes, number: int, where: str) -> None:
        values: dict[str, Any] = {}
        step: int | None = None
        for part in wire.fields(content):
            if part.number == 1:
                key, value = self._item(content[part.at : part.stop])
                values[key] = value
            elif part.number == 2:
                step = _integer(content[part.at : part.stop], 1)
        row = self.items(values, where)
        try:
            step = step_of(row["_step"]) if "_step" in row else step
        except NoNumberError:
            step = None
        if step is None:
            self.target.skip(self.source, "a row without a step", is_damage=True, where=where)
            return
        self.row(row, step, where)

    def _config(self, content: bytes) -> dict[str, Any]:
        updates: dict[str, Any] = {}
        for part in wire.fields(content):
            if part.number == 1:
                key, value = self._item(content[part.at : part.stop])
                updates[key] = value
        return updates

    def _item(self, content: bytes) -> tuple[str, Any]:
        one = _message(content)
        keys = one.get(2) or one.get(1) or [b""]
        name = "/".join(key.decode("utf-8", "backslashreplace") for key in keys)
        try:
            return name, json.loads(one.get(16, [b"null"])[-1])
        except (ValueError, RecursionError):
            self.target.skip(self.source, f"{name!r}: no JSON", is_damage=True)
            return name, None

    def _exit(self, content: bytes) -> None:
        code = _integer(content, 1)
        self.target.end(self.name, "FAILURE" if code else "SUCCESS")


class _Files(_Importer):
    """A run by the files that it ended with."""

    def add(self) -> None:
        folder = os.path.join(self.run.folder, "files")
        self.begin("")
        summary = self._summary(os.path.join(folder, "wandb-summary.json"))
        row = self.items(summary, "")
        try:
            step = step_of(row.get("_step", 0))
        except NoNumberError:
            step = 0
        self.row(row, step, "")
        if summary:
            self.target.remark(f"{self.source}: no transaction log, so only the last values")
        self._config(os.path.join(folder, "config.yaml"))

    def _summary(self, path: str) -> dict[str, Any]:
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                summary = json.load(file)
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            self.target.skip(path, f"no JSON: {error}", is_damage=True)
            return {}
        return summary if isinstance(summary, dict) else {}

    def _config(self, path: str) -> None:
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                config = parsed(file.read())
        except FileNotFoundError:
            return
        except (ValueError, RecursionError) as error:
            self.target.skip(path, f"hyperparameters: {error}", is_damage=True)
            return
        values = {
            key: one["value"]
            for key, one in (config.items() if isinstance(config, dict) else ())
            if isinstance(one, dict) and "value" in one and key != "_wandb"
        }
        if values:
            self.target.start(self.name, values)


class _Record(NamedTuple):
    """One Record: which, of what sort by its field's number, and that field's bytes."""

    number: int
    kind: int
    content: bytes


#: The fields of Record that say of what sort it is.
_KINDS = frozenset((2, 5, 7, 17, 18))


def _records(path: str, target: Target) -> Iterator[_Record]:
    for number, data in enumerate(_payloads(path, target), 1):
        try:
            parts = [part for part in wire.fields(data) if part.number in _KINDS]
            records = [_Record(number, part.number, data[part.at : part.stop]) for part in parts]
            for record in records:
                list(wire.fields(record.content))
        except ValueError as error:
            what = f"a record that is no message: {error}"
            target.skip(path, what, is_damage=True, where=f"record {number}")
            continue
        yield from records


def _payloads(path: str, target: Target) -> Iterator[bytes]:
    """The sound records of a log; damage is told of, and left behind by way of the next block."""
    with open(path, "rb") as file:
        held: bytearray | None = None
        at = 0
        while block := file.read(_BLOCK):
            place = _HEAD if at == 0 else 0
            while len(block) - place >= _FRAGMENT.size:
                crc, size, kind = _FRAGMENT.unpack_from(block, place)
                data = block[place + _FRAGMENT.size : place + _FRAGMENT.size + size]
                where = f"byte {at + place}"
                if not any(block[place:]):
                    break  # the rest of a block is zeros
                if len(data) < size and len(block) < _BLOCK:
                    held = None
                    target.skip(path, "a record cut off at the end", where=where)
                    break
                if len(data) < size or zlib.crc32(data, zlib.crc32(bytes([kind]))) != crc:
                    held = None
                    what = "damaged bytes, up to the next block"
                    target.skip(path, what, is_damage=True, where=where)
                    break
                place += _FRAGMENT.size + size
                if kind == _FULL:
                    yield data
                elif kind == _FIRST:
                    held = bytearray(data)
                elif held is not None and kind in (_MIDDLE, _LAST):
                    held += data
                    if kind == _LAST:
                        yield bytes(held)
                        held = None
            at += len(block)


def _message(content: bytes) -> dict[int, list[bytes]]:
    """The contents of a message's fields, by number."""
    found: dict[int, list[bytes]] = {}
    for part in wire.fields(content):
        found.setdefault(part.number, []).append(content[part.at : part.stop])
    return found


def _integer(content: bytes, number: int) -> int:
    """An integer field of a message, 0 where there is none."""
    value = 0
    for part in wire.fields(content):
        if part.number == number:
            value = part.value
    return value - (1 << 64) if value >> 63 else value


def _timestamp(content: bytes) -> float:
    """A google.protobuf.Timestamp as seconds since the epoch."""
    return _integer(content, 1) + _integer(content, 2) / 1e9
