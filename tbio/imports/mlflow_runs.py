"""Runs of MLflow, from its folder of files (``mlruns``) or its SQLite file (``mlflow.db``).

Files (mlflow/store/tracking/file_store.py): ``<experiment>/<run>/`` with ``meta.yaml``,
``metrics/<name>`` with a line ``<milliseconds> <value> <step>`` a point, ``params/<name>`` and
``tags/<name>``; a ``/`` in a name makes folders. SQLite (store/tracking/dbmodels/models.py): tables
``runs``, ``metrics``, ``params``, ``tags``, ``experiments``; NaN has a column of its own there, and
infinite values are the largest doubles.

A run is called ``<experiment>/<run name>``. Params, which MLflow keeps as text, become
hyperparameters: what reads as a number or a bool is one. The tags that a user has set become texts
``tags/<name>``; those that begin with ``mlflow.`` are MLflow's own. Deleted runs are left out.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tbio.imports.plain_yaml import parsed
from tbio.imports.rows import NoNumberError, number_of, step_of
from tbio.imports.target import Target
from tbio.kinds.hparams import Status

_STATUS: Mapping[object, Status] = {
    # RunStatus of mlflow/protos/service.proto, as files and as the database have it
    **{3: "SUCCESS", 4: "FAILURE", 5: "FAILURE"},
    **{"FINISHED": "SUCCESS", "FAILED": "FAILURE", "KILLED": "FAILURE"},
}
_LARGEST = sys.float_info.max


class _MlflowRun(NamedTuple):
    """What a run's description says."""

    id: str
    name: str
    experiment: str
    status: object
    start: float
    end: float


def is_run(folder: str) -> bool:
    """Whether a folder is that of a run."""
    return os.path.isfile(os.path.join(folder, "meta.yaml")) and os.path.isdir(
        os.path.join(folder, "metrics")
    )


def runs_in(folder: str) -> list[str]:
    """The folders of runs at or below a folder, sorted."""
    found = []
    for path, folders, _ in os.walk(folder):
        folders.sort()
        if is_run(path):
            found.append(path)
            folders.clear()
        elif ".trash" in folders:
            folders.remove(".trash")
    return found


