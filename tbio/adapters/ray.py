"""Ray Tune's `TBXLoggerCallback`, on tbio.

In the place of ``ray.tune.logger.TBXLoggerCallback``, and a subclass of it, so that Tune adds none
of its own beside it::

    from tbio.adapters.ray import TBXLoggerCallback

    tuner = tune.Tuner(train, run_config=tune.RunConfig(callbacks=[TBXLoggerCallback()]))
"""

from __future__ import annotations

from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_Base: Any = require("ray.tune.logger.tensorboardx", "ray.tune.logger").TBXLoggerCallback


class TBXLoggerCallback(_Base):  # type: ignore[misc]
    """Logs each trial into its folder, as ``ray/tune/<name>``, and its hyperparameters.

    These are there from the trial's start, where Ray's own logs them at its end; a trial that fails
    is shown as such on the HParams page.
    """

    def __init__(self) -> None:
        super(_Base, self).__init__()  # past Ray's own, which wants tensorboardX; its names are:
        self._summary_writer_cls = SummaryWriter
        self._trial_writer: dict[Any, SummaryWriter] = {}
        self._trial_result: dict[Any, dict[str, Any]] = {}

    def log_trial_start(self, trial: Any) -> None:
        """Open the trial's writer."""
        super().log_trial_start(trial)
        if trial.evaluated_params:
            self._trial_writer[trial].set_hparams(trial.evaluated_params)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """Close the trial's writer."""
        if failed and trial in self._trial_writer:
            self._trial_writer[trial].__exit__(RuntimeError)
        super().log_trial_end(trial, failed)

    def _try_log_hparams(self, trial: Any, result: dict[str, Any]) -> None:
        """Nothing: they were logged at the start."""
