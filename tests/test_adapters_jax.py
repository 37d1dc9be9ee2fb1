"""Writers in the shapes of clu's and Flax's, and a loop in JAX."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
from tensorboard_values import Log, Session, stored

import tbio.adapters.clu
import tbio.adapters.flax

RNG = np.random.default_rng(0)


@pytest.mark.full
def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    tell = "[float(loss), [float(v) for v in params['in'].ravel()]]"
    loss, weights = run_page_without("jax.md", tmp_path, *TENSORBOARDS, "torch", tell=tell)
    log = Log(tmp_path / "runs")
    assert set(log.runs) == {"loop", "clu", "flax"}
    scalars = log.scalars()
    points = scalars["loop"]["loss"]
    assert [step for step, _ in points] == list(range(20))
    assert points[-1][1] == stored(loss)
    assert points[-1][1] < points[0][1] / 2
    assert scalars["clu"] == {
        "train/loss": [(step, stored(loss)) for step in range(3)],
        "train/lr": [(step, stored(0.1)) for step in range(3)],
    }
    assert scalars["flax"] == {"train_loss": [(1, stored(loss))]}
    assert log.counts() == {
        "loop": {
            f"{what}/{name}": [(0, size), (10, size)]
            for what in ("params", "grads")
            for name, size in (("in", 32), ("out", 8))
        },
        "clu": {"in": [(3, 32)]},
        "flax": {"out": [(1, 8)]},
    }
    edges = log.tensors("histograms")["clu"]["in"][0][1]
    assert edges.shape == (20, 3)
    assert (edges[0, 0], edges[-1, 1]) == pytest.approx((min(weights), max(weights)))
    shapes = {run: images["weights"][0][1][0].shape for run, images in log.images().items()}
    assert shapes == {"clu": (4, 8), "flax": (4, 8, 3)}
    assert log.texts() == {"clu": {"note": [(3, "done")]}, "flax": {"note": [(1, "done")]}}
    # TensorBoard's hparams API, on which clu and Flax stand, writes no end
    assert log.sessions() == {
        "loop": Session({"lr": 0.1, "units": 8}, "SUCCESS"),
        "clu": Session({"lr": 0.1, "model.units": 8}, None),
        "flax": Session({"lr": 0.1}, None),
    }


def test_every_method_of_clu(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (5, 4, 6, 3), np.uint8)
    frames = RNG.integers(0, 256, (2, 3, 4, 6, 3), np.uint8)
    metadata = SummaryMetadata()
    metadata.plugin_data.plugin_name = "my plugin"
    with tbio.adapters.clu.SummaryWriter(str(tmp_path)) as writer:
        writer.write_scalars(1, {"a": np.float32(0.5), "b": 2, "c": np.array(3)})
        writer.write_images(2, {"many": images, "one": images[0]})
        writer.write_videos(3, {"two": frames, "alone": frames[0]})
        writer.write_audios(4, {"sounds": np.zeros((4, 10, 2), np.float32)}, sample_rate=8000)
        writer.write_texts(5, {"words": "*a*"})
        writer.write_histograms(6, {"x": np.arange(9.0), "y": np.ones(3)}, num_buckets={"x": 3})
        writer.write_pointcloud(
            7, {"cloud": np.zeros((1, 5, 3))}, point_colors={"cloud": np.ones((1, 5, 3))}
        )
        writer.write_summaries(8, {"raw": np.arange(3), "bare": np.ones(2)}, {"raw": metadata})
        writer.write_hparams({"lr": 0.5, "net": {"units": [1, 2], "act": "relu"}, "seed": 3})
        writer.flush()
        writer.write_scalars(9, {"a": 1.5})
    writer.close()
    log = Log(tmp_path)
    assert log.scalars()["."] == {"a": [(1, 0.5), (9, 1.5)], "b": [(1, 2.0)], "c": [(1, 3.0)]}
    ((step, shown),) = log.images()["."]["many"]
    assert (step, np.array_equal(shown, images)) == (2, True)
    ((_, (one,)),) = log.images()["."]["one"]
    assert np.array_equal(one, images[0])
    ((step, (pixels,)),) = log.images()["."]["alone"]
    assert (step, np.array_equal(pixels, frames[0, 0])) == (3, True)
    ((_, (pixels,)),) = log.images()["."]["two"]
    assert np.array_equal(pixels, np.concatenate(frames[:, 0], 1))
    ((step, sounds),) = log.tensors("audio")["."]["sounds"]
    assert (step, sounds.shape) == (4, (4,))
    assert sounds[0].startswith(b"RIFF")
    assert log.texts() == {".": {"words": [(5, "*a*")]}}
    assert log.counts() == {".": {"x": [(6, 9)], "y": [(6, 3)]}}
    assert log.tensors("histograms")["."]["x"][0][1].shape == (3, 3)
    meshes = log.tensors("mesh")["."]
    assert sorted(value.shape for ((_, value),) in meshes.values()) == [(1, 5, 3), (1, 5, 3)]
    assert log.tensors("my plugin")["."]["raw"][0][1].tolist() == [0, 1, 2]
    assert log.sessions() == {
        ".": Session({"lr": 0.5, "net.units": "[1, 2]", "net.act": "relu", "seed": 3}, None)
    }


#: The methods of clu's MetricWriter and their parameters (clu/metric_writers/interface.py).
CLU = {
    "write_summaries": ["step", "values", "metadata"],
    "write_scalars": ["step", "scalars"],
    "write_images": ["step", "images"],
    "write_videos": ["step", "videos"],
    "write_audios": ["step", "audios", "sample_rate"],
    "write_texts": ["step", "texts"],
    "write_histograms": ["step", "arrays", "num_buckets"],
    "write_pointcloud": ["step", "point_clouds", "point_colors", "configs"],
    "write_hparams": ["hparams"],
    "flush": [],
    "close": [],
}
#: Of flax/metrics/tensorboard.py.
FLAX = {
    "scalar": ["tag", "value", "step"],
    "image": ["tag", "image", "step", "max_outputs"],
    "audio": ["tag", "audiodata", "step", "sample_rate", "max_outputs"],
    "histogram": ["tag", "values", "step", "bins"],
    "text": ["tag", "textdata", "step"],
    "write": ["tag", "tensor", "step", "metadata"],
    "hparams": ["hparams"],
    "flush": [],
    "close": [],
}


@pytest.mark.parametrize(
    ("kind", "methods"),
    [(tbio.adapters.clu.SummaryWriter, CLU), (tbio.adapters.flax.SummaryWriter, FLAX)],
)
def test_signatures(kind: Any, methods: dict[str, list[str]]) -> None:
    for name, parameters in methods.items():
        assert list(inspect.signature(getattr(kind, name)).parameters)[1:] == parameters


def test_every_method_of_flax(tmp_path: Path) -> None:
    grey, colour = RNG.integers(0, 256, (4, 6), np.uint8), RNG.integers(0, 256, (4, 6, 3), np.uint8)
    writer = tbio.adapters.flax.SummaryWriter(tmp_path)
    writer.scalar("a", np.array([0.5], np.float32), 1)
    writer.scalar("a", 2, step=2)
    writer.image("grey", grey, 1)
    writer.image("colour", colour, 1)
    writer.image("greys", np.stack([grey] * 5), 1)
    writer.image("colours", np.stack([colour] * 5), 1, max_outputs=4)
    writer.audio("loud", np.full((1, 5, 1), 7.0), 1, sample_rate=8000)
    writer.histogram("x", np.arange(6.0).reshape(2, 3), 1, bins=4)
    writer.text("words", "*a*", 1)
    writer.write("raw", np.arange(3), 1)
    writer.hparams({"lr": 0.5, "net": {"units": 2}})
    # each call waits: everything is on the disk before the writer is closed
    log = Log(tmp_path)
    assert log.scalars() == {".": {"a": [(1, 0.5), (2, 2.0)]}}
    images = {tag: points[0][1] for tag, points in log.images()["."].items()}
    assert np.array_equal(images["grey"], [np.stack([grey] * 3, -1)])
    assert np.array_equal(images["colour"], [colour])
    assert np.array_equal(images["greys"], [np.stack([grey] * 3, -1)] * 3)
    assert np.array_equal(images["colours"], [colour] * 4)
    assert log.tensors("audio")["."]["loud"][0][1][0][-2:] == b"\xff\x7f"
    assert log.tensors("histograms")["."]["x"][0][1].shape == (4, 3)
    assert log.texts() == {".": {"words": [(1, "*a*")]}}
    assert log.sessions() == {".": Session({"lr": 0.5, "net.units": 2}, None)}
    with pytest.raises(ValueError, match="'words': want a str or bytes, got int"):
        writer.text("words", 3, 1)  # type: ignore[arg-type]
    writer.close()
    writer.close()


def test_without_waiting(tmp_path: Path) -> None:
    with tbio.adapters.flax.SummaryWriter(tmp_path, auto_flush=False) as writer:
        for step in range(100):
            writer.scalar("a", step, step)
    assert Log(tmp_path).scalars() == {".": {"a": [(step, step) for step in range(100)]}}


def test_the_default_writer_of_the_thread_is_left_alone(tmp_path: Path) -> None:
    from tbio import summary

    other = summary.create_file_writer(str(tmp_path / "other"))
    with tbio.adapters.clu.SummaryWriter(tmp_path / "own") as writer, other.as_default(step=7):
        writer.write_scalars(1, {"a": 0.5})
        with pytest.raises(TypeError):
            writer.write_scalars(1, {"a": "words"})
        summary.scalar("b", 1.0)
    other.close()
    assert Log(tmp_path).scalars() == {"own": {"a": [(1, 0.5)]}, "other": {"b": [(7, 1.0)]}}
