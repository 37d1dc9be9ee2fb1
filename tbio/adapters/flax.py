"""Flax's ``flax.metrics.tensorboard.SummaryWriter``, without TensorFlow.

    from tbio.adapters.flax import SummaryWriter

It needs neither Flax nor JAX.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tbio import arrays, summary
from tbio.adapters.summaries import Summaries, dotted


class SummaryWriter(Summaries):
    """Writes one value a call.

    The events are those of `tbio.summary`, which are TensorFlow's. Leaving a ``with`` block closes
    the writer.

    Args:
        log_dir: the run's folder.
        auto_flush: wait after each call until the operating system has the value. It has it within
            a fraction of a second anyway.

    Raises:
        TypeError, ValueError: by any method, for what `tbio.summary` does not take.

    >>> import tempfile, tbio
    >>> folder = tempfile.mkdtemp()
    >>> with SummaryWriter(folder) as writer:
    ...     writer.scalar("loss", 0.5, step=3)
    >>> tbio.open(folder)["."].scalars["loss"].steps
    array([3])
    """

    def __init__(self, log_dir: str | os.PathLike[str], auto_flush: bool = True) -> None:
        super().__init__(log_dir)
        self._auto_flush = auto_flush

    def __enter__(self) -> SummaryWriter:
        return self

    def _done(self) -> None:
        if self._auto_flush:
            self.flush()

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """Log a number."""
        with self._recording(step):
            summary.scalar(tag, np.reshape(value, ()) if np.size(value) == 1 else value)
        self._done()

    def image(self, tag: str, image: Any, step: int, max_outputs: int = 3) -> None:
        """Log images, as RGB.

        Args:
            image: uint8, or floats in [0, 1]: [height, width], or with 1 or 3 channels behind; and
                batches of them.
            max_outputs: only so many of the first.
        """
        array = arrays.to_numpy(image)
        if array.ndim == 2:
            array = array[None, :, :, None]
        elif array.ndim == 3:  # one image with channels, or several without
            array = array[None] if array.shape[-1] in (1, 3) else array[..., None]
        if array.shape[-1] == 1:
            array = np.repeat(array, 3, axis=-1)
        with self._recording(step):
            summary.image(tag, array, max_outputs=max_outputs)
        self._done()

    def audio(
        self,
        tag: str,
        audiodata: Any,
        step: int,
        sample_rate: int = 44100,
        max_outputs: int = 3,
    ) -> None:
        """Log sounds: [sounds, frames, channels]; what is beyond [-1, 1] is clipped."""
        clipped = np.clip(arrays.to_numpy(audiodata), -1, 1)
        with self._recording(step):
            summary.audio(tag, clipped.astype(np.float32), sample_rate, max_outputs=max_outputs)
        self._done()

    def histogram(self, tag: str, values: Any, step: int, bins: int | None = None) -> None:
        """Log a distribution, of 30 buckets or as many as ``bins`` says."""
        with self._recording(step):
            summary.histogram(tag, values, buckets=bins)
        self._done()

    def text(self, tag: str, textdata: str | bytes, step: int) -> None:
        """Log Markdown.

        Raises:
            ValueError: no text.
        """
        if not isinstance(textdata, (str, bytes)):
            raise ValueError(f"{tag!r}: want a str or bytes, got {type(textdata).__name__}")
        with self._recording(step):
            summary.text(tag, textdata)
        self._done()

    def write(self, tag: str, tensor: Any, step: int, metadata: Any = None) -> None:
        """Log a tensor as it is, with ``SummaryMetadata`` or the bytes of such."""
        with self._recording(step):
            summary.write(tag, tensor, metadata=metadata)
        self._done()

    def hparams(self, hparams: Mapping[str, Any]) -> None:
        """Log hyperparameters, once a run."""
        with self._recording():
            summary.hparams(dotted(hparams))
        self._done()
