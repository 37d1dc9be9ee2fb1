"""Tree: what is in a log folder, event files and all else.

Links are not followed. One that leads to something in the folder is told of as such, one that leads
out of it is not to be taken along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from tbio.event_file import is_event_file
from tbio.selection import everything
from tbio.storage import File, LocalFile, file_at, is_url, split, walk


class Found(NamedTuple):
    """A file of the logs.

    Attributes:
        folder: from the log folder on, with ``/`` between its parts; "." for that itself.
        link: what it points to, from the log folder on, where it is a link within the folder.
        why: it is not to be taken along; else "".
        is_event_file: it is to be read as such.
    """

    file: File
    folder: str
    name: str
    link: str = ""
    why: str = ""
    is_event_file: bool = False


def tree(source: str) -> list[Found]:
    """Every file of a log folder, or the one event file, sorted by folder and name.

    Raises:
        FileNotFoundError: there is nothing.
    """
    single = file_at(source)
    if single is not None:
        return [Found(single, ".", split(source)[1] or "events", is_event_file=True)]
    found = _remote(source) if is_url(source) else _local(source)
    return sorted(found, key=lambda one: (one.folder, one.name))


def _remote(source: str) -> Iterator[Found]:
    for folder, files in walk(source, everything):
        for file in files:
            name = split(file.name)[1]
            yield Found(file, folder, name, is_event_file=is_event_file(name))


def _local(source: str) -> Iterator[Found]:
    logs = os.path.realpath(source)
    failed: list[OSError] = []
    for path, folders, names in os.walk(source, onerror=failed.append):
        folder = os.path.relpath(path, source).replace(os.sep, "/")
        for name in [*folders, *names]:
            inner = os.path.join(path, name)
            file = LocalFile(inner)
            if os.path.islink(inner):
                to = os.path.realpath(inner)
                if not is_inside(to, logs) or not os.path.exists(to):
                    yield Found(file, folder, name, why="a link out of the folder, or to nothing")
                else:
                    yield Found(file, folder, name, link=os.path.relpath(to, logs))
            elif os.path.isfile(inner):
                yield Found(file, folder, name, is_event_file=is_event_file(name))
            elif name not in folders:
                yield Found(file, folder, name, why="no regular file")
    for error in failed:
        path = os.fspath(error.filename)
        yield Found(LocalFile(path), ".", path, why=error.strerror or str(error))


def is_inside(path: str, folder: str) -> bool:
    """Whether a real path is a folder, or below it."""
    try:
        return os.path.commonpath([path, folder]) == folder
    except ValueError:  # another drive
        return False


def safe_parts(path: str) -> list[str]:
    """The parts of a path below the destination.

    A local walk finds no name that leads out of the folder; a rename may make one, and an archive
    behind a URL may have one.

    Raises:
        ValueError: it leads out of the folder.
    """
    parts = [] if path == "." else path.split("/")
    if any(
        part in ("", ".", "..") or "\0" in part or (os.sep == "\\" and set(part) & set("\\:"))
        for part in parts
    ):
        raise ValueError(f"{path!r} is no path inside of the folder")
    return parts
