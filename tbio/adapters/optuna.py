"""Optuna's `TensorBoardCallback`, without TensorFlow.

In the place of ``optuna_integration.TensorBoardCallback``::

    from tbio.adapters.optuna import TensorBoardCallback

    study.optimize(objective, n_trials=100, callbacks=[TensorBoardCallback("runs", "accuracy")])

The trials of a study that is over: ``for trial in study.trials: callback(study, trial)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from tbio.adapters.trials import write_trial
from tbio.kinds.hparams import Status

#: By the name of Optuna's ``TrialState``; those that are not over are left out.
_STATUS: dict[str, Status] = {"COMPLETE": "SUCCESS", "PRUNED": "UNKNOWN", "FAIL": "FAILURE"}


class TensorBoardCallback:
    """Logs each trial as a run ``<dirname>/trial-<number>``, a row of the HParams page.

    Its parameters are hyperparameters; its value is the scalar ``metric_name``, at the step of the
    trial's number; what the objective reported on its way is the curve
    ``<metric_name>/intermediate``. Trials that were pruned or failed are there too, without a
    value.

    Args:
        dirname: the study's folder.
        metric_name: the name of the value. A study of several objectives takes several, or those
            that the study has been given, or ``<metric_name>_0`` and so on.
    """

    def __init__(
        self, dirname: str | os.PathLike[str], metric_name: str | Sequence[str] = "value"
    ) -> None:
        self._dirname = os.fspath(dirname)
        self._metric_name = metric_name

    def __call__(self, study: Any, trial: Any) -> None:
        """Log one ``FrozenTrial`` of a study."""
        status = _STATUS.get(trial.state.name)
        if status is not None:
            write_trial(
                os.path.join(self._dirname, f"trial-{trial.number}"),
                trial.params,
                self._points(study, trial),
                status,
                started=_seconds(trial.datetime_start),
                ended=_seconds(trial.datetime_complete),
            )

    def _points(self, study: Any, trial: Any) -> Iterator[tuple[str, float, int]]:
        names = self._names(study)
        for step, value in sorted(trial.intermediate_values.items()):
            yield f"{names[0]}/intermediate", value, step
        if trial.state.name == "COMPLETE":  # a pruned one repeats what it reported last
            for name, value in zip(names, trial.values, strict=True):
                yield name, value, trial.number

    def _names(self, study: Any) -> Sequence[str]:
        count = len(study.directions)
        if not isinstance(self._metric_name, str):
            if len(self._metric_name) != count:
                raise ValueError(f"want {count} names of metrics, got {self._metric_name!r}")
            return self._metric_name
        if count == 1:
            return [self._metric_name]
        named: Sequence[str] | None = getattr(study, "metric_names", None)
        return named or [f"{self._metric_name}_{number}" for number in range(count)]


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
