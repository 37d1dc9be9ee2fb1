"""Where the bytes of a log are kept: local disk, an fsspec file system, an open file object.

The rest of tbio sees a `File`: something with a name for messages, a state that tells whether it
has changed, and bytes. Nothing here knows what is in them.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol

from tbio.extras import require

#: Bytes that `read_bytes` asks for at once.
_CHUNK = 1 << 20


class FileState(NamedTuple):
    """What can be told of a file without reading it.

    Attributes:
        size: in bytes; None for a stream, which ends when it ends.
        identity: differs when another file has taken this one's place under the same name; None
            where the storage cannot tell.
        modified: differs when the file was written to, perhaps without growing.
    """

    size: int | None
    identity: object = None
    modified: object = None


class ByteStream(Protocol):
    """What is asked of an open file."""

    def read(self, size: int, /) -> bytes | None:
        """At most ``size`` bytes; none at the end."""

    def seek(self, offset: int, /) -> int:
        """Go to a position counted from the beginning."""

    def close(self) -> None:
        """Give it back."""


class File(ABC):
    """One file that can be opened again and again."""

    name: str

    @abstractmethod
    def open(self) -> ByteStream:
        """The file's bytes from their beginning; the caller closes it."""

    @abstractmethod
    def state(self) -> FileState:
        """Its size and identity now.

        Raises:
            FileNotFoundError: it is gone.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class LocalFile(File):
    """A file on disk, named by its path."""

    def __init__(self, path: str) -> None:
        self.name = path

    def open(self) -> ByteStream:
        """The file, without a buffer: whole chunks are read from it."""
        return open(self.name, "rb", buffering=0)

    def state(self) -> FileState:
        """Its size, and device and inode as its identity; a pipe or a device has neither."""
        info = os.stat(self.name)
        if not stat.S_ISREG(info.st_mode):
            return FileState(None)
        return FileState(info.st_size, (info.st_dev, info.st_ino), info.st_mtime_ns)


#: Where the file systems of fsspec tell of a file's last change, each in its own way.
_SIGNS_OF_CHANGE = (
    *("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created"),
    *("md5Hash", "generation"),
)


class RemoteFile(File):
    """A file of an fsspec file system, named by its URL."""

    def __init__(self, filesystem: Any, path: str, url: str) -> None:
        self._filesystem = filesystem
        self._path = path
        self.name = url

    def open(self) -> ByteStream:
        """The file, through the file system's own cache of blocks."""
        opened: ByteStream = self._filesystem.open(self._path, "rb")
        return opened

    def state(self) -> FileState:
        """Its size, and what the file system says of its last change.

        Object stores have no identity that outlives a change.
        """
        self._filesystem.invalidate_cache(self._path)
        info = self._filesystem.info(self._path)
        changed = [info.get(key) for key in _SIGNS_OF_CHANGE]
        return FileState(info["size"], modified=changed)


class ObjectFile(File):
    """A binary file object, read from where it stands; it stays open, and the caller's."""

    def __init__(self, file: BinaryIO) -> None:
        if isinstance(file, io.TextIOBase):
            raise TypeError(f"want a file opened in binary mode, got {file!r}")
        name = getattr(file, "name", None)
        self.name = name if isinstance(name, str) else "<file object>"
        self._file = file
        self._start = file.tell() if file.seekable() else None

    def open(self) -> ByteStream:
        """The object itself, back where it stood, behind a face that does not close it."""
        if self._start is not None:
            self._file.seek(self._start)
        return _Borrowed(self._file, self._start or 0)

    def state(self) -> FileState:
        """Its size from where it stood, if it can seek."""
        if self._start is None:
            return FileState(None)
        return FileState(self._file.seek(0, io.SEEK_END) - self._start)


class _Borrowed:
    """A file object that closing leaves open, its positions counted from ``start``."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start

    def read(self, size: int, /) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, /) -> int:
        return self._file.seek(self._start + offset) - self._start

    def close(self) -> None:
        """Leave the file open: it is the caller's."""


def is_url(path: str) -> bool:
    """Whether fsspec is to open it.

    >>> is_url("s3://bucket/logs"), is_url("logs/run:1")
    (True, False)
    """
    return "://" in path


#: What stands before the path in a URL, the path, and the links of a chain behind it, such as
#: ``simplecache::zip://logs/run::s3://bucket/logs.zip``.
_URL = re.compile(r"((?:[^:/]+::)*[^:/]+://)(.*?)((?:::.*)?)", re.DOTALL)


def inside(folder: str, path: str) -> str:
    """The path or URL of what is below a folder, by its path from there.

    >>> inside("s3://bucket", "logs/run"), inside("zip://logs::a.zip", "run")
    ('s3://bucket/logs/run', 'zip://logs/run::a.zip')
    """
    if path == ".":
        return folder
    if (url := _URL.fullmatch(folder)) is None:
        return os.path.join(folder, path)
    head, inner, chain = url.groups()
    return f"{head}{posixpath.join(inner, path)}{chain}"


def split(path: str) -> tuple[str, str]:
    """The folder of a path or URL, and the name in it.

    >>> split("memory://log"), split("zip://logs/run::a.zip")
    (('memory://', 'log'), ('zip://logs::a.zip', 'run'))
    """
    if (url := _URL.fullmatch(path)) is None:
        return os.path.split(path)
    head, inner, chain = url.groups()
    folder, name = posixpath.split(inner)
    return f"{head}{folder}{chain}", name


