"""Logs with every method of torch's SummaryWriter, in the manner of its documentation.

    python dropin_torch.py MODULE LOGDIR

MODULE is where ``SummaryWriter`` is imported from: ``torch.utils.tensorboard`` or ``tbio``. What is
logged is torch's tensors where torch can be imported, and numpy's arrays otherwise, without the
model.
"""

from __future__ import annotations

import colorsys
import importlib
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

try:
    import torch
except ImportError:
    torch = None

RNG = np.random.default_rng(0)


def tensor(array: Any) -> Any:
    """An array as the script's tensors are."""
    array = np.asarray(array)
    return array if torch is None else torch.from_numpy(array.copy())


def scalars(writer: Any) -> None:
    for n in range(20):
        writer.add_scalar("Loss/train", 1 / (n + 1), n)
        writer.add_scalar("Loss/test", 1.2 / (n + 1), n)
        writer.add_scalar("Accuracy/train", tensor(1 - 1 / (n + 1)), n)
        writer.add_scalar("new style", n**2, n, new_style=True)
        writer.add_scalar("double", math.sin(n), n, None, False, True)
    r = 5
    for i in range(20):
        waves = {"xsinx": i * np.sin(i / r), "xcosx": i * np.cos(i / r), "tanx": np.tan(i / r)}
        writer.add_scalars("run_14h", waves, i)


def tensors(writer: Any) -> None:
    for step in range(3):
        writer.add_tensor("weights/raw", tensor(RNG.normal(size=(2, 3)).astype(np.float32)), step)


def histograms(writer: Any) -> None:
    for i in range(10):
        x = RNG.standard_normal(1000)
        writer.add_histogram("distribution centers", x + i, i)
        writer.add_histogram("auto", tensor(x * i), i, bins="auto")
        writer.add_histogram("few", x - i, i, "sturges", max_bins=5)
    values = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    counts, limits = np.histogram(values)
    for i in range(3):
        writer.add_histogram_raw(
            tag="histogram_with_raw_data",
            min=values.min(),
            max=values.max(),
            num=len(values),
            sum=values.sum(),
            sum_squares=values.dot(values),
            bucket_limits=limits[1:].tolist(),
            bucket_counts=counts.tolist(),
            global_step=i,
        )


def gradient() -> Any:
    """An image [3, 100, 100]: red and green."""
    image = np.zeros((3, 100, 100))
    image[0] = np.arange(0, 10000).reshape(100, 100) / 10000
    image[1] = 1 - np.arange(0, 10000).reshape(100, 100) / 10000
    return image


def images(writer: Any) -> None:
    image = gradient()
    writer.add_image("my_image", tensor(image), 0)
    writer.add_image("my_image_HWC", image.transpose(1, 2, 0), 0, dataformats="HWC")
    writer.add_image("gray", (image[0] * 255).astype(np.uint8), 0, dataformats="HW")
    batch = np.zeros((16, 3, 100, 100))
    for i in range(16):
        batch[i, 0] = np.arange(0, 10000).reshape(100, 100) / 10000 / 16 * i
        batch[i, 1] = (1 - np.arange(0, 10000).reshape(100, 100) / 10000) / 16 * i
    writer.add_images("my_image_batch", tensor(batch), 0)
    boxes = np.array([[10, 10, 40, 40], [50, 20, 90, 70]])
    writer.add_image_with_boxes("boxes", image, boxes, 0, None, 1, "CHW", ["cat", "dog"])
    writer.add_image_with_boxes("boxes twice the size", tensor(image), tensor(boxes), 0, rescale=2)


def figures(writer: Any) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made = []
    for n in range(3):
        figure, axes = plt.subplots(figsize=(3, 2))
        axes.plot([n, 2, 1], label=f"line {n}")
        axes.legend()
        made.append(figure)
    writer.add_figure("figure", made[0], 0, close=False)
    writer.add_figure("figures", made, 0)


def video(writer: Any) -> None:
    """A square that goes to the right, in two colours side by side."""
    frames = np.zeros((2, 8, 3, 32, 32), np.uint8)
    for n in range(8):
        frames[0, n, 0, 10:20, 3 * n : 3 * n + 8] = 255
        frames[1, n, 1, 10:20, 3 * n : 3 * n + 8] = 255
    writer.add_video("video", tensor(frames), 0, fps=8)


def audio(writer: Any) -> None:
    time = np.arange(8000) / 8000
    for step, hertz in enumerate((440, 880)):
        sound = 0.5 * np.sin(2 * np.pi * hertz * time)
        writer.add_audio("tone", tensor(sound[np.newaxis].astype(np.float32)), step, 8000)


def text(writer: Any) -> None:
    writer.add_text("lstm", "This is an lstm", 0)
    writer.add_text("rnn", "This is an *rnn*\n\n| a | b |\n|---|---|\n| 1 | 2 |", 10)


def curves(writer: Any) -> None:
    labels = RNG.integers(2, size=100)
    for step in range(3):
        predictions = np.clip(labels * 0.2 * step + RNG.random(100) * (1 - 0.2 * step), 0, 1)
        writer.add_pr_curve("pr_curve", labels, predictions, step)
        writer.add_pr_curve("weighted", tensor(labels), tensor(predictions), step, 50, np.ones(100))
    true_positives = [75, 64, 21, 5, 0]
    false_positives = [150, 105, 18, 0, 0]
    true_negatives = [0, 45, 132, 150, 150]
    false_negatives = [0, 11, 54, 70, 75]
    precision = [0.3333333, 0.3786982, 0.5384616, 1.0, 0.0]
    recall = [1.0, 0.8533334, 0.28, 0.0666667, 0.0]
    writer.add_pr_curve_raw(
        "prcurve with raw data",
        true_positives,
        false_positives,
        true_negatives,
        false_negatives,
        precision,
        recall,
        0,
        num_thresholds=5,
    )


