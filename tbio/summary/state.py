"""What holds for a thread: the writer that is the default, the step, whether to record, the scope.

The rules are those of TensorFlow (tensorflow/python/ops/summary_ops_v2.py): each thread has a state
of its own, and begins with none.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tbio.run_writer import text_of

if TYPE_CHECKING:
    from tbio.summary.writers import FileSummaryWriter


class _State(threading.local):
    writer: FileSummaryWriter | None = None
    step: Any = None
    condition: Any = True  # or a callable that gives it
    scope = ""


STATE = _State()

#: What TensorFlow takes out of the names of scopes; tags keep it.
_NOT_IN_SCOPES = re.compile(r"[^-_/.A-Za-z0-9]")


@contextmanager
def record_if(condition: bool | Callable[[], Any] | Any) -> Iterator[None]:
    """Record in this block only if a condition holds.

    Args:
        condition: a bool, also one of an array library, or a callable that gives one; it is asked
            at every call.

    >>> with record_if(False):
    ...     should_record_summaries()
    False
    """
    before = STATE.condition
    STATE.condition = condition
    try:
        yield
    finally:
        STATE.condition = before


def should_record_summaries() -> bool:
    """Whether a summary would be recorded now: there is a default writer, and `record_if` says so.

    >>> should_record_summaries()  # no writer
    False
    """
    return recorder() is not None


def recorder() -> FileSummaryWriter | None:
    """The default writer, if summaries are to be recorded."""
    writer = STATE.writer
    if writer is None:
        return None
    condition = STATE.condition
    return writer if condition is True or _holds(condition) else None


def _holds(condition: Any) -> bool:
    found = condition() if callable(condition) else condition
    return found is None or bool(found)  # None is no condition, to TensorFlow


def get_step() -> Any:
    """The default step of this thread, as it was given to `set_step`; None if there is none."""
    return STATE.step


def set_step(step: Any) -> None:
    """Give every call of this thread that names no step this one.

    Args:
        step: as of `tbio.summary.scalar`; a variable (of Keras, say) is asked for its value at
            every call. None: there is no default step.
    """
    STATE.step = step


def step_for(step: Any) -> Any:
    """The step that a call means.

    Raises:
        TypeError: a Python float, as with TensorFlow.
        ValueError: there is none.
    """
    if step is None:
        step = STATE.step
        if step is None:
            raise ValueError(
                "No step set. Please specify one either through the `step` argument or through "
                "tbio.summary.experimental.set_step()"
            )
    if type(step) is float:
        raise TypeError(f"step: want an integer, got {step!r}")
    return step


def tag_for(name: str) -> str:
    """The tag of a name: behind the scopes that the thread is in."""
    text_of(name, "name")
    return f"{STATE.scope}/{name}" if STATE.scope else name


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Put ``name/`` in front of the names of this block, as ``tf.name_scope`` does eagerly.

    Blocks can be nested; a name that ends with ``/`` begins anew at the top, and an empty one goes
    back there. A scope that is entered twice is the same one.

    Yields:
        The whole scope, with ``/`` at its end: `name_scope` takes it to enter it again.

    >>> with name_scope("model"), name_scope("encoder") as scope:
    ...     scope
    'model/encoder/'
    """
    text_of(name, "name")
    before = STATE.scope
    inside = f"{before}/{name}" if before and name else name
    STATE.scope = scope = name[:-1] if name.endswith("/") else inside
    try:
        yield scope and scope + "/"
    finally:
        STATE.scope = before


@contextmanager
def summary_scope(
    name: str, default_name: str = "summary", values: Any = None
) -> Iterator[tuple[str, str]]:
    """The tag for a summary of one's own kind, and a scope around what belongs to it.

    Args:
        name: empty for ``default_name``.
        values: of no effect.

    Yields:
        The tag, and the scope: as of `name_scope`, without the characters that TensorFlow does not
        have in scopes.

    >>> with summary_scope("my value", "mine") as (tag, scope):
    ...     tag, scope
    ('my value', 'myvalue/')
    """
    name = name or default_name
    tag = tag_for(name)
    with name_scope(_NOT_IN_SCOPES.sub("", name) or default_name) as scope:
        yield tag, scope
