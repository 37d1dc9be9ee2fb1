"""Where the bytes of a log are kept: local disk, an fsspec file system, an open file object.

The rest of tbio sees a `File`: something with a name for messages, a state that tells whether it
has changed, and bytes. Nothing here knows what is in them. What goes wrong with any of them is an
`OSError` that names the file, whatever the file system or the file object raises.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple, Protocol, TypeVar

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


#: The errno of errors that come without one, as those of fsspec do; EIO for any other.
_NUMBERS: tuple[tuple[type[OSError], int], ...] = (
    (FileNotFoundError, errno.ENOENT),
    (PermissionError, errno.EACCES),
    (IsADirectoryError, errno.EISDIR),
    (NotADirectoryError, errno.ENOTDIR),
    (TimeoutError, errno.ETIMEDOUT),
)


class _Naming:
    """Makes what is raised inside of it an `OSError` that says what happened, and to which file.

    Args:
        passing: what is none of the file's doing.
    """

    __slots__ = ("_name", "_passing")

    def __init__(
        self, name: str, passing: tuple[type[Exception], ...] = (ImportError, MemoryError)
    ) -> None:
        self._name = name
        self._passing = passing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, self._passing):
            return
        if not isinstance(error, OSError):
            number, what = errno.EIO, f"{type(error).__name__}: {error}"
        elif error.errno is None:
            number = next((n for one, n in _NUMBERS if isinstance(error, one)), errno.EIO)
            what = str(error) if number == errno.EIO else ""
        elif error.filename is None:
            number, what = error.errno, error.strerror or ""
        else:
            return
        raise OSError(number, what or os.strerror(number), self._name) from error


class _Named:
    """An open file whose errors name it."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._naming = _Naming(name)
        self._into: Callable[[memoryview], int | None] | None = getattr(stream, "readinto", None)

    def read(self, size: int, /) -> bytes:
        with self._naming:
            data: bytes | None = self._stream.read(size)
            return _there(data)

    def readinto(self, target: memoryview, /) -> int:
        """Fill the target, or some of it; how many bytes, none at the end."""
        if self._into is None:
            piece = self.read(len(target))
            target[: len(piece)] = piece
            return len(piece)
        with self._naming:
            return _there(self._into(target))

    def seek(self, offset: int, /) -> int:
        with self._naming:
            return int(self._stream.seek(offset))

    def close(self) -> None:
        with self._naming:
            self._stream.close()


T = TypeVar("T")


def _there(read: T | None) -> T:
    """What was read; None says that there is nothing yet, which is not the end."""
    if read is None:
        raise BlockingIOError(errno.EAGAIN, "there is nothing to be read yet")
    return read


class LocalFile(File):
    """A regular file on disk, named by its path.

    Whatever takes its place, a folder or a pipe that would keep its reader waiting, is an error.
    """

    def __init__(self, path: str) -> None:
        self.name = path

    def open(self) -> ByteStream:
        """The file, without a buffer: whole chunks are read from it."""
        return _Named(open(_open_regular(self.name), "rb", buffering=0), self.name)

    def state(self) -> FileState:
        """Its size, device and inode as its identity, and its time of modification.

        Raises:
            OSError: it is gone, or no regular file.
        """
        info = os.stat(self.name)
        _check_regular(info, self.name)
        return FileState(info.st_size, (info.st_dev, info.st_ino), info.st_mtime_ns)


def _check_regular(info: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "no regular file", path)


_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
#: A pipe without a writer is opened at once with this; for files it changes nothing.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)


def _open_regular(path: str) -> int:
    try:
        file = os.open(path, _READ | _NO_WAIT)
    except BlockingIOError:  # somebody has a lease on the file, and gives it back now
        file = os.open(path, _READ)
    try:
        _check_regular(os.fstat(file), path)
    except BaseException:
        os.close(file)
        raise
    return file


