"""Replacing: a file takes its name when it is complete, and not before."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from typing import IO


def is_special(path: str) -> bool:
    """Whether a path is no regular file, present or future: a pipe, a device, /dev/stdout, "-"."""
    # /dev/stdout may lead to a regular file, and must not be replaced all the same.
    if path == "-" or os.path.abspath(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    return os.path.exists(path) and not os.path.isfile(path)


@contextlib.contextmanager
def replacing(destination: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new file that takes its name when it is complete; nothing is left of one that fails.

    ``-`` is the standard output. A pipe or a device, such as ``/dev/stdout``, is written to as it
    is. A link stays, and what it points to is replaced.
    """
    path = os.fspath(destination)
    if path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if is_special(path):
        with open(path, "wb") as special:
            yield special
        return
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    short = os.fsdecode(os.fsencode(name)[:150])  # a name may be 255 bytes long
    temporary = os.path.join(folder, f".{short}.{os.getpid()}.{time.time_ns()}.part")
    try:
        file = open(temporary, "xb")  # noqa: SIM115
    except OSError as error:
        error.filename = path  # the name that the user knows
        raise
    try:
        with file:
            yield file
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
