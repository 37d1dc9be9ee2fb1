"""Folder: the result of an edit as a new log folder."""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import os
import shutil
import zlib
from collections.abc import Iterator
from typing import IO, Any, Literal, TypeAlias, cast

from tbio.edits.report import FileEdit
from tbio.edits.tree import Found, is_inside, safe_parts
from tbio.exports.replacing import replacing
from tbio.storage import ByteStream, LocalFile, is_url

#: How event files are written: plain, which is all that TensorBoard reads, or compressed as a whole
#: as TFRecord's options do.
Compression: TypeAlias = Literal["", "gzip", "zlib"]

_BUFFER_BYTES = 1 << 20


class RefusedError(Exception):
    """The destination refuses; its `OSError` is the cause."""


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Tell an error of the destination from one of the logs."""
    try:
        yield
    except OSError as error:
        raise RefusedError from error


class _Zlib:
    """Compresses what is written to it, as TFRecord's ZLIB option does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._deflate = zlib.compressobj()

    def write(self, data: bytes) -> None:
        self._file.write(self._deflate.compress(data))

    def close(self) -> None:
        self._file.write(self._deflate.flush())


@contextlib.contextmanager
def compressed(file: IO[bytes], compression: Compression) -> Iterator[IO[bytes]]:
    """A file that compresses what is written to it."""
    if not compression:
        yield file
        return
    made: Any
    if compression == "gzip":
        made = gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    else:
        made = _Zlib(file)
    yield cast(IO[bytes], made)
    made.close()


@contextlib.contextmanager
def _whole(path: str) -> Iterator[IO[bytes]]:
    """As `replacing`, telling an error of the destination from one of the logs."""
    with contextlib.ExitStack() as stack:
        with writing():
            file = stack.enter_context(replacing(path))
        yield file
        whole = stack.pop_all()
    with writing():
        whole.close()


class Folder:
    """A new or empty folder, in which everything gets the place that it is told to have.

    Raises:
        FileExistsError: there is something in it.
        ValueError: it is inside of the logs; it is no local one.
        OSError: it cannot be made.
    """

    def __init__(self, destination: str, source: str, compression: Compression) -> None:
        if is_url(destination):
            raise ValueError(f"{destination}: want a folder on a local disk")
        self._root = os.path.realpath(destination)
        self._compression: Compression = compression
        self._made: list[str] = []
        self._is_new = not os.path.lexists(self._root)
        if not is_url(source) and os.path.isdir(source):
            logs = os.path.realpath(source)
            if is_inside(self._root, logs):
                raise ValueError(f"{destination} is inside of {source}")
        if os.path.lexists(self._root) and (
            not os.path.isdir(self._root) or os.listdir(self._root)
        ):
            raise FileExistsError(errno.EEXIST, "want a new or empty folder", destination)

    def make(self) -> None:
        """Make it."""
        os.makedirs(self._root, exist_ok=True)

    def path(self, folder: str, name: str) -> str:
        """Where a file goes, its folder made.

        Raises:
            ValueError: it leads out of the folder.
        """
        target = os.path.join(self._root, *safe_parts(folder), *safe_parts(name))
        if not os.path.lexists(target):
            self._made.append(target)
        with writing():
            os.makedirs(os.path.dirname(target), exist_ok=True)
        return target

    def free_path(self, folder: str, name: str) -> str:
        """As `path`, of a name that nothing has: with a number behind it if need be."""
        path = self.path(folder, name)
        for number in range(1, 1 << 31):
            if not os.path.lexists(path):
                break
            path = self.path(folder, f"{name}.{number}")
        return path

    @contextlib.contextmanager
    def event_file(self, path: str) -> Iterator[IO[bytes]]:
        """A file that takes its name when it is complete."""
        with _whole(path) as file, compressed(file, self._compression) as out:
            yield out

    def copy(self, found: Found, folder: str, content: bytes | None = None) -> FileEdit:
        """Take a file along that is no event file.

        Args:
            content: in place of its own.
        """
        path = found.file.name
        try:
            target = self.path(folder, found.name)
        except ValueError as error:
            return FileEdit(path, "left", why=str(error))
        opened: ByteStream
        try:
            opened = found.file.open() if content is None else io.BytesIO(content)
            with contextlib.closing(opened) as source:
                if os.path.lexists(target):
                    if _is_same(source, target):
                        return FileEdit(path, "copied", (target,))
                    return FileEdit(path, "left", why="another file of its name is there already")
                with _whole(target) as out:
                    while data := source.read(_BUFFER_BYTES):
                        with writing():
                            out.write(data)
        except OSError as error:
            return FileEdit(path, "left", why=error.strerror or str(error))
        dress(found, target)
        return FileEdit(path, "copied", (target,))

    def discard(self) -> None:
        """Take everything away again that was written here."""
        for path in self._made:
            with contextlib.suppress(OSError):
                self.remove(path)
        if self._is_new:
            with contextlib.suppress(OSError):
                os.rmdir(self._root)

    def remove(self, path: str) -> None:
        """Take a file away again, and the folders that were made for it."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with contextlib.suppress(OSError):
            while (path := os.path.dirname(path)) != self._root:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(path)

    def link(self, found: Found, folder: str, to: str | None) -> FileEdit:
        """Make a link within the folder anew, as far as what it leads to was taken along."""
        path = found.file.name
        if to is None:
            return FileEdit(path, "left", why="a link to what is not taken along")
        target, leads_to = self.path(folder, found.name), self.path(".", to)
        if os.path.lexists(target) or not os.path.exists(leads_to):
            return FileEdit(path, "left", why="a link to what is not taken along")
        with writing():
            os.symlink(os.path.relpath(leads_to, os.path.dirname(target)), target)
        return FileEdit(path, "linked", (target,))


def _is_same(source: Any, target: str) -> bool:
    with open(target, "rb") as other:
        while True:
            data = source.read(_BUFFER_BYTES) or b""
            if data != other.read(len(data) or 1):
                return False
            if not data:
                return True


def dress(found: Found, target: str) -> None:
    """Give a copy the original's permissions and times, as far as the file system has such."""
    if isinstance(found.file, LocalFile):
        with contextlib.suppress(OSError):
            shutil.copystat(found.file.name, target)
