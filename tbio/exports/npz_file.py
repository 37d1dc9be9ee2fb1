"""Tables as NumPy's npz: an array for each column, and a manifest that says what is what."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tbio.errors import TbioError
from tbio.exports.points import Points
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource
from tbio.tables import texts_of

#: The widest column of text, in characters all in all: each cell takes as many as the longest.
_MOST_CHARACTERS = 1 << 26
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write(sources: Sequence[TableSource], file: IO[bytes], report: ExportReport) -> None:
    """Write every series of scalars as arrays of its own, and each column of other tables as one.

    ``manifest`` is a text, in JSON: ``series`` is a list of objects with run, tag, and for each
    column the key of its array; ``tables`` is one of objects with name and columns, each of which
    has a name, a key, and where cells are missing the key of a mask. Keys are made of digits and
    the names of columns of tbio, whatever runs and tags are called. No array needs pickle.

    Raises:
        TbioError: a column of text that would take too much memory in NumPy.
    """
    manifest: dict[str, list[Any]] = {"series": [], "tables": []}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for source in sources:
            if isinstance(source, Points):
                manifest["series"] = _write_points(archive, source, report)
            else:
                at = len(manifest["tables"])
                manifest["tables"].append(_write_table(archive, source, report, at))
        report.check_rows()
        _add(archive, "manifest", np.array(json.dumps(manifest)))


def _write_points(archive: zipfile.ZipFile, source: Points, report: ExportReport) -> list[Any]:
    found = []
    report.tables[source.name] = 0
    for number, series in enumerate(source.stream.series()):
        columns = {
            "step": series.steps,
            "wall_time": series.wall_times,
            "value": series.values,
            **dict(zip(source.derived.names, source.derived.of(series), strict=True)),
        }
        entry = {"run": series.run, "tag": series.tag}
        for name, one in columns.items():
            entry[name] = f"{number:06d}.{name}"
            _add(archive, entry[name], _plain(one, source.name, name))
        found.append(entry)
        report.tables[source.name] += len(series)
    return found


def _write_table(
    archive: zipfile.ZipFile, source: TableSource, report: ExportReport, at: int
) -> dict[str, Any]:
    blocks = [source.head, *source.counted(report)]
    entries = []
    for number, name in enumerate(source.head.columns):
        whole = np.ma.concatenate([block.columns[name] for block in blocks])
        entry = {"name": name, "key": f"table{at}.{number:06d}"}
        if np.ma.is_masked(whole):
            entry["missing"] = f"{entry['key']}.missing"
            _add(archive, entry["missing"], np.ma.getmaskarray(whole))
        _add(archive, entry["key"], _plain(whole, source.name, name))
        entries.append(entry)
    return {"name": source.name, "columns": entries}


def _plain(one: npt.NDArray[Any], table: str, name: str) -> npt.NDArray[Any]:
    """A column without objects: text where it has some."""
    data = np.ma.getdata(one)
    if data.dtype.kind in "biufcU":
        return data
    texts = ["" if text is None else text for text in texts_of(one.astype(object)) or ()]
    # NumPy takes a NUL at the end of a text for no part of it.
    texts = [f"{text[:-1]}\\x00" if text.endswith("\0") else text for text in texts]
    longest = max(map(len, texts), default=0)
    if longest * len(texts) > _MOST_CHARACTERS:
        raise TbioError(
            f"{table}, {name}: {len(texts):,} texts of up to {longest:,} characters are too much "
            "for an array of NumPy: take another format"
        )
    return np.array(texts, np.str_)


def _add(archive: zipfile.ZipFile, key: str, one: npt.NDArray[Any]) -> None:
    # A fixed time: the same log gives the same bytes.
    info = zipfile.ZipInfo(f"{key}.npy", _EPOCH)
    info.compress_type = archive.compression
    with archive.open(info, "w", force_zip64=True) as member:
        np.lib.format.write_array(member, np.asanyarray(one), allow_pickle=False)
