"""A training with several data sets, each of them a run, so that their curves share a chart."""

from __future__ import annotations

import os
from typing import Any

from tbio.lock import Lock
from tbio.projector.writing import folder_name
from tbio.writer import SummaryWriter


class DatasetRuns:
    """The runs ``<log_dir>/<data set>`` of one training, whose hyperparameters are ``log_dir``'s.

    Leaving a ``with`` block closes the writers; after an exception the HParams page shows the
    training as failed.

    Args:
        log_dir: the training's folder.
        options: of every writer; see `tbio.SummaryWriter`.
    """

    def __init__(self, log_dir: str | os.PathLike[str], **options: Any) -> None:
        self._log_dir = os.fspath(log_dir)
        self._options = options
        self._writers: dict[str, SummaryWriter] = {}
        self._lock = Lock()

    def set_hparams(self, hparams: Any) -> None:
        """Say with which hyperparameters; see `tbio.SummaryWriter.set_hparams`."""
        self._writer("").set_hparams(hparams)

    def log(self, dataset: str, metric: str, value: Any, step: int) -> None:
        """Log one number of a data set."""
        self._writer(dataset).add_scalar(metric, value, step)

    def _writer(self, dataset: str) -> SummaryWriter:
        writer = self._writers.get(dataset)
        if writer is None:
            with self._lock:
                writer = self._writers.get(dataset)
                if writer is None:
                    inside = folder_name(dataset) if dataset else ""
                    folder = os.path.join(self._log_dir, inside)
                    writer = self._writers[dataset] = SummaryWriter(folder, **self._options)
        return writer

    def close(self, *, failed: bool = False) -> None:
        """Write everything and close the files; more can be logged, into new ones."""
        for writer in list(self._writers.values()):
            writer.__exit__(RuntimeError if failed else None)

    def __exit__(self, kind: object, *exception: object) -> None:
        self.close(failed=kind is not None)
