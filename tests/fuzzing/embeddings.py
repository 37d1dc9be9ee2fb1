"""The projector's files as targets: none of another folder is read."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from pathlib import Path

import numpy as np

import tbio
from fuzzing import seeds
from fuzzing.oracle import attempt, strict
from tbio import projector
from tbio.projector import tsv

_MOST_ENTRIES = 20

SECRET = b"5\t5\nsecret\tsecret\n"


def config(data: bytes) -> None:
    """A projector_config.pbtxt, and the files that it names: none of another folder."""
    with tempfile.TemporaryDirectory() as root, strict():
        folder = Path(root, "run")
        folder.mkdir()
        for name, content in seeds.projector_files().items():
            (folder / name).write_bytes(content)
        Path(root, "secret.tsv").write_bytes(SECRET)
        Path(root, "secret.json").write_bytes(b'[{"label": "secret"}]')
        (folder / "link.tsv").symlink_to("../secret.tsv")
        (folder / projector.CONFIG_NAME).write_bytes(data)
        found = attempt(lambda: projector.read(folder)) or {}
        attempt(lambda: repr(tbio.open(root, on_damage="ignore").embeddings()))
        for embedding in list(found.values())[:_MOST_ENTRIES]:
            repr(embedding)
            for asked in ("tensor", "metadata", "labels", "bookmarks", "sprite"):
                value = attempt(functools.partial(getattr, embedding, asked))
                assert "secret" not in repr(value), f"{asked} of {embedding.config}"
                if isinstance(value, np.ndarray):
                    assert 5.0 not in value or value.size != 2, f"the secret points: {value}"
            attempt(embedding.thumbnails)


def tables(data: bytes) -> None:
    """Labels and points of the projector."""
    with strict():
        columns = attempt(lambda: tsv.labels(data)) or {}
        assert len({len(cells) for cells in columns.values()}) <= 1
        with contextlib.suppress(UnicodeDecodeError):  # as it is documented
            attempt(lambda: tsv.points(data))
