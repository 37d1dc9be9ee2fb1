"""What TensorFlow 2 writes, written by SummaryWriter on request; read by TensorBoard."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from tbio import SummaryWriter


def loaded(folder: Path) -> list[tuple[int, str, Any]]:
    """Step, plugin of the first value, and content, as TensorBoard's loader has them."""
    (file,) = folder.iterdir()
    events = [event for event in EventFileLoader(str(file)).Load() if event.HasField("summary")]
    plugin = events[0].summary.value[0].metadata.plugin_data.plugin_name
    return [(event.step, plugin, make_ndarray(event.summary.value[0].tensor)) for event in events]


def test_histograms(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("h", [0.0, 1.0, 1.0, 4.0], 3, bins=4, new_style=True)
        writer.add_histogram("h", np.arange(60.0), 4, new_style=True)
    (step, plugin, rows), (_, _, default) = loaded(tmp_path)
    assert (step, plugin) == (3, "histograms")
    assert rows.dtype == np.float64
    assert rows.tolist() == [[0, 1, 1], [1, 2, 2], [2, 3, 0], [3, 4, 1]]
    assert default.shape == (30, 3)
    assert default[:, 2].tolist() == [2.0] * 30


def test_images(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    with SummaryWriter(tmp_path) as writer:
        writer.add_images("i", pictures, 7, dataformats="NHWC", new_style=True)
        writer.add_images("i", pictures, 8, None, "NHWC", new_style=True, max_outputs=2)
    (step, plugin, content), (_, _, fewer) = loaded(tmp_path)
    assert (step, plugin) == (7, "images")
    assert content[:2].tolist() == [b"5", b"4"]
    drawn = [np.asarray(Image.open(io.BytesIO(data))) for data in content[2:]]
    assert np.array_equal(drawn, pictures)
    assert len(fewer) == 4


def test_wrong_ones_name_the_tag(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"^'h': "):
            writer.add_histogram("h", [1.0], bins=-1, new_style=True)
        with pytest.raises(ValueError, match=r"^'i': "):
            writer.add_images("i", np.zeros((2, 2), np.uint8), new_style=True)
