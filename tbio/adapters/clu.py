"""A writer in the shape of clu's ``metric_writers``, without TensorFlow.

In the place of ``clu.metric_writers.create_default_writer``::

    from tbio.adapters.clu import SummaryWriter

    writer = SummaryWriter("runs/jax")
    writer.write_scalars(step, {"loss": loss})

It needs neither clu nor JAX, and has every method of clu's ``MetricWriter``, so that clu's
``MultiWriter`` and ``AsyncWriter`` can stand on it; asynchronous it is by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tbio import summary
from tbio.adapters.summaries import Summaries, dotted
from tbio.kinds import video
from tbio.run_writer import Part, naming

_FRAMES_A_SECOND = 10


class SummaryWriter(Summaries):
    """Writes a dict of values a call, each by its name.

    The events are those of `tbio.summary`, which are TensorFlow's. Leaving a ``with`` block closes
    the writer.

    Args:
        logdir: the run's folder.

    Raises:
        TypeError, ValueError: by any method, for what `tbio.summary` does not take.

    >>> import tempfile, tbio
    >>> folder = tempfile.mkdtemp()
    >>> with SummaryWriter(folder) as writer:
    ...     writer.write_scalars(3, {"loss": 0.5, "accuracy": 0.75})
    >>> tbio.open(folder)["."].scalars["accuracy"].values
    array([0.75], dtype=float32)
    """

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        super().__init__(logdir)

    def __enter__(self) -> SummaryWriter:
        return self

    def write_summaries(
        self,
        step: int,
        values: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Log tensors as they are, each with the ``SummaryMetadata`` that has its name."""
        with self._recording(step):
            for name, value in values.items():
                summary.write(name, value, metadata=(metadata or {}).get(name))

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Log numbers."""
        with self._recording(step):
            for name, value in scalars.items():
                summary.scalar(name, value)

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        """Log images: [images, height, width, channels], or one without the first axis."""
        with self._recording(step):
            for name, value in images.items():
                batch = value if np.ndim(value) == 4 else value[None]
                summary.image(name, batch, max_outputs=len(batch))

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        """Log videos: [videos, frames, height, width, channels], or one without the first axis.

        They play side by side among the images, 10 frames a second.
        """
        for name, value in videos.items():
            axes = "NTHWC" if np.ndim(value) == 5 else "THWC"
            with naming(name):
                prepared, note = video.prepare(value, _FRAMES_A_SECOND, axes)
            self._writer.put(Part("image", name, None, video.encode, (prepared,)), step, note)

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        """Log sounds: [sounds, frames, channels] in [-1, 1]."""
        with self._recording(step):
            for name, value in audios.items():
                summary.audio(name, value, sample_rate, max_outputs=len(value))

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Log Markdown."""
        with self._recording(step):
            for name, value in texts.items():
                summary.text(name, value)

    def write_histograms(
        self,
        step: int,
        arrays: Mapping[str, Any],
        num_buckets: Mapping[str, int] | None = None,
    ) -> None:
        """Log distributions, of 30 buckets or as many as ``num_buckets`` has for the name."""
        with self._recording(step):
            for name, value in arrays.items():
                summary.histogram(name, value, buckets=(num_buckets or {}).get(name))

    def write_pointcloud(
        self,
        step: int,
        point_clouds: Mapping[str, Any],
        *,
        point_colors: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        """Log point clouds: [clouds, points, 3], and the points' colors, from 0 to 255."""
        with self._recording(step):
            for name, value in point_clouds.items():
                colors, config = (given and given.get(name) for given in (point_colors, configs))
                summary.mesh(name, value, colors=colors, config_dict=config)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        """Log hyperparameters, once a run."""
        with self._recording():
            summary.hparams(dotted(hparams))
