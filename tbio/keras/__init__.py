"""Keras: its training logged without TensorFlow, on every backend of Keras 3.

==================  ============================================================================
`TensorBoard`       a callback for ``fit`` and ``evaluate``, in the place of
                    ``keras.callbacks.TensorBoard``
`write_history`     what ``fit`` returned, as a log
`vocabulary`        words as the labels of an embedding
==================  ============================================================================

Keras is imported when `TensorBoard` is asked for, and not before; the others need none. What posts
of ``keras.callbacks.RemoteMonitor`` become is in `tbio.remote`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbio.keras.callback import Hooks as TensorBoard
    from tbio.keras.history import write_history
    from tbio.keras.words import vocabulary

__all__ = ["TensorBoard", "vocabulary", "write_history"]

_HOME_OF = {"TensorBoard": "callback", "vocabulary": "words", "write_history": "history"}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOME_OF[name]}")
    found = home.tensorboard() if name == "TensorBoard" else getattr(home, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
