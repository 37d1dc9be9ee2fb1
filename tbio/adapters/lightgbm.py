"""A callback for LightGBM's trainings::

from tbio.adapters.lightgbm import TensorBoardCallback

with TensorBoardCallback("runs/lightgbm") as callback:
    lightgbm.train(params, train, valid_sets=[test], callbacks=[callback])
"""

from __future__ import annotations

import os
from typing import Any

from tbio.adapters.datasets import DatasetRuns


class TensorBoardCallback(DatasetRuns):
    """Logs each metric of each data set by the round of boosting, and the parameters.

    A data set is a run of its own, ``<log_dir>/<name>``, and the metric's name is the tag, so that
    a chart shows how a metric goes on all of them. Of `lightgbm.cv` it is the mean, and
    ``<metric>-stdv`` the deviation. The parameters are on the HParams page.

    LightGBM does not tell when a training is over; the ``with`` block does, or `close`.

    Args:
        log_dir: a folder for this training alone.
        options: see `tbio.SummaryWriter`.
    """

    # Before early stopping, which ends the round: 30.
    order = 20
    before_iteration = False

    def __init__(self, log_dir: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(log_dir, **options)

    def __enter__(self) -> TensorBoardCallback:
        return self

    def __call__(self, env: Any) -> None:
        """Log a round; ``env`` is LightGBM's ``CallbackEnv``."""
        if env.iteration == env.begin_iteration:
            self.set_hparams(env.params)
        for dataset, metric, value, _, *deviation in env.evaluation_result_list or ():
            self.log(dataset, metric, value, env.iteration)
            for number in deviation:
                if number is not None:
                    self.log(dataset, f"{metric}-stdv", number, env.iteration)
