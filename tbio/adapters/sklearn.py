"""What scikit-learn's estimators learn, step by step, and what a search has found.

    from tbio.adapters.sklearn import write_curves, write_search, write_step

None of it imports scikit-learn: what it looks at are the attributes by which any estimator of that
kind says what it has learned.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tbio.adapters.trials import write_trial
from tbio.writer import SummaryWriter

#: The weights of linear models and of networks.
_WEIGHTS = ("coef_", "intercept_", "coefs_", "intercepts_")
#: What estimators record of each round, and how they call it.
_CURVES = {
    "loss_curve_": "loss",
    "validation_scores_": "validation_score",
    "train_score_": "train_score",
    "validation_score_": "validation_score",
    "oob_scores_": "oob_score",
    "oob_improvement_": "oob_improvement",
}


def write_step(writer: SummaryWriter, model: Any, step: int, **data: tuple[Any, Any]) -> None:
    """Log where a model stands in a loop over ``partial_fit``.

    Its score on each data set is the scalar ``<name>/score``; its loss, where it tells one, is
    ``loss``; weights and biases are histograms: ``coef_``, or ``coefs_/0`` and so on.

    Args:
        writer: of the run.
        model: an estimator that was fitted; of a pipeline, the last step has the weights.
        step: which round of the loop it is.
        data: name -> X and y, as ``train=(X, y), test=(X_test, y_test)``.

    >>> class Mean:
    ...     coef_ = np.array([0.5, 1.5])
    ...     def score(self, X, y):
    ...         return 0.75
    >>> import tempfile, tbio
    >>> with SummaryWriter(tempfile.mkdtemp()) as writer:
    ...     write_step(writer, Mean(), 3, test=([[1.0, 2.0]], [1.0]))
    >>> run = tbio.open(writer.log_dir)["."]
    >>> run.scalars["test/score"].values.item(), run.histograms["coef_"].steps.item()
    (0.75, 3)
    """
    for name, (x, y) in data.items():
        writer.add_scalar(f"{name}/score", model.score(x, y), step)
    steps = getattr(model, "steps", None)
    last = steps[-1][1] if steps else model
    if isinstance(loss := getattr(last, "loss_", None), (int, float, np.floating)):
        writer.add_scalar("loss", loss, step)
    for name in _WEIGHTS:
        weights = getattr(last, name, None)
        if isinstance(weights, (list, tuple)):
            for layer, values in enumerate(weights):
                writer.add_histogram(f"{name}/{layer}", values, step)
        elif weights is not None:
            writer.add_histogram(name, weights, step)


def write_curves(writer: SummaryWriter, model: Any) -> None:
    """Log what an estimator has recorded of its rounds while ``fit`` ran.

    ``loss`` and ``validation_score`` of a network, ``train_score``, ``validation_score``,
    ``oob_score`` and ``oob_improvement`` of gradient boosting; the step is the round, from 0.
    """
    for attribute, tag in _CURVES.items():
        values = getattr(model, attribute, None)
        for step, value in enumerate(() if values is None else values):
            writer.add_scalar(tag, value, step)


def write_search(log_dir: str | os.PathLike[str], search: Any) -> None:
    """Log a search for hyperparameters: a run ``candidate-<n>`` each, a row of the HParams page.

    Its scalars are those of ``cv_results_``, under their names there: ``mean_test_score``,
    ``std_test_score``, ``rank_test_score``, ``mean_fit_time`` and so on, at step 0. The scores of
    the splits are the curve ``split_test_score``, whose step is the split. A candidate without a
    score is shown as failed.

    Args:
        log_dir: the search's folder.
        search: a ``GridSearchCV``, a ``RandomizedSearchCV`` or the like that was fitted, or its
            ``cv_results_``.

    Raises:
        TypeError: there is no ``cv_results_``, as before ``fit``.
    """
    results = search if isinstance(search, Mapping) else getattr(search, "cv_results_", None)
    if not isinstance(results, Mapping):
        raise TypeError(f"want a search that was fitted, got {type(search).__name__}")
    for number, params in enumerate(results["params"]):
        points = list(_points(results, number))
        scored = any(tag.startswith("mean_test_") and math.isfinite(v) for tag, v, _ in points)
        write_trial(
            os.path.join(log_dir, f"candidate-{number}"),
            params,
            points,
            "SUCCESS" if scored else "FAILURE",
        )


def _points(results: Mapping[str, Any], number: int) -> Iterator[tuple[str, float, int]]:
    for name, values in results.items():
        if name == "params" or name.startswith("param_"):
            continue
        value = np.asarray(values)[number]
        if split := re.fullmatch(r"split(\d+)_(.+)", name):
            yield f"split_{split[2]}", float(value), int(split[1])
        else:
            yield name, float(value), 0
