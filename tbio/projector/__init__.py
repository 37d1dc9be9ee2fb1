"""Embeddings for TensorBoard's Projector: points, their labels and their images, as files.

The Projector reads no events (tensorboard/plugins/projector/projector_plugin.py of 2.21). It looks
for ``projector_config.pbtxt`` in the folder of each run that it knows of, in that folder's
``plugins/org_tensorflow_tensorboard_projector/``, and in the log folder itself; and for the files
which that names, inside the same folder. The layout is that of torch and tensorboardX::

    <run>/projector_config.pbtxt                 one entry an embedding
    <run>/<step, 5 digits>/<tag>/tensors.tsv     or tensors.bytes: the points
                                 metadata.tsv    their labels
                                 sprite.png      their images, in a grid

Keras writes a config without points: those are in a checkpoint of TensorFlow, which tbio does not
read.
"""

from __future__ import annotations

from tbio.projector.config import CONFIG_NAME, find
from tbio.projector.naming import asked_for
from tbio.projector.reading import Embedding, read
from tbio.projector.writing import MAX_SPRITE_PIXELS, TSV_NUMBERS, Prepared, prepare, write

__all__ = [
    "CONFIG_NAME",
    "MAX_SPRITE_PIXELS",
    "TSV_NUMBERS",
    "Embedding",
    "Prepared",
    "asked_for",
    "find",
    "prepare",
    "read",
    "write",
]