def file_at(path: str) -> File | None:
    """The file at a path or URL; None when it is a folder.

    Raises:
        FileNotFoundError: there is nothing.
        MissingExtraError: a URL, and fsspec is not installed.
    """
    if is_url(path):
        filesystem, inner = require("fsspec").url_to_fs(path)
        if filesystem.isfile(inner):
            return RemoteFile(filesystem, inner, path)
        if filesystem.isdir(inner):
            return None
        raise FileNotFoundError(f"no such file or folder: {path}")
    # A pipe or a device can be read like a file; only a folder cannot.
    os.stat(path)
    return None if os.path.isdir(path) else LocalFile(path)


def child(folder: str, name: str) -> File | None:
    """The regular file of a name, or a path with ``/``, below a folder; None when there is none.

    Raises:
        MissingExtraError: the folder is a URL, and fsspec is not installed.
    """
    if is_url(folder):
        filesystem, root = require("fsspec").url_to_fs(folder)
        path = f"{root.rstrip('/')}/{name}"
        return (
            RemoteFile(filesystem, path, inside(folder, name)) if filesystem.isfile(path) else None
        )
    path = os.path.join(folder, name)
    # A pipe would keep its reader waiting. (isfile says no to all that cannot be a path.)
    return LocalFile(path) if os.path.isfile(path) else None


def inner_child(folder: str, path: str) -> File | None:
    """As `child`, of a path that somebody else has written, who is not to lead out of the folder.

    On a local disk no link leads out either, and a path may be absolute.

    Raises:
        ValueError: it does lead out.
        MissingExtraError: as for `child`.

    >>> inner_child("logs/run", "../../secret")
    Traceback (most recent call last):
    ValueError: '../../secret' is not inside of logs/run
    """
    outside = ValueError(f"{path!r} is not inside of {folder}")
    if is_url(folder) and not folder.startswith(("file://", "local://")):
        inner = posixpath.normpath(path)
        if is_url(path) or inner.startswith(("/", "../")) or inner == "..":
            raise outside
        return child(folder, inner)
    if is_url(folder):
        folder = require("fsspec").url_to_fs(folder)[1]
    root = os.path.realpath(folder)
    try:
        found = os.path.realpath(os.path.join(root, path))
        if os.path.commonpath([root, found]) != root:
            raise outside
    except ValueError as error:  # another drive, or a NUL
        raise outside from error
    return child(root, os.path.relpath(found, root))


def base_name(file: File) -> str:
    """The file's name without its folder; bytes in it that are no UTF-8 as in `walk`."""
    return _as_text(split(file.name)[1])


def read_bytes(file: File, limit: int | None = None) -> bytes:
    """All of a file.

    Raises:
        ValueError: it holds more than ``limit`` bytes.
    """
    chunks, size = [], 0
    stream = file.open()
    try:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if limit is not None and size > limit:
                raise ValueError(f"{file.name} holds more than {limit} bytes")
            chunks.append(chunk)
    finally:
        stream.close()
    return b"".join(chunks)


#: How often one folder is walked by ways that lead over links, beside the one that does not.
_MAX_WAYS = 4


def walk(folder: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[File]]]:
    """Every folder from ``folder`` down with the wanted files directly in it, sorted by name.

    A folder is named relative to ``folder`` with ``/`` between its parts, the first one ``"."``;
    bytes in it that are no UTF-8 are written as ``\\xff``. Links to folders are followed, but never
    around a loop, and by four ways to one folder at most. Folders that vanish or forbid reading
    while the walk is under way are passed over, as `os.walk` does; so are pipes and devices.

    Args:
        wanted: says of a file's name, without folder, whether to look at it.
    """
    return _walk_remote(folder, wanted) if is_url(folder) else _walk_local(folder, wanted)


def _walk_local(folder: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[File]]]:
    # The folders on the way from the root to each one still to be walked, by identity.
    ways: dict[str, frozenset[tuple[int, int]]] = {}
    linked: set[str] = set()  # folders behind a link
    walked: Counter[tuple[int, int]] = Counter()
    for path, folders, names in os.walk(folder, followlinks=True):
        try:
            info = os.stat(path)
        except OSError:
            folders.clear()
            continue
        identity = (info.st_dev, info.st_ino)
        way = ways.pop(path, frozenset())
        behind_link = path in linked
        walked[identity] += behind_link
        if identity in way or (behind_link and walked[identity] > _MAX_WAYS):
            folders.clear()
            continue
        folders.sort()
        for name in folders:
            inner = os.path.join(path, name)
            ways[inner] = way | {identity}
            if behind_link or os.path.islink(inner):
                linked.add(inner)
        files = (os.path.join(path, name) for name in sorted(filter(wanted, names)))
        relative = os.path.relpath(path, folder).replace(os.sep, "/")
        yield _as_text(relative), [LocalFile(file) for file in files if _may_be_read(file)]


def _may_be_read(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True  # whoever opens it is to be told


def _as_text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _walk_remote(folder: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, list[File]]]:
    filesystem, root = require("fsspec").url_to_fs(folder)
    filesystem.invalidate_cache(root)
    root = root.rstrip("/")
    folders: dict[str, list[File]] = {}
    for path in sorted(filesystem.find(root)):
        way = path[len(root) :].lstrip("/")
        relative, _, name = way.rpartition("/")
        if wanted(name):
            file = RemoteFile(filesystem, path, inside(folder, way))
            folders.setdefault(relative or ".", []).append(file)
    yield from sorted(folders.items())
