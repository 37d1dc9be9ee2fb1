"""What the writers of JAX's libraries stand on: `tbio.summary` with a writer and a step at hand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tbio import summary
from tbio.summary.state import STATE
from tbio.summary.writers import FileSummaryWriter


class Summaries:
    """A writer of the events that TensorFlow would write.

    Args:
        log_dir: the run's folder.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self._writer: FileSummaryWriter = summary.create_file_writer(log_dir)  # type: ignore[assignment]

    @contextmanager
    def _recording(self, step: Any = None) -> Iterator[None]:
        """Record in this block, at a step; without waiting for the disk at its end."""
        before = STATE.writer, STATE.step
        STATE.writer, STATE.step = self._writer, step
        try:
            yield
        finally:
            STATE.writer, STATE.step = before

    def flush(self) -> None:
        """Return when everything is in the operating system's hands."""
        self._writer.flush()

    def close(self) -> None:
        """Write everything and close the file. Closing twice is fine."""
        self._writer.close()

    def __exit__(self, *exception: object) -> None:
        self.close()


def dotted(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters in dicts by names with dots, as these libraries have them.

    >>> dotted({"model": {"layers": 2, "act": {"name": "relu"}}, "lr": 0.1})
    {'model.layers': 2, 'model.act.name': 'relu', 'lr': 0.1}
    """
    flat: dict[str, Any] = {}
    for name, value in hparams.items():
        if hasattr(value, "items"):
            flat |= {f"{name}.{inner}": item for inner, item in dotted(value).items()}
        else:
            flat[name] = value
    return flat
