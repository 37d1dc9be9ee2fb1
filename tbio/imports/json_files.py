"""JSON files as wholes: what Keras, the Trainer of Hugging Face and TensorBoard's page write.

* ``History.history`` of Keras: name -> a list with a value an epoch; perhaps inside of an object
  with ``epoch`` and ``params``. The step is the epoch, from 0, as in Keras's TensorBoard callback.
* ``trainer_state.json``: ``log_history``, a list of objects. Tags are those of the Trainer's
  TensorBoard callback (transformers/integrations/integration_utils.py, rewrite_logs): ``eval_x`` is
  ``eval/x``, ``test_x`` is ``test/x``, all else is below ``train/``; ``step`` is the step.
* A list of rows, as JSON lines have them.
* ``[[wall time, step, value], ...]``: a series that TensorBoard's page gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from tbio.imports.rows import NoNumberError, Rows, number_of, step_of, wall_time_of
from tbio.imports.table_files import opened
from tbio.imports.target import Target

Form: TypeAlias = Literal["history", "trainer_state", "rows", "series"]


def loaded(path: str) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON.
    """
    with opened(path) as file:
        try:
            return json.load(file)
        except (ValueError, RecursionError, EOFError) as error:
            raise ValueError(f"{path}: no JSON: {error}") from error


def form_of(data: Any) -> Form | None:
    """Which of the forms data has; None for none.

    >>> form_of({"loss": [1, 2]}), form_of({"log_history": []}), form_of([[0.0, 1, 2.0]])
    ('history', 'trainer_state', 'series')
    """
    if isinstance(data, Mapping):
        if isinstance(data.get("log_history"), list):
            return "trainer_state"
        if isinstance(data.get("history"), Mapping):
            data = data["history"]
        is_history = bool(data) and all(isinstance(one, (list, tuple)) for one in data.values())
        return "history" if is_history else None
    if isinstance(data, list) and data:
        if all(isinstance(one, Mapping) for one in data):
            return "rows"
        if all(isinstance(one, list) and len(one) == 3 for one in data):
            return "series"
    return None


def add_history(data: Any, target: Target, run: str, path: str) -> None:
    """The lists of a History."""
    target.begin(run, path)
    whole = data if isinstance(data.get("history"), Mapping) else {"history": data}
    given = whole.get("epoch")
    epochs = given if isinstance(given, list) else []
    for tag, values in whole["history"].items():
        for place, cell in enumerate(values if isinstance(values, (list, tuple)) else ()):
            try:
                step = step_of(epochs[place]) if place < len(epochs) else place
                value = number_of(cell)
            except NoNumberError as error:
                target.skip(path, f"{tag!r}: {error}", where=f"epoch {place}")
                continue
            if value is not None:
                target.scalar(run, str(tag), step, value, None)
    target.remark(f"{path}: steps are epochs, from 0")
    if isinstance(whole.get("params"), Mapping):
        target.start(run, whole["params"])


def add_trainer_state(data: Any, target: Target, run: str, path: str) -> None:
    """The log_history of a trainer_state.json."""
    target.begin(run, path)
    for place, row in enumerate(data["log_history"]):
        where = f"log_history[{place}]"
        try:
            step = step_of(row.get("step")) if isinstance(row, Mapping) else None
        except NoNumberError:
            step = None
        if step is None:
            target.skip(path, "a row without a step", is_damage=True, where=where)
            continue
        for name, cell in row.items():
            if name == "step":
                continue
            tag = _trainer_tag(name)
            try:
                value = number_of(cell)
            except NoNumberError as error:
                if isinstance(cell, str):
                    target.text(run, tag, step, cell, None)
                else:
                    target.skip(path, f"{tag!r}: {error}", where=where)
                continue
            if value is not None:
                target.scalar(run, tag, step, value, None)
    if isinstance(data.get("trial_params"), Mapping):
        target.start(run, data["trial_params"])


def _trainer_tag(name: str) -> str:
    for mode in ("eval", "test"):
        if name.startswith(f"{mode}_"):
            return f"{mode}/{name[len(mode) + 1 :]}"
    return f"train/{name}"


def add_rows(data: Any, rows: Rows) -> None:
    """A list of objects."""
    for place, row in enumerate(data):
        rows.add_nested(row, f"[{place}]")


def add_series(data: Any, target: Target, run: str, tag: str, path: str) -> None:
    """Wall times, steps and values of one tag."""
    target.begin(run, path)
    for place, (time, step, cell) in enumerate(data):
        try:
            value = number_of(cell)
            if value is not None:
                target.scalar(run, tag, step_of(step), value, wall_time_of(time))
        except NoNumberError as error:
            target.skip(path, f"a point: {error}", is_damage=True, where=f"[{place}]")
