"""What ``fit`` returned, as a log: the runs and tags that the callback would have written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tbio import arrays
from tbio.imports.rows import NoNumberError, number_of, step_of
from tbio.keras.names import epoch_place
from tbio.writer import SummaryWriter


def write_history(
    history: Any,
    log_dir: str | os.PathLike[str],
    *,
    wall_times: Sequence[float] | None = None,
    new_style: bool = True,
) -> None:
    """Write a Keras History as event files.

    Each list becomes a series under the tag ``epoch_<name>`` of the run ``train``, or of
    ``validation`` for a name that begins with ``val_`` (which the tag does without); the step is
    the epoch. Empty places (None) are no points. (`tbio.import_logs` makes one run of a History in
    a JSON file, under the names as they are.)

    Args:
        history: what ``model.fit`` returned, its ``.history``, or that as it comes from JSON,
            perhaps with ``epoch`` beside ``history``. Epochs are counted from 0 where none are
            given.
        log_dir: the folder of both runs.
        wall_times: when each epoch ended, in seconds since the epoch; None is now.
        new_style: store numbers as the callback does, as TensorFlow 2; see
            `tbio.SummaryWriter.add_scalar`.

    Raises:
        TypeError: no history, or a value in it that is no number.
        ValueError: a list that is longer than ``epoch`` or ``wall_times``; an epoch that is no
            whole number.
        OSError: the folder cannot be made.

    >>> import tempfile, tbio
    >>> folder = tempfile.mkdtemp()
    >>> write_history({"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]}, folder)
    >>> logs = tbio.open(folder)
    >>> {name: run.scalars["epoch_loss"].values.tolist() for name, run in logs.items()}
    {'train': [0.5, 0.25], 'validation': [0.75, 0.5]}
    """
    lists, epochs = _parts(history)
    points = []  # all of them, before anything is written
    for log, values in lists.items():
        run, tag = epoch_place(str(log))
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(f"{log!r}: want a list of numbers, got {type(values).__name__}")
        for what, given in (("epoch", epochs), ("wall_times", wall_times)):
            if given is not None and len(given) < len(values):
                raise ValueError(f"{log!r}: {len(values)} values, but {what} has {len(given)}")
        for place, value in enumerate(values):
            number = _number(log, value)
            if number is None:
                continue
            step = place if epochs is None else _epoch(epochs[place])
            wall_time = None if wall_times is None else wall_times[place]
            points.append((run, tag, number, step, wall_time))
    for run in sorted({run for run, *_ in points}):
        with SummaryWriter(os.path.join(log_dir, run)) as writer:
            for of, tag, number, step, wall_time in points:
                if of == run:
                    writer.add_scalar(tag, number, step, wall_time, new_style)


def _parts(history: Any) -> tuple[Mapping[str, Any], Sequence[Any] | None]:
    """The lists by their names, and the epochs; None where these are not told."""
    epochs = getattr(history, "epoch", None)
    lists = getattr(history, "history", history)
    if isinstance(lists, Mapping) and isinstance(lists.get("history"), Mapping):
        lists, epochs = lists["history"], lists.get("epoch")
    if not isinstance(lists, Mapping):
        raise TypeError(f"want a History of Keras, or its dict, got {type(history).__name__}")
    return lists, epochs or None


def _number(log: str, value: Any) -> float | None:
    try:
        return number_of(arrays.number(value) if hasattr(value, "shape") else value)
    except (NoNumberError, TypeError, ValueError) as error:
        raise TypeError(f"{log!r}: want numbers, got {value!r:.80}: {error}") from error


def _epoch(cell: Any) -> int:
    try:
        return step_of(cell)
    except NoNumberError as error:
        raise ValueError(f"epoch: {cell!r:.80} is {error}") from error
