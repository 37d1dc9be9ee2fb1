"""The names of Keras's callback: which log goes to which run, under which tag.

Those of keras/src/callbacks/tensorboard.py (``_log_epoch_metrics``, ``_log_weights``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

TRAIN, VALIDATION = "train", "validation"
#: Where ``keras.callbacks.RemoteMonitor`` posts to by default, and in which field.
REMOTE_PORT, REMOTE_PATH, REMOTE_FIELD = 9000, "/publish/epoch/end/", "data"

_OF_VALIDATION = "val_"


def epoch_place(log: str) -> tuple[str, str]:
    """The run and the tag of what Keras logs of an epoch.

    >>> epoch_place("loss"), epoch_place("val_loss")
    (('train', 'epoch_loss'), ('validation', 'epoch_loss'))
    """
    if log.startswith(_OF_VALIDATION):
        return VALIDATION, f"epoch_{log[len(_OF_VALIDATION) :]}"
    return TRAIN, f"epoch_{log}"


def tag_of(path: str) -> str:
    """A variable's path as a tag.

    >>> tag_of("net/dense:0")
    'net/dense_0'
    """
    return path.replace(":", "_")


def numbered(objects: Iterable[Any], name_of: Callable[[Any], str]) -> Iterator[tuple[str, Any]]:
    """Each object, once, with a name of its own: a number tells those of one name apart.

    >>> first, second = ["a"], ["b"]
    >>> list(numbered([first, second, first], lambda one: "x"))
    [('x', ['a']), ('x_2', ['b'])]
    """
    named = [(name_of(one), one) for one in {id(one): one for one in objects}.values()]
    taken = {name for name, _ in named}  # a number must not lead to the name of another
    times: dict[str, int] = {}
    for name, one in named:
        number = times.get(name, 0) + 1
        while number > 1 and f"{name}_{number}" in taken:
            number += 1
        times[name] = number
        yield name if number == 1 else f"{name}_{number}", one
