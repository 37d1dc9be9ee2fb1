"""Lightning's `TensorBoardLogger`, on tbio.

In the place of ``lightning.pytorch.loggers.TensorBoardLogger`` (or ``pytorch_lightning``'s), and a
subclass of it, so that ``trainer.log_dir`` and all else that looks for that class finds it::

    from tbio.adapters.lightning import TensorBoardLogger

    trainer = Trainer(logger=TensorBoardLogger("runs", name="mnist"))
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_PACKAGE = require("lightning.pytorch", "pytorch_lightning").__name__
_loggers: Any = require(f"{_PACKAGE}.loggers")
_rank_zero_only: Any = require(f"{_PACKAGE}.utilities.rank_zero").rank_zero_only
_Base: Any = _loggers.TensorBoardLogger


class TensorBoardLogger(_Base):  # type: ignore[misc]
    """Logs what Lightning does, into ``<save_dir>/<name>/<version>/<sub_dir>``.

    ``logger.experiment`` is the `tbio.SummaryWriter`: images, text and all else are logged with its
    methods, ``self.logger.experiment.add_image(...)`` in a LightningModule.

    Args:
        save_dir: the folder of all experiments; local.
        name: the experiment; "" or None for no folder of its own.
        version: a number n, which makes ``version_<n>``, or a name; by default the number behind
            the greatest that is there.
        log_graph: log the graph of a module that has ``example_input_array``.
        default_hp_metric: log ``hp_metric`` = -1 with hyperparameters that come without metrics, as
            Lightning does. TensorBoard shows them without it, too.
        prefix: put in front of each metric's name, with a ``-``.
        sub_dir: a folder below the version's.
        options: see `tbio.SummaryWriter`.
    """

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        log_graph: bool = False,
        default_hp_metric: bool = True,
        prefix: str = "",
        sub_dir: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        # Fabric's own asks for tensorboard or tensorboardX, and is left out; these are its names.
        _loggers.Logger.__init__(self)
        self._root_dir = os.fspath(save_dir)
        self._name = name or ""
        self._version = version
        self._sub_dir = None if sub_dir is None else os.fspath(sub_dir)
        self._default_hp_metric = default_hp_metric
        self._prefix = prefix
        self._fs = require("fsspec").filesystem("file")
        self._experiment: SummaryWriter | None = None
        self._kwargs = options
        self._log_graph = log_graph
        self.hparams: dict[str, Any] = {}

    def _open(self) -> SummaryWriter:
        if self._experiment is None:
            self._experiment = SummaryWriter(self.log_dir, **self._kwargs)
        return self._experiment

    #: The writer; on other ranks than 0, an object that does nothing.
    experiment = property(_loggers.logger.rank_zero_experiment(_open))

    def log_hyperparams(
        self,
        params: Mapping[str, Any] | Namespace | None,
        metrics: Mapping[str, Any] | float | None = None,
        step: int | None = None,
    ) -> None:
        """Log hyperparameters, and metrics as numbers.

        They are the run's, once for all: TensorBoard reads the first ones only. Its HParams page
        shows every number of the run as a metric, whether it is named here or not.

        Args:
            params: by name, perhaps nested; see `tbio.SummaryWriter.set_hparams`.
            metrics: by name; a mere number is ``hp_metric``.
            step: of the metrics.
        """
        if _rank_zero_only.rank > 0:
            return
        params = vars(params) if isinstance(params, Namespace) else params or {}
        self.hparams.update(params)  # which `save` writes into hparams.yaml
        if metrics is None:
            metrics = -1 if self._default_hp_metric else {}
        if not isinstance(metrics, Mapping):
            metrics = {"hp_metric": metrics}
        self.experiment.set_hparams(params)
        self.log_metrics(metrics, step)

    def finalize(self, status: str) -> None:
        """Close the writer: a run that has "failed" is shown as such on the HParams page."""
        if _rank_zero_only.rank > 0 or self._experiment is None:
            return
        if status == "failed":
            self._experiment.__exit__(RuntimeError)
        else:
            self.save()
            self._experiment.close()
