"""Curves: scalars that were computed rather than logged, as new runs that TensorBoard shows."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from tbio.event_file import EventFileWriter
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.record import encode_record
from tbio.storage import is_url

_BATCH_EVENTS = 1 << 14
#: What not every file system takes in a name, or what has a meaning; % since it begins an escape.
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*%]|^\.+$|[. ]$')
_LONGEST_NAME = 200  # bytes; file systems take 255


@dataclass(frozen=True, eq=False)
class Curve:
    """One tag of a run that is to be written.

    Attributes:
        steps: int64[n].
        wall_times: float64[n], seconds since the epoch, UTC.
        values: float64[n].
    """

    tag: str
    steps: npt.NDArray[np.int64]
    wall_times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def write_runs(
    destination: str | os.PathLike[str], runs: Mapping[str, Sequence[Curve]]
) -> dict[str, str]:
    """Write each run into a folder of its own, one event file each; run -> its path.

    Values are float32 in the encoding that every reader knows. The destination takes its name when
    it is complete, and nothing is left of one that fails. What the name of a folder must not hold
    is written as %xx, so that no run leads out of it: a run ``../x`` is ``%2E%2E/x``.

    Args:
        destination: a folder on a local disk, which must not exist or be empty.

    Raises:
        FileExistsError: there is something in ``destination``.
        ValueError: a URL; no runs.
        OSError: the folder cannot be written to.

    >>> import tempfile, tbio
    >>> folder = tempfile.mkdtemp()
    >>> curve = Curve("loss", np.arange(2), np.arange(2.0), np.array([0.5, 0.25]))
    >>> list(write_runs(folder, {"seeds/mean": [curve]}))
    ['seeds/mean']
    >>> tbio.open(folder)["seeds/mean"].scalars["loss"].values
    array([0.5 , 0.25], dtype=float32)
    """
    path = os.fspath(destination)
    if is_url(path):
        raise ValueError(f"{path}: want a folder on a local disk")
    if not runs:
        raise ValueError("there are no scalars to write")
    path = os.path.realpath(path)
    if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
        raise FileExistsError(errno.EEXIST, "want a new or empty folder", path)
    folders = {run: folder_of(run) for run in runs}
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    unfinished = os.path.join(parent, f".{name}.{os.getpid()}.{time.time_ns()}.part")
    try:
        for run, curves in runs.items():
            _write(os.path.join(unfinished, *folders[run].split("/")), curves)
        if os.path.isdir(path):
            os.rmdir(path)
        os.rename(unfinished, path)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return {run: os.path.normpath(os.path.join(path, folder)) for run, folder in folders.items()}


def _write(folder: str, curves: Sequence[Curve]) -> None:
    """One event file, its events in the order of their steps."""
    order = np.argsort(np.concatenate([curve.steps for curve in curves]), kind="stable")
    columns = [
        np.repeat(np.arange(len(curves)), [len(curve.steps) for curve in curves]),
        np.concatenate([curve.steps for curve in curves]),
        np.concatenate([curve.wall_times for curve in curves]),
        np.concatenate([curve.values for curve in curves]),
    ]
    with EventFileWriter(folder) as writer:
        for begin in range(0, len(order), _BATCH_EVENTS):
            part = order[begin : begin + _BATCH_EVENTS]
            rows = zip(*(column[part].tolist() for column in columns), strict=True)
            records = []
            for at, step, wall_time, value in rows:
                event = Event(step=step, wall_time=wall_time)
                event.summary.value.append(scalar.encode(curves[at].tag, value))
                records.append(encode_record(event.SerializeToString()))
            writer.append(b"".join(records), len(records))
            writer.write_waiting()


def folder_of(run: str) -> str:
    """A run's name as a relative path that stays where it is put; "." for the folder itself.

    >>> folder_of("lr=0.1/train"), folder_of("../../etc"), folder_of("/root")
    ('lr=0.1/train', '%2E%2E/%2E%2E/etc', '%/root')
    """
    return run if run == "." else "/".join(map(_safe, run.split("/")))


def _safe(part: str) -> str:
    safe = _NOT_IN_NAMES.sub(lambda found: _escaped(found[0]), part) or "%"
    raw = safe.encode(errors="surrogateescape")
    if len(raw) <= _LONGEST_NAME:
        return safe
    begin = raw[: _LONGEST_NAME - 17].decode(errors="ignore")
    return f"{begin}%{sha256(raw).hexdigest()[:16]}"  # two long names stay two


def _escaped(text: str) -> str:
    return "".join(f"%{ord(mark):02X}" for mark in text)
