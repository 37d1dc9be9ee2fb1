"""A callback for XGBoost's trainings::

from tbio.adapters.xgboost import TensorBoardCallback

xgboost.train(params, train, evals=[(train, "train"), (test, "test")],
              callbacks=[TensorBoardCallback("runs/xgboost", hparams=params)])
"""

from __future__ import annotations

import os
from typing import Any

from tbio.adapters.datasets import DatasetRuns
from tbio.extras import require

_xgboost: Any = require("xgboost")
_Base: Any = _xgboost.callback.TrainingCallback


class TensorBoardCallback(_Base):  # type: ignore[misc]
    """Logs each metric of each data set by the round of boosting.

    A data set of ``evals`` is a run of its own, ``<log_dir>/<name>``, and the metric's name is the
    tag, so that a chart shows how a metric goes on all of them. Of `xgboost.cv` it is the mean, and
    ``<metric>-std`` the deviation. The files are closed with the training.

    Args:
        log_dir: a folder for this training alone.
        hparams: its hyperparameters; see `tbio.SummaryWriter.set_hparams`.
        options: see `tbio.SummaryWriter`. In a distributed training the first worker alone logs.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], *, hparams: Any = None, **options: Any
    ) -> None:
        super().__init__()
        self._log_dir = log_dir
        self._hparams = hparams
        self._options = options
        self._runs: DatasetRuns | None = None

    def before_training(self, model: Any) -> Any:
        """Begin."""
        options = {"rank": _xgboost.collective.get_rank(), **self._options}
        self._runs = DatasetRuns(self._log_dir, **options)
        if self._hparams is not None:
            self._runs.set_hparams(self._hparams)
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Log the metrics of a round."""
        if self._runs is not None:
            for dataset, metrics in evals_log.items():
                for metric, values in metrics.items():
                    mean, *deviation = values[-1] if isinstance(values[-1], tuple) else values[-1:]
                    self._runs.log(dataset, metric, mean, epoch)
                    for value in deviation:
                        self._runs.log(dataset, f"{metric}-std", value, epoch)
        return False

    def after_training(self, model: Any) -> Any:
        """Close the files."""
        if self._runs is not None:
            self._runs.close()
        return model
