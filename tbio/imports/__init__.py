"""Imports: what other tools have logged, as event files.

=============  ===================================================================================
csv, tsv       tables of scalars, long or wide: Keras's CSVLogger, Lightning's metrics.csv, what
               `tbio.export` and TensorBoard's page write (`tbio.imports.rows`)
jsonl          the same, a JSON object a line
parquet        the same; needs pyarrow
json           a Keras History, trainer_state.json of Hugging Face's Trainer, a list of rows, or
               what TensorBoard's page writes (`tbio.imports.json_files`)
wandb          run folders of Weights & Biases (`tbio.imports.wandb_runs`)
mlflow         a folder ``mlruns``, or ``mlflow.db`` (`tbio.imports.mlflow_runs`)
=============  ===================================================================================

Nothing is invented: a point without a wall time in its source has the wall time 0, which is what an
event file says where it says nothing, and TensorBoard shows as 1970. Values are float32, as
TensorBoard shows them, unless doubles are asked for. What cannot be imported is in the report.

A source becomes a run, and so does each run that it tells of. Of a folder each file becomes one, by
its path without its suffix; the only one of its folder by that folder.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from tbio.imports import json_files, mlflow_runs, table_files, wandb_runs
from tbio.imports.report import ImportedRun, ImportReport, Skipped
from tbio.imports.rows import Rows
from tbio.imports.target import Target

__all__ = ["Format", "ImportReport", "ImportedRun", "Skipped", "import_logs"]

Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet", "json", "wandb", "mlflow"]

_BY_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".json": "json",
    ".wandb": "wandb",
    ".db": "mlflow",
    ".sqlite": "mlflow",
    ".sqlite3": "mlflow",
}
_TRAINER_STATE = "trainer_state.json"
#: What stands for the path of a source that is none.
_MAPPING = "the mapping"


def import_logs(
    source: str | os.PathLike[str] | Mapping[str, Any],
    destination: str | os.PathLike[str],
    *,
    format: Format | None = None,
    step: str | None = None,
    wall_time: str | None = None,
    double_precision: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ImportReport:
    """Write what another tool has logged as event files that TensorBoard shows.

    See the module for what is read, and the modules that it names for what becomes of which column,
    row and file.

    Args:
        source: a file or a folder, on a local disk; or what a JSON file may hold: a mapping of tags
            to lists of values, such as ``model.fit(...).history``, or one with a ``log_history``.
        destination: a folder, which must not exist or be empty.
        format: None tells it by the source's name and content. Of a folder of files it chooses
            those of one format.
        step, wall_time: the columns of a table, where they are not to be found by their names.
        double_precision: keep values that float32 does not hold as doubles, which tbio reads;
            TensorBoard shows them rounded.
        progress: called with each file or run that is done.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        FileExistsError: there is something in ``destination``.
        ValueError: nothing that can be imported; a format that there is not.
        ColumnNotFoundError: no such column (`tbio.imports.rows`).
        MissingExtraError: Parquet, and pyarrow is not installed.
        OSError: a file cannot be read, or the destination not written to.

    >>> import tempfile, tbio
    >>> folder = tempfile.mkdtemp()
    >>> with open(f"{folder}/log.csv", "w") as file:
    ...     _ = file.write("epoch,loss,val_loss\\n0,0.5,0.75\\n1,0.25,0.5\\n")
    >>> import_logs(f"{folder}/log.csv", f"{folder}/logs")
    <ImportReport: 4 scalars of 1 runs, csv>
    >>> tbio.open(f"{folder}/logs")["."].scalars["loss"].values.tolist()
    [0.5, 0.25]
    """
    if format is not None and format not in get_args(Format):
        raise ValueError(f"format: want one of {', '.join(get_args(Format))}, got {format!r}")
    into = os.fspath(destination)
    if isinstance(source, Mapping):
        found = [_Source(_MAPPING, "json", ".")]
    else:
        path = os.fspath(source)
        os.stat(path)
        found = _found(path, format)
    target = Target(into, double_precision)
    job = _Job(target, step, wall_time)
    try:
        for one in found:
            try:
                if isinstance(source, Mapping):
                    job.add_json(source, one)
                else:
                    job.add(one)
            except ValueError as error:  # of a folder the rest is imported
                if len(found) == 1:
                    raise
                target.skip(one.path, str(error).removeprefix(f"{one.path}: "), is_damage=True)
            if progress is not None:
                progress(one.path)
        return target.finish(found[0].format if len({f.format for f in found}) == 1 else "several")
    except BaseException:
        target.discard()
        raise


class _Source:
    """A file or a folder to import, and the name of its run where it does not tell one."""

    def __init__(self, path: str, format: Format, run: str) -> None:
        self.path = path
        self.format: Format = format
        self.run = run


def _found(path: str, format: Format | None) -> list[_Source]:
    """What there is to import.

    Raises:
        ValueError: nothing.
    """
    if not os.path.isdir(path):
        known = format or _format_of(path)
        if known is None:
            want = ", ".join(_BY_SUFFIX)
            raise ValueError(f"{path}: want a file of one of {want}; or say the format")
        return [_Source(path, known, ".")]
    if format in (None, "wandb") and (format or wandb_runs.runs_in(path)):
        if not wandb_runs.runs_in(path):
            raise ValueError(f"{path}: no run of W&B in it")
        return [_Source(path, "wandb", ".")]
    if format in (None, "mlflow") and mlflow_runs.runs_in(path):
        return [_Source(path, "mlflow", ".")]
    found = _files_in(path, format)
    if not found:
        what = f"no {format} file" if format else f"no file of any of {', '.join(_BY_SUFFIX)}"
        raise ValueError(f"{path}: {what} in it")
    return found


def _format_of(path: str) -> Format | None:
    stem, suffix = os.path.splitext(path.lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
    return _BY_SUFFIX.get(suffix)


def _files_in(folder: str, format: Format | None) -> list[_Source]:
    """The files of a folder; the states of a Trainer alone where there are such.

    Each checkpoint of a training has a state, of which the last one has all that the others have.
    """
    by_folder: dict[str, list[tuple[str, Format]]] = {}
    states: dict[str, tuple[float, str]] = {}
    for path, folders, names in os.walk(folder):
        folders.sort()
        relative = os.path.relpath(path, folder).replace(os.sep, "/")
        if _TRAINER_STATE in names and format in (None, "json"):
            run, number = _training(relative)
            state = number, os.path.join(path, _TRAINER_STATE)
            states[run] = max(states.get(run, (-1.0, "")), state)
        for name in sorted(names):
            known = _format_of(name)
            if known is not None and format in (None, known):
                by_folder.setdefault(relative, []).append((name, known))
    if states:
        return [_Source(path, "json", run) for run, (_, path) in sorted(states.items())]
    found: list[tuple[_Source, str]] = []
    for relative, files in by_folder.items():
        for name, known in files:
            stem = name[: name.index(".", 1)] if "." in name[1:] else name
            run = relative if len(files) == 1 else f"{relative}/{stem}"
            path = os.path.join(folder, relative, name)
            found.append((_Source(path, known, run.removeprefix("./")), f"{relative}/{name}"))
    counts = Counter(one.run for one, _ in found)
    for one, name in found:
        if counts[one.run] > 1:  # run.1.csv and run.2.csv, log.csv and log.json: two runs
            one.run = name.removeprefix("./")
    return [one for one, _ in found]


def _training(folder: str) -> tuple[str, float]:
    """The folder of a training, and the number of the checkpoint in it that a folder is.

    >>> _training("out/checkpoint-500"), _training("out")
    (('out', 500.0), ('out', inf))
    """
    above, _, name = folder.rpartition("/")
    match = re.match(r"checkpoint-(\d+)$", name)
    return (above or ".", float(match[1])) if match else (folder, math.inf)


class _Job:
    """Imports sources into one target."""

    def __init__(self, target: Target, step: str | None, wall_time: str | None) -> None:
        self._target = target
        self._step = step
        self._wall_time = wall_time

    def add(self, source: _Source) -> None:
        target, path = self._target, source.path
        rows = self._rows(source)
        if source.format in ("csv", "tsv"):
            table_files.add_separated(path, rows, target, "\t" if source.format == "tsv" else ",")
        elif source.format == "jsonl":
            table_files.add_json_lines(path, rows, target)
        elif source.format == "parquet":
            table_files.add_parquet(path, rows)
        elif source.format == "json":
            self.add_json(json_files.loaded(path), source)
        elif source.format == "wandb":
            self._add_wandb(path)
        elif os.path.isdir(path):
            mlflow_runs.add_folders(mlflow_runs.runs_in(path), target)
        elif mlflow_runs.is_database(path):
            mlflow_runs.add_database(path, target)
        else:
            raise ValueError(f"{path}: no database of MLflow")

    def _rows(self, source: _Source) -> Rows:
        stem = _stem(source.path)
        return Rows(self._target, source.path, source.run, stem, self._step, self._wall_time)

    def _add_wandb(self, path: str) -> None:
        if os.path.isdir(path):
            wandb_runs.add_runs(wandb_runs.runs_in(path), self._target)
        elif wandb_runs.is_transaction_log(path):
            id = _stem(path).removeprefix("run-")
            run = wandb_runs.WandbRun(id, os.path.dirname(path), path)
            wandb_runs.add_runs([run], self._target)
        else:
            raise ValueError(f"{path}: no transaction log of W&B")

    def add_json(self, data: Any, source: _Source) -> None:
        target, path = self._target, source.path
        form = json_files.form_of(data)
        if form == "history":
            json_files.add_history(data, target, source.run, path)
        elif form == "trainer_state":
            json_files.add_trainer_state(data, target, source.run, path)
        elif form == "rows":
            json_files.add_rows(data, self._rows(source))
        elif form == "series":
            json_files.add_series(data, target, source.run, _stem(path), path)
        else:
            raise ValueError(
                f"{path}: want lists of values by name, a log_history, or a list of rows"
            )


def _stem(path: str) -> str:
    name = os.path.basename(path)
    return name.removesuffix(".gz").rpartition(".")[0] or name