class SpecialFile(File):
    """A pipe or a device, named by its path: a stream that is read once."""

    def __init__(self, path: str) -> None:
        self.name = path

    def open(self) -> ByteStream:
        """The stream; waits for somebody to write into a pipe."""
        return _Named(open(self.name, "rb", buffering=0), self.name)

    def state(self) -> FileState:
        """No size, and nothing else."""
        os.stat(self.name)
        return FileState(None)


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
        with _Naming(self.name):
            return _Named(self._filesystem.open(self._path, "rb"), self.name)

    def state(self) -> FileState:
        """Its size, and what the file system says of its last change.

        Object stores have no identity that outlives a change.

        Raises:
            OSError: it is gone, or no regular file, or what else the file system raises.
        """
        with _Naming(self.name):
            self._filesystem.invalidate_cache(self._path)
            info = self._filesystem.info(self._path)
            if info["type"] == "directory":
                raise IsADirectoryError
            if info["type"] == "other":  # as LocalFileSystem has it
                raise OSError(errno.EINVAL, "no regular file")
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
        with _Naming(self.name):
            if self._start is not None:
                self._file.seek(self._start)
        return _Named(_Borrowed(self._file, self._start or 0), self.name)

    def state(self) -> FileState:
        """Its size from where it stood, if it can seek."""
        if self._start is None:
            return FileState(None)
        with _Naming(self.name):
            return FileState(self._file.seek(0, io.SEEK_END) - self._start)


class _Borrowed:
    """A file object that closing leaves open, its positions counted from ``start``."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file = file
        self._start = start

    def read(self, size: int, /) -> bytes | None:
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


def is_inside(path: str, folder: str) -> bool:
    """Whether what a path or URL names is below a folder, going by the names alone.

    >>> is_inside("logs/run/x", "logs"), is_inside("logs2/x", "logs")
    (True, False)
    >>> is_inside("zip://logs/run::a.zip", "zip://::a.zip")
    True
    """
    chain = ""
    if (url := _URL.fullmatch(folder)) is not None:
        head, inner, chain = url.groups()
        folder = f"{head}{inner}" if inner in ("", "/") else f"{head}{inner.rstrip('/')}/"
    else:
        folder = os.path.join(folder, "")
    return path.startswith(folder) and path.endswith(chain)


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
        OSError: as the file system has it.
        MissingExtraError: a URL, and fsspec is not installed.
    """
    if is_url(path):
        filesystem, inner = _filesystem(path)
        with _Naming(path):
            if filesystem.isfile(inner):
                return RemoteFile(filesystem, inner, path)
            if filesystem.isdir(inner):
                return None
            filesystem.info(inner)  # both say no to whatever goes wrong; this tells what it is
        raise FileNotFoundError(errno.ENOENT, "No such file or folder", path)
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        return None
    # Who names a pipe or a device wants it read.
    return LocalFile(path) if stat.S_ISREG(mode) else SpecialFile(path)