def custom_scalars(writer: Any) -> None:
    for n in range(20):
        writer.add_scalar("dow", 100 + n, n)
        writer.add_scalar("dow/low", 95 + n, n)
        writer.add_scalar("dow/high", 108 + n, n)
        writer.add_scalar("nikkei", 100 + 3 * n, n)
    layout = {
        "Taiwan": {"twse": ["Multiline", ["twse/0050", "twse/2330"]]},
        "USA": {
            "dow": ["Margin", ["dow", "dow/low", "dow/high"]],
            "losses": ["Multiline", ["Loss/train", "Loss/test"]],
        },
    }
    writer.add_custom_scalars(layout)


def other_custom_scalars(writer: Any) -> None:
    writer.add_custom_scalars_multilinechart(["Loss/.*"], "mine", "losses")


def last_custom_scalars(writer: Any) -> None:
    writer.add_custom_scalars_marginchart(["Loss/train", "Loss/test", "Loss/train"])


def mesh(writer: Any) -> None:
    vertices = tensor(np.array([[[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]], np.float32))
    colors = tensor(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]]]))
    faces = tensor(np.array([[[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]]]))
    writer.add_mesh("my_mesh", vertices=vertices, colors=colors, faces=faces)
    config = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    for step in range(2):
        cloud = tensor(RNG.normal(size=(1, 200, 3)).astype(np.float32))
        writer.add_mesh("cloud", cloud, config_dict=config, global_step=step)


def hparams(writer: Any) -> None:
    for i in range(5):
        writer.add_hparams(
            {"lr": 0.1 * i, "bsize": i, "bias": i % 2 == 0, "name": f"net {i}"},
            {"hparam/accuracy": 10 * i, "hparam/loss": 10 * i},
        )
    domain = {"optimizer": ["adam", "sgd"]}
    writer.add_hparams({"optimizer": "sgd"}, {"hparam/loss": 0.5}, domain, "named", 3)


def embeddings(writer: Any) -> None:
    words = ["Größe", "cat\tdog", "train", "a long word", "z", "x"]
    meta = [words[i % len(words)] for i in range(100)]
    label_img = np.zeros((100, 3, 10, 32), np.float32)
    for i in range(100):
        label_img[i] = np.array(colorsys.hsv_to_rgb(i / 100, 1, 1))[:, np.newaxis, np.newaxis]
    points = tensor(RNG.normal(size=(100, 5)))
    writer.add_embedding(points, metadata=meta, label_img=tensor(label_img))
    writer.add_embedding(points, label_img=tensor(label_img), global_step=1, tag="colours")
    rows = [[word, str(n)] for n, word in enumerate(meta)]
    writer.add_embedding(points, rows, None, 2, "rows/of labels", ["word", "number"])


def graph(writer: Any) -> None:
    if torch is None:
        return

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3)
            self.layers = torch.nn.Sequential(torch.nn.Linear(4 * 26 * 26, 16), torch.nn.ReLU())
            self.head = torch.nn.Linear(16, 10)

        def forward(self, x: Any) -> Any:
            x = torch.relu(self.conv(x)).flatten(1)
            return torch.log_softmax(self.head(self.layers(x)), dim=1)

    writer.add_graph(Net(), torch.rand(2, 1, 28, 28), verbose=False)


def onnx_graph(writer: Any) -> None:
    """An ONNX file by hand: ``b = Relu(a)``."""
    node = b"\x0a\x01a\x12\x01b\x1a\x05first\x22\x04Relu"
    value = b"\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x02\x0a\x02\x08\x03"  # float [2, 3]
    ends = (
        bytes([field, 3 + len(value), 0x0A, 1, ord(name)]) + value
        for field, name in ((0x5A, "a"), (0x62, "b"))
    )
    made = b"\x0a" + bytes([len(node)]) + node + b"\x12\x01g" + b"".join(ends)
    model = b"\x08\x08\x42\x04\x0a\x00\x10\x11\x3a" + bytes([len(made)]) + made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        path.write_bytes(model)
        writer.add_onnx_graph(str(path))


def main(module: str, logdir: str) -> None:
    summary_writer = importlib.import_module(module).SummaryWriter
    with summary_writer(
        log_dir=logdir, max_queue=20, flush_secs=60, filename_suffix=".x"
    ) as writer:
        for log in (scalars, tensors, histograms, images, figures, audio, text, curves):
            log(writer)
        for log in (custom_scalars, mesh, hparams, embeddings, video, graph):
            log(writer)
        writer.flush()
        if writer.get_logdir() != logdir:
            raise SystemExit(f"get_logdir() is {writer.get_logdir()}")
    # Each of these has a run of its own: TensorBoard has one graph a run, and torch's writer one
    # layout. (And torch's own needs the package onnx for the first.)
    if torch is None or module == "tbio":
        with summary_writer(f"{logdir}/onnx", "ignored", None) as writer:
            onnx_graph(writer)
    for name, log in (("other", other_custom_scalars), ("last", last_custom_scalars)):
        with summary_writer(f"{logdir}/{name}") as writer:
            log(writer)
    # Going on after close(), and after a crash.
    writer = summary_writer(f"{logdir}/resumed")
    for step in range(10):
        writer.add_scalar("Loss/train", 1, step)
    writer.close()
    writer.add_scalar("Loss/train", 1, 10)
    writer.close()
    writer = summary_writer(f"{logdir}/resumed", purge_step=5)
    writer.add_scalar("Loss/train", 2, 5)
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
