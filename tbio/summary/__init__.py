"""Logging in the style of ``tf.summary``, without TensorFlow.

A script that was written for ``tf.summary`` runs with ``import tbio.summary as summary`` in its
place: the same names, signatures, defaults, state of threads and errors, and the same events in the
file (tensorflow/python/ops/summary_ops_v2.py, tensorboard/plugins/*/summary_v2.py). Values may come
from any framework. What TensorFlow leaves to plugins of TensorBoard is here too: `pr_curve`,
`mesh`, `custom_scalar`, and hyperparameters, which are also in `tbio.summary.hp`.

`name_scope` stands for ``tf.name_scope``. What differs on purpose:

* Values that are not finite do not spoil a histogram; they are left out, with a warning.
* Integers from 0 to 255 of a wide type are shown as an image, and not as black.
* An image of bools is black and white, and not an error.
* ``trace_on`` warns: there is nothing that tbio could trace.

>>> import tempfile
>>> from tbio import summary
>>> folder = tempfile.mkdtemp()
>>> writer = summary.create_file_writer(folder)
>>> with writer.as_default(), summary.name_scope("train"):
...     for step in range(3):
...         recorded = summary.scalar("loss", 1 / (step + 1), step=step)
>>> writer.close()
>>> import tbio
>>> tbio.open(folder)["."].scalars["train/loss"].values
array([1.        , 0.5       , 0.33333334], dtype=float32)
"""

from __future__ import annotations

from tbio.summary import experimental, hp
from tbio.summary.hp import (
    Discrete,
    Domain,
    HParam,
    IntInterval,
    Metric,
    RealInterval,
    hparams,
    hparams_config,
    hparams_config_pb,
    hparams_pb,
)
from tbio.summary.state import name_scope, record_if, should_record_summaries
from tbio.summary.traces import trace_export, trace_off, trace_on
from tbio.summary.values import (
    audio,
    custom_scalar,
    graph,
    histogram,
    image,
    mesh,
    pr_curve,
    scalar,
    text,
    write,
)
from tbio.summary.writers import (
    SummaryWriter,
    SummaryWriterClosedError,
    create_file_writer,
    create_noop_writer,
    flush,
)

__all__ = [
    "Discrete",
    "Domain",
    "HParam",
    "IntInterval",
    "Metric",
    "RealInterval",
    "SummaryWriter",
    "SummaryWriterClosedError",
    "audio",
    "create_file_writer",
    "create_noop_writer",
    "custom_scalar",
    "experimental",
    "flush",
    "graph",
    "histogram",
    "hp",
    "hparams",
    "hparams_config",
    "hparams_config_pb",
    "hparams_pb",
    "image",
    "mesh",
    "name_scope",
    "pr_curve",
    "record_if",
    "scalar",
    "should_record_summaries",
    "text",
    "trace_export",
    "trace_off",
    "trace_on",
    "write",
]