def _filesystem(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        OSError: as the file system has it.
        ValueError: no such protocol.
        MissingExtraError: fsspec is not installed.
    """
    fsspec = require("fsspec")
    with _Naming(url, (ImportError, MemoryError, ValueError)):
        filesystem, path = fsspec.url_to_fs(url)
        return filesystem, path


def child(folder: str, name: str) -> File | None:
    """The regular file of a name, or a path with ``/``, below a folder; None when there is none.

    Raises:
        MissingExtraError: the folder is a URL, and fsspec is not installed.
    """
    if is_url(folder):
        filesystem, root = _filesystem(folder)
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
        folder = _filesystem(folder)[1]
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


def walk(
    folder: str,
    wanted: Callable[[str], bool],
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[tuple[str, list[File]]]:
    """Every folder from ``folder`` down with the wanted files directly in it, sorted by name.

    A folder is named relative to ``folder`` with ``/`` between its parts, the first one ``"."``;
    bytes in it that are no UTF-8 are written as ``\\xff``. Links to folders are followed, but never
    around a loop, and by four ways to one folder at most. Folders that forbid reading are passed
    over, as `os.walk` does; so are pipes and devices.

    Args:
        wanted: says of a file's name, without folder, whether to look at it.
        on_error: is told of each folder that cannot be listed, by an error with its path or URL as
            ``filename``. What vanishes while the walk is under way is no error below ``folder``.
    """

    def tell(error: OSError) -> None:
        vanished = isinstance(error, (FileNotFoundError, NotADirectoryError))
        if on_error is not None and not (vanished and error.filename != folder):
            on_error(error)

    return (_walk_remote if is_url(folder) else _walk_local)(folder, wanted, tell)


class _Folder(NamedTuple):
    """A local folder that is to be listed.

    Attributes:
        name: relative to where the walk began.
        way: the paths of those above it.
        behind_link: whether it, or one of those, is a link.
    """

    path: str
    name: str
    way: tuple[str, ...]
    behind_link: bool


def _walk_local(
    folder: str, wanted: Callable[[str], bool], tell: Callable[[OSError], None]
) -> Iterator[tuple[str, list[File]]]:
    # Listing a folder tells what is a folder and what a link, so that nothing else has to be asked
    # of the operating system where there are no links: without them there is no loop.
    walked: Counter[tuple[int, int]] = Counter()  # by identity
    waiting = [_Folder(folder, ".", (), False)]
    while waiting:
        at = waiting.pop()
        try:
            if at.behind_link:
                identity = _identity(at.path)
                walked[identity] += 1
                if walked[identity] > _MAX_WAYS or identity in map(_identity, at.way):
                    continue
            with os.scandir(at.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            tell(error)
            continue
        inner: list[_Folder] = []
        files: list[File] = []
        for entry in entries:
            if _is_folder(entry):
                name = f"{at.name}/{entry.name}" if at.way else entry.name
                behind_link = at.behind_link or entry.is_symlink()
                inner.append(_Folder(entry.path, name, (*at.way, at.path), behind_link))
            elif wanted(entry.name) and _may_be_read(entry):
                files.append(LocalFile(entry.path))
        waiting += reversed(inner)
        yield _as_text(at.name), files


def _identity(path: str) -> tuple[int, int]:
    info = os.stat(path)
    return info.st_dev, info.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _may_be_read(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        return True  # whoever opens it is to be told


def _as_text(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _walk_remote(
    folder: str, wanted: Callable[[str], bool], tell: Callable[[OSError], None]
) -> Iterator[tuple[str, list[File]]]:
    filesystem, root = _filesystem(folder)
    root = root.rstrip("/")
    folders: dict[str, list[File]] = {}
    for path, kind in sorted(_listed(filesystem, root, folder, tell)):
        way = path[len(root) :].lstrip("/")
        relative, _, name = way.rpartition("/")
        if wanted(name) and (kind == "file" or filesystem.isfile(path)):
            file = RemoteFile(filesystem, path, inside(folder, way))
            folders.setdefault(relative or ".", []).append(file)
    yield from sorted(folders.items())


def _listed(
    filesystem: Any, root: str, folder: str, tell: Callable[[OSError], None]
) -> Iterator[tuple[str, str]]:
    """Path and type of all that is no folder, from ``root`` down; ``folder`` is its URL."""
    plain_find = require("fsspec").AbstractFileSystem.find
    by_folder = type(filesystem).find is plain_find and not filesystem.async_impl
    waiting = [root]
    while waiting:
        path = waiting.pop()
        url = inside(folder, path[len(root) :].strip("/") or ".")
        try:
            with _Naming(url):
                filesystem.invalidate_cache(path)
                if by_folder:  # `find` would keep to itself what it could not list
                    infos = filesystem.ls(path, detail=True)
                else:  # many folders in one request
                    infos = filesystem.find(path, detail=True).values()
        except OSError as error:
            error.filename = url  # fsspec has the bare path
            tell(error)
            continue
        for info in infos:
            name = info["name"].rstrip("/")
            if (kind := info.get("type", "")) != "directory":
                yield name, kind
            elif by_folder and name != path.rstrip("/"):
                waiting.append(name)
