"""The readers of other libraries, under their names: in an existing script change the import only.

======================================  =================================================
in place of                             write
======================================  =================================================
``tensorboard.backend                   ``tbio.compat``, for ``EventAccumulator`` or for
.event_processing.event_accumulator``   ``event_accumulator``, the module
``tensorboard.backend                   the same with ``EventMultiplexer`` and
.event_processing.event_multiplexer``   ``event_multiplexer``
``tensorboard.util.tensor_util``,       ``tbio.compat``, for ``make_ndarray`` or for
``tf.make_ndarray``                     ``tensor_util``, the module
``tf.compat.v1.train.summary_iterator`` ``tbio.compat.summary_iterator``
``tbparse.SummaryReader``               ``tbio.compat.SummaryReader``
======================================  =================================================

The results are those of the originals, except where these leave data out: here all of it is given,
unless the caller sets a limit. TensorFlow and tensorboard need not be installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# At once: the module of this name would otherwise stand in the function's place after its import.
from tbio.compat.summary_iterator import summary_iterator

if TYPE_CHECKING:
    from tbio.compat.event_accumulator import EventAccumulator
    from tbio.compat.event_multiplexer import EventMultiplexer
    from tbio.compat.summary_reader import SummaryReader
    from tbio.compat.tensor_util import make_ndarray

#: Where each other public name is defined. It is loaded when it is asked for first.
_HOME_OF = {
    "EventAccumulator": "event_accumulator",
    "EventMultiplexer": "event_multiplexer",
    "SummaryReader": "summary_reader",
    "make_ndarray": "tensor_util",
}

__all__ = [
    "EventAccumulator",
    "EventMultiplexer",
    "SummaryReader",
    "make_ndarray",
    "summary_iterator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'tbio.compat' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tbio.compat.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
