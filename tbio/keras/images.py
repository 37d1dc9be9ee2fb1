"""Weights as images, as Keras draws them (``_log_weight_as_image`` of its callback)."""

from __future__ import annotations

from typing import Any

#: How many of the images of one weight are shown (``max_outputs`` of tf.summary.image).
MOST_SHOWN = 3


def image_of(value: Any) -> Any:
    """A weight as a batch of grey images (NHWC), a tensor of the backend; None for what has none.

    After axes of length 1 are dropped, a vector is a column; a matrix lies on its longer side; the
    kernel of a one-dimensional convolution is an image for each of its filters. Four axes are
    images as they are, if the last one can be colours. Numbers are those of the weights: below 0 is
    black, above 1 white.

    Args:
        value: a tensor of the backend.
    """
    import keras

    ops = keras.ops
    image = ops.squeeze(value)
    shape = tuple(image.shape)
    if len(shape) == 1:
        image = ops.reshape(image, (1, shape[0], 1, 1))
    elif len(shape) == 2:
        if shape[0] > shape[1]:
            image = ops.transpose(image)
        image = ops.reshape(image, (1, *image.shape, 1))
    elif len(shape) == 3:
        if keras.config.image_data_format() == "channels_last":
            image = ops.transpose(image, (2, 0, 1))
        image = ops.reshape(image, (*image.shape, 1))
    shape = tuple(image.shape)
    if len(shape) != 4 or shape[-1] not in (1, 3, 4) or 0 in shape:
        return None
    # Clipped here, where it is meant, so that nobody is warned of it.
    return ops.clip(ops.cast(image[:MOST_SHOWN], "float32"), 0.0, 1.0)
