"""The runs that a callback writes, and what becomes of errors: none of them ends a training."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tbio.background import OnError
from tbio.errors import WriteFailedError
from tbio.run_writer import warn
from tbio.writer import SummaryWriter


class Runs:
    """Writers by the name of their run, each made when something is to be written to it.

    Args:
        log_dir: the folder of the runs.
        on_error: as of `SummaryWriter`. It holds for everything that goes wrong with logging:
            "warn" warns once of each matter, "raise" lets it through.

    Attributes:
        log_dir: the folder, as a string.
    """

    def __init__(self, log_dir: str | os.PathLike[str], on_error: OnError = "warn") -> None:
        if not (callable(on_error) or on_error in ("warn", "raise")):
            raise ValueError(f'on_error: want "warn", "raise" or a callable, got {on_error!r}')
        self.log_dir = os.fspath(log_dir)
        self._base = os.path.abspath(self.log_dir)  # whatever the working folder becomes
        self._on_error = on_error
        self._writers: dict[str, SummaryWriter] = {}
        self._warned: set[str] = set()

    def path(self, run: str) -> str:
        """The folder of a run."""
        return os.path.join(self._base, run)

    def writer(self, run: str) -> SummaryWriter:
        """The writer of a run.

        Raises:
            OSError: its folder cannot be made.
        """
        writer = self._writers.get(run)
        if writer is None:
            writer = self._writers[run] = SummaryWriter(self.path(run), on_error=self._on_error)
        return writer

    def add_scalars(self, run: str, values: Mapping[str, Any], step: int) -> None:
        """Log numbers by their tags, as TensorFlow 2 stores them."""
        for tag, value in values.items():
            with self.sparing(f"{tag!r} is not logged"):
                self.writer(run).add_scalar(tag, value, step, new_style=True)

    @contextlib.contextmanager
    def sparing(self, what: str) -> Iterator[None]:
        """A block whose errors do not stop the training; ``what`` begins the warning."""
        try:
            yield
        except WriteFailedError:  # with on_error="raise"
            raise
        except Exception as error:
            if self._on_error == "raise":
                raise
            if callable(self._on_error) and isinstance(error, OSError):
                self._on_error(error)
            elif isinstance(error, OSError):  # which holds for all that goes to the same place
                self.warn_once(f"not everything is logged: {error}")
            else:
                told = str(error) or type(error).__name__
                self.warn_once(f"{what}: {told[:500]}")  # some cite all the data they were given

    def warn_once(self, words: str) -> None:
        """Warn; not twice of what differs only in its numbers."""
        about = re.sub(r"\d+", "", words)
        if about not in self._warned:
            self._warned.add(about)
            warn(words)

    def flush(self) -> None:
        """Return when everything logged so far is in the operating system's hands."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write everything and close the files; what comes later goes into new ones."""
        for writer in self._writers.values():
            writer.close()