def is_database(path: str) -> bool:
    """Whether a file is MLflow's database."""
    with open(path, "rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return False
    try:
        with _connected(path) as base:
            query = "SELECT count(*) FROM sqlite_master WHERE name IN ('runs', 'metrics', 'params')"
            return bool(base.execute(query).fetchone()[0] == 3)
    except sqlite3.Error as error:
        raise ValueError(f"{path}: {error}") from error


def _begin(target: Target, run: _MlflowRun, source: str) -> str:
    name = f"{run.experiment}/{run.name}" if run.experiment else run.name
    if target.has(name):
        name = f"{name}-{run.id}"
    target.begin(name, source)
    return name


def _finish(
    target: Target, name: str, run: _MlflowRun, params: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    for key, words in tags.items():
        if not key.startswith("mlflow."):
            target.text(name, f"tags/{key}", 0, words, run.start or None)
    if params:
        target.start(name, {key: _param(value) for key, value in params.items()}, run.start)
    if run.status in _STATUS:
        target.end(name, _STATUS[run.status], run.end)


def _param(value: Any) -> Any:
    """A param, which is text, as what it was.

    >>> _param("0.1"), _param("True"), _param("adam"), _param("nan")
    (0.1, True, 'adam', 'nan')
    """
    if value in ("True", "False"):
        return value == "True"
    if not isinstance(value, str) or not any(mark.isdigit() for mark in value):
        return value
    try:
        return int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        return value


# ------------------------------------------------------------------ files


def add_folders(folders: list[str], target: Target) -> None:
    """Import runs by their folders.

    Raises:
        OSError: a file cannot be read.
    """
    for folder in folders:
        _Folder(folder, target).add()


class _Folder:
    """One run by its folder."""

    def __init__(self, folder: str, target: Target) -> None:
        self._folder = folder
        self._target = target

    def add(self) -> None:
        meta = self._meta(self._folder)
        if meta.get("lifecycle_stage") == "deleted":
            self._target.skip(self._folder, "a deleted run")
            return
        above = os.path.dirname(os.path.abspath(self._folder))
        experiment = self._meta(above).get("name") or os.path.basename(above)
        id = str(meta.get("run_id") or os.path.basename(self._folder))
        tags = dict(self._texts("tags"))
        run = _MlflowRun(
            id,
            str(meta.get("run_name") or tags.get("mlflow.runName") or id),
            str(experiment),
            meta.get("status"),
            _seconds(meta.get("start_time")),
            _seconds(meta.get("end_time")),
        )
        name = _begin(self._target, run, self._folder)
        for key, path in self._files("metrics"):
            self._metric(name, key, path)
        _finish(self._target, name, run, dict(self._texts("params")), tags)

    def _meta(self, folder: str) -> dict[str, Any]:
        path = os.path.join(folder, "meta.yaml")
        try:
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                meta = parsed(file.read())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            self._target.skip(path, str(error), is_damage=True)
            return {}
        return meta if isinstance(meta, dict) else {}

    def _files(self, kind: str) -> Iterator[tuple[str, str]]:
        top = os.path.join(self._folder, kind)
        for path, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                inner = os.path.join(path, name)
                yield os.path.relpath(inner, top).replace(os.sep, "/"), inner

    def _texts(self, kind: str) -> Iterator[tuple[str, str]]:
        for key, path in self._files(kind):
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                yield key, file.read().removesuffix("\n")

    def _metric(self, name: str, key: str, path: str) -> None:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            for number, line in enumerate(file, 1):
                cells = line.split()
                try:
                    if len(cells) not in (2, 3):  # the oldest have no step
                        raise NoNumberError("not of the form <milliseconds> <value> <step>")
                    step = step_of(cells[2]) if len(cells) == 3 else 0
                    value = number_of(cells[1])
                    time = step_of(cells[0]) / 1000
                except NoNumberError as error:
                    what = f"a line: {error}"
                    self._target.skip(path, what, is_damage=True, where=f"line {number}")
                    continue
                if value is not None:
                    self._target.scalar(name, key, step, value, time)


def _seconds(milliseconds: Any) -> float:
    is_number = isinstance(milliseconds, (int, float)) and not isinstance(milliseconds, bool)
    return milliseconds / 1000 if is_number and math.isfinite(milliseconds) else 0.0


# ------------------------------------------------------------------ SQLite


class _connected:
    """A connection that reads only, and closes."""

    def __init__(self, path: str) -> None:
        quoted = os.path.abspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        self._base = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True)

    def __enter__(self) -> sqlite3.Connection:
        return self._base

    def __exit__(self, *exception: object) -> None:
        self._base.close()


def add_database(path: str, target: Target) -> None:
    """Import the runs of a database.

    Raises:
        ValueError: it cannot be read as such.
    """
    try:
        with _connected(path) as base:
            base.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            for run in list(_stored_runs(base, path, target)):
                _add_stored(base, run, path, target)
    except sqlite3.Error as error:
        raise ValueError(f"{path}: {error}") from error


def _stored_runs(base: sqlite3.Connection, path: str, target: Target) -> Iterator[_MlflowRun]:
    query = (
        "SELECT run_uuid, runs.name, experiments.name, status, start_time, end_time, "
        "runs.lifecycle_stage FROM runs LEFT JOIN experiments USING (experiment_id) "
        "ORDER BY start_time, run_uuid"
    )
    for id, name, experiment, status, start, end, stage in base.execute(query):
        if stage == "deleted":
            target.skip(path, "a deleted run")
            continue
        yield _MlflowRun(id, name or id, experiment or "", status, _seconds(start), _seconds(end))


def _add_stored(base: sqlite3.Connection, run: _MlflowRun, path: str, target: Target) -> None:
    name = _begin(target, run, path)
    query = (
        "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? "
        "ORDER BY key, timestamp, step"
    )
    for key, value, time, step, is_nan in base.execute(query, (run.id,)):
        try:
            value = float("nan") if is_nan else number_of(value)
            step = step_of(step)
        except NoNumberError as error:
            target.skip(path, f"run {run.id}, {key!r}: {error}", is_damage=True)
            continue
        if value is None:
            target.skip(path, f"run {run.id}, {key!r}: no value", is_damage=True)
            continue
        if abs(value) == _LARGEST:
            value = float("inf") if value > 0 else float("-inf")
        target.scalar(name, key, step, value, _seconds(time))
    params = dict(base.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run.id,)))
    query = "SELECT key, value FROM tags WHERE run_uuid = ? AND value IS NOT NULL"
    tags = {key: str(value) for key, value in base.execute(query, (run.id,))}
    _finish(target, name, run, params, tags)
