"""``projector_config.pbtxt``: where it may be, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf import text_format

from tbio import storage
from tbio.errors import DecodeError
from tbio.proto.projector_pb2 import ProjectorConfig

CONFIG_NAME = "projector_config.pbtxt"
#: Where it may be besides in a run's folder itself; TensorBoard prefers it there.
ASSETS = "plugins/org_tensorflow_tensorboard_projector"

#: Stands in a line of labels that is blank, which the page would pass over, so that all labels
#: behind it would go to the wrong points. A zero width space: nothing to see, and JavaScript's
#: trim() leaves it.
BLANK = "\u200b"

#: A config is parsed slowly, and an entry takes some hundred bytes.
_MAX_BYTES = 1 << 22


class Config(NamedTuple):
    """A config, and the folder inside which its files are."""

    folder: str
    entries: ProjectorConfig


def configs(folder: str) -> Iterator[Config]:
    """The configs of a run; where both name an embedding, TensorBoard takes the latter.

    Raises:
        DecodeError: one that cannot be read.
        OSError: what the storage raises.
    """
    for inside in (folder, storage.inside(folder, ASSETS)):
        file = storage.child(inside, CONFIG_NAME)
        if file is not None:
            yield Config(inside, _parsed(file))


def _parsed(file: storage.File) -> ProjectorConfig:
    """Fields that are not known yet are passed over; TensorBoard would show no embedding at all."""
    config = ProjectorConfig()
    try:
        text = storage.read_bytes(file, _MAX_BYTES).decode()
        text_format.Parse(text, config, allow_unknown_field=True)
    except (text_format.ParseError, ValueError, RecursionError, DeprecationWarning) as error:
        # Of an escape that Python does not know protobuf warns; where warnings are errors, it ends.
        why = str(error)[:200]  # it may quote all of the file
        raise DecodeError(f"{file.name} is no config of embeddings: {why!r}") from error
    return config


def find(root: str) -> dict[str, str]:
    """Run name -> folder, of every run with a config below a log folder, sorted.

    A run is named by its folder relative to ``root``, ``"."`` for that itself. It need not have an
    event file, although TensorBoard then passes it over, unless it is the root.

    Args:
        root: a folder or a URL.

    >>> find("no/such/folder")
    {}
    """
    found = {}
    for name, files in storage.walk(root, CONFIG_NAME.__eq__):
        if not files:
            continue
        folder, _ = storage.split(files[0].name)
        if f"/{name}".endswith(f"/{ASSETS}"):
            name = name[: -len(ASSETS) - 1] or "."
            for _ in ASSETS.split("/"):
                folder, _ = storage.split(folder)
        found[name] = folder
    return dict(sorted(found.items()))
