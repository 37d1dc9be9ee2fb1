"""Profiles of a few batches, by the backend's own profiler.

JAX and TensorFlow write what TensorBoard's profile plugin shows; torch a trace for
https://ui.perfetto.dev or Chrome, ``*.pt.trace.json``. All into the folder of the run.
"""

from __future__ import annotations

from collections.abc import Callable

BACKENDS = ("jax", "tensorflow", "torch")


def start(backend: str, folder: str) -> Callable[[], object]:
    """Begin a profile; what is returned ends it and writes it.

    Raises:
        Exception: whatever the profiler raises, as when there is another profile under way.
    """
    stop: Callable[[], object]
    if backend == "jax":
        import jax

        jax.profiler.start_trace(folder)
        stop = jax.profiler.stop_trace
    elif backend == "torch":
        import torch

        profiler = torch.profiler
        profile = profiler.profile(on_trace_ready=profiler.tensorboard_trace_handler(folder))
        profile.start()
        stop = profile.stop
    else:
        import tensorflow as tf

        tf.profiler.experimental.start(folder)
        stop = tf.profiler.experimental.stop
    return stop
