"""Protobuf messages of event files: bindings generated from proto/ by scripts/gen_protos.py.

They are TensorBoard's messages under a package name of our own, since one process may hold a
message name only once and tensorboard may be imported beside us. The bytes are the same.
"""
