"""Extracts: images, audio, texts and the like out of logs, as files in a tidy folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tbio.errors import DamageError, DecodeError
from tbio.exports.replacing import replacing
from tbio.exports.report import ExportReport
from tbio.extracts.files import Content, of_embedding, samples
from tbio.extracts.names import Folders
from tbio.logdir import LogDir
from tbio.projector import Embedding, asked_for
from tbio.run import Run, RunReport
from tbio.selection import Selection
from tbio.series import Series

__all__ = ["KINDS", "ExtractReport", "Extracted", "Skipped", "extract"]

#: What can be extracted. Videos are among the images: animated GIF or PNG.
KINDS = ("images", "audio", "texts", "meshes", "graphs", "tensors", "embeddings")
INDEX = "index.csv"
#: Called with the name of each run when it is done.
Progress = Callable[[str], object]


class Extracted(NamedTuple):
    """A file that was written; a row of the index.

    Attributes:
        kind: one of `KINDS`.
        step, wall_time: of the value; None for embeddings, which have none.
        sample: which sample of its step it is.
        path: of the file, relative to the folder, with ``/`` between its parts.
        size: bytes.
    """

    run: str
    kind: str
    tag: str
    step: int | None
    wall_time: float | None
    sample: int
    path: str
    size: int


class Skipped(NamedTuple):
    """A value that could not be extracted, and why."""

    run: str
    kind: str
    tag: str
    step: int | None
    what: str


class ExtractReport(NamedTuple):
    """What was extracted.

    Attributes:
        files: in the order of the index.
        skipped: what could not be.
        runs: run -> its report.
    """

    files: list[Extracted]
    skipped: list[Skipped]
    runs: dict[str, RunReport]

    def __repr__(self) -> str:
        return f"<ExtractReport: {len(self.files)} files, {len(self.skipped)} values skipped>"


def extract(
    logs: LogDir,
    destination: str | os.PathLike[str],
    *,
    kinds: tuple[str, ...] = KINDS,
    names: Selection = None,
    progress: Progress | None = None,
) -> ExtractReport:
    """Write images, audio, video, texts, meshes, graphs, tensors and embeddings as files.

    They come as ``<run>/<kind>/<tag>/<step>.<suffix>`` (``<step>.<sample>.<suffix>`` where a step
    has several samples, ``<step>~2.<suffix>`` for the second value of a step), with the steps
    padded so that names sort; runs and tags that no file system likes are changed
    (`tbio.extracts.names`). ``index.csv``, which is written last, says of every file its run, kind,
    tag, step, wall time, sample and size.

    Images and audio are copied as they stand in the log; texts become ``.md``, arrays of strings
    ``.json``, meshes ``.ply``, graphs ``.pbtxt`` (Keras models ``.json``), tensors ``.npy``;
    embeddings ``tensor.tsv``, ``metadata.tsv`` and ``sprite.png``. A value that cannot be decoded
    is skipped, and told of.

    Args:
        logs: what to extract; the selection of `tbio.open` is the selection here.
        destination: a folder that is not there yet, or is empty.
        kinds: of `KINDS`.
        names: which embeddings, by the whole name or by the tag: "words" takes "words:00007". They
            may be in folders without event files.
        progress: called with the name of each run when it is done.

    Raises:
        FileExistsError: there is something in the folder.
        ValueError: a kind that cannot be extracted.
        OSError: the folder cannot be written to.

    >>> import tempfile, tbio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     extract(tbio.open("tests/golden/digits"), folder)
    <ExtractReport: 0 files, 0 values skipped>
    """
    unknown = sorted(set(kinds).difference(KINDS))
    if unknown:
        raise ValueError(f"kinds: {unknown} cannot be extracted; there are {', '.join(KINDS)}")
    wanted = asked_for(names)
    root = Path(destination)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise FileExistsError(f"{root}: there is something in it; want a new or an empty folder")
    report = ExtractReport([], [], {})
    folders = Folders()
    for name, run in logs.items():
        for kind in kinds:
            if kind == "embeddings":
                _extract_embeddings(run, wanted, root, folders, report)
            else:
                for tag, series in getattr(run, kind).items():
                    folder = folders.of(name, kind, tag)
                    _extract_series(kind, series, root, folder, report)
        report.runs[name] = run.report
        if progress is not None:
            progress(name)
    if "embeddings" in kinds:
        for name, found in logs.embeddings().items():
            if name not in logs:  # a folder without event files
                _write_embeddings(name, found, wanted, root, folders, report)
    _write_index(root, report.files)
    return report


def _extract_series(
    kind: str, series: Series, root: Path, folder: str, report: ExtractReport
) -> None:
    steps = series.steps.tolist()
    width = max((len(str(abs(step))) for step in steps), default=1)
    met: dict[int, int] = {}
    for index, step in enumerate(steps):
        met[step] = met.get(step, 0) + 1
        name = f"{step:0{width + (step < 0)}d}" + (f"~{met[step]}" if met[step] > 1 else "")
        try:
            contents = samples(kind, series, index)
        except (DecodeError, DamageError, OSError) as error:
            what = error.what if isinstance(error, DecodeError) else str(error)
            report.skipped.append(Skipped(series.run, kind, series.tag, step, what))
            continue
        time = float(series.wall_times[index])
        for sample, content in enumerate(contents):
            stem = f"{name}.{sample}" if len(contents) > 1 else name
            path = f"{folder}/{stem}.{content.suffix}"
            _write(root, path, content)
            report.files.append(
                Extracted(series.run, kind, series.tag, step, time, sample, path, len(content.data))
            )


def _extract_embeddings(
    run: Run,
    wanted: Callable[[str], bool],
    root: Path,
    folders: Folders,
    report: ExtractReport,
) -> None:
    try:
        found = run.embeddings
    except (DecodeError, OSError) as error:
        report.skipped.append(Skipped(run.name, "embeddings", "", None, str(error)))
        return
    _write_embeddings(run.name, found, wanted, root, folders, report)


def _write_embeddings(
    run: str,
    found: Mapping[str, Embedding],
    wanted: Callable[[str], bool],
    root: Path,
    folders: Folders,
    report: ExtractReport,
) -> None:
    for tag, embedding in found.items():
        if not wanted(tag):
            continue
        folder = folders.of(run, "embeddings", tag)
        contents = of_embedding(embedding)
        while True:
            try:  # what the logs refuse; an error of the destination passes through
                found_one = next(contents, None)
            except (DecodeError, OSError) as error:
                what = error.what if isinstance(error, DecodeError) else str(error)
                report.skipped.append(Skipped(run, "embeddings", tag, None, what))
                break
            if found_one is None:
                break
            name, content = found_one
            path = f"{folder}/{name}.{content.suffix}"
            _write(root, path, content)
            size = len(content.data)
            report.files.append(Extracted(run, "embeddings", tag, None, None, 0, path, size))


def _write(root: Path, path: str, content: Content) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(target, "xb") as file:
            file.write(content.data)
    except FileExistsError:
        raise
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise


def _write_index(root: Path, files: list[Extracted]) -> None:
    guard = ExportReport()
    rows = [",".join(Extracted._fields), *(",".join(_cells(one, guard)) for one in files)]
    with replacing(root / INDEX) as file:
        file.write("".join(f"{row}\n" for row in rows).encode("utf-8", "backslashreplace"))


def _cells(one: Extracted, guard: ExportReport) -> Iterator[str]:
    """The cells of a row; names that a spreadsheet would take for a formula are guarded."""
    for value in one:
        yield guard.cell(value) if isinstance(value, str) else "" if value is None else repr(value)
