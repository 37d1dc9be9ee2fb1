"""Protobuf messages of event files: bindings generated from proto/ by scripts/gen_protos.py.

They are TensorBoard's messages under a package name of our own, since one process may hold a
message name only once and tensorboard may be imported beside us. The bytes are the same.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError as _DecodeError

#: What parsing bytes that are no such message raises: protobuf's own error, and of its pure-Python
#: form also those of bad UTF-8 and of depth.
PARSE_ERRORS = (_DecodeError, ValueError, RecursionError)
