"""Steps, scopes and ready-made summaries: what is ``tf.summary.experimental`` in TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from tbio.file_writer import message_bytes
from tbio.proto.summary_pb2 import Summary
from tbio.summary.state import get_step, recorder, set_step, step_for, summary_scope

__all__ = ["get_step", "set_step", "summary_scope", "write_raw_pb"]


def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> bool:
    """Record a Summary that is made already, with all its values, as one event.

    Args:
        tensor: the serialized message; or a message of any package; or a list of those, or an array
            of the serialized ones, whose values become one event.
        step: see `tbio.summary.scalar`.
        name: TensorFlow's, of no effect.

    Returns:
        Whether it was recorded.

    Raises:
        TypeError: something else.
        ValueError: bytes that are no summary; no step.
    """
    writer = recorder()
    if writer is None:
        return False
    at = step_for(step)
    if hasattr(tensor, "numpy"):  # a tensor of TensorFlow
        tensor = tensor.numpy()
    if hasattr(tensor, "tolist"):
        tensor = tensor.tolist()
    several = isinstance(tensor, Sequence) and not isinstance(tensor, (bytes, bytearray, str))
    whole = b"".join(map(message_bytes, tensor if several else [tensor]))  # which merges them
    try:
        Summary.FromString(whole)
    except (ProtobufError, ValueError) as error:  # protobuf's pure-Python form raises the latter
        raise ValueError(f"bytes that are no Summary: {error}") from error
    writer.put_summary(whole, at)
    return True
