"""Compression of the formats that are text: ``.gz`` and ``.zst``."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import sys
from collections.abc import Iterator
from typing import IO, Any, cast

from tbio.extras import require

#: What the names of compressed files end in.
SUFFIXES = (".gz", ".zst")

_GZIP_LEVEL = 6


def suffix_in(path: str) -> str:
    """``.gz`` or ``.zst`` where a file's name ends so, else "".

    >>> suffix_in("run.csv.GZ"), suffix_in("run.csv")
    ('.gz', '')
    """
    return next((suffix for suffix in SUFFIXES if path.lower().endswith(suffix)), "")


@contextlib.contextmanager
def compressing(file: IO[bytes], suffix: str) -> Iterator[IO[bytes]]:
    """A file whose bytes arrive compressed in ``file``, which stays open.

    Args:
        suffix: one of `SUFFIXES`, or "" for no compression.

    Raises:
        MissingExtraError: zstandard is not installed, and Python is older than 3.14.
    """
    if not suffix:
        yield file
        return
    packed: Any
    if suffix == ".gz":
        # No name and no time inside: the same log gives the same bytes.
        packed = gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0)
    elif sys.version_info >= (3, 14):
        packed = importlib.import_module("compression.zstd").ZstdFile(file, "wb")
    else:
        packed = require("zstandard").ZstdCompressor().stream_writer(file, closefd=False)
    with packed:
        yield cast("IO[bytes]", packed)
