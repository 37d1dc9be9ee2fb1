"""Logs with every method of tensorboardX's SummaryWriter, in the manner of its examples.

    python dropin_tensorboardx.py MODULE LOGDIR

MODULE is where ``SummaryWriter`` and ``GlobalSummaryWriter`` are imported from: ``tensorboardX`` or
``tbio``. Without torch, the model is left out.
"""

from __future__ import annotations

import importlib
import json
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
RATES = [220.0, 440.0, 660.0]

XML = """<?xml version="1.0"?>
<net name="small" version="11">
  <layers>
    <layer id="0" name="input" type="Parameter"><data shape="1,3" element_type="f32"/>
      <output><port id="0" precision="FP32"><dim>1</dim><dim>3</dim></port></output></layer>
    <layer id="1" name="body/act" type="ReLU">
      <input><port id="0"><dim>1</dim><dim>3</dim></port></input>
      <output><port id="1" precision="FP32"><dim>1</dim><dim>3</dim></port></output></layer>
    <layer id="2" name="output" type="Result">
      <input><port id="0"><dim>1</dim><dim>3</dim></port></input></layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>
    <edge from-layer="1" from-port="1" to-layer="2" to-port="0"/>
  </edges>
</net>
"""


def scalars(writer: Any, folder: Path) -> None:
    for n in range(20):
        # display_name and summary_description in the fifth and sixth place
        writer.add_scalar("data/named", n * 0.5, n, None, "A name", "*words* about it")
        writer.add_scalar("data/scalar1", RNG.random(), n)
        group = {"xsinx": n * np.sin(n), "xcosx": n * np.cos(n), "arctanx": np.arctan(n)}
        writer.add_scalars("data/scalar_group", group, n)
    writer.export_scalars_to_json(str(folder / "all_scalars.json"))
    exported = json.loads((folder / "all_scalars.json").read_text())
    if [len(points) for points in exported.values()] != [20, 20, 20]:
        raise SystemExit(f"export_scalars_to_json: {sorted(exported)}")


def steps(writer: Any) -> None:
    """The step and the time of several calls, said once."""
    for n in range(5):
        with writer.use_metadata(global_step=n, walltime=1_700_000_000 + n):
            writer.add_scalar("data/by use_metadata", n)
            writer.add_text("text/by use_metadata", f"step {n}")


def images(writer: Any) -> None:
    for n in range(3):
        x = RNG.random((3, 64, 96)).astype(np.float32)
        writer.add_image("Image", x, n)
        writer.add_image("imagehwc", x.transpose(1, 2, 0), n, None, "HWC")
        writer.add_images("Images", RNG.integers(256, size=(10, 3, 16, 16), dtype=np.uint8), n)
        # dataformats and labels in the sixth and seventh place
        boxes = np.array([[10, 10, 40, 40], [40, 40, 60, 60]])
        writer.add_image_with_boxes("imagebox", x, boxes, n, None, "CHW", ["a", "b"])
        writer.add_image_with_boxes("imagebox plain", x.transpose(1, 2, 0), boxes, n, None, "HWC")
        writer.add_image_with_boxes("imagebox large", x, boxes, n, rescale=2)


def figures(writer: Any) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure()
    figure.gca().plot([0, 1, 0], "r")
    writer.add_figure("matplotlib", figure, 0, True)


def video(writer: Any) -> None:
    frames = RNG.integers(256, size=(1, 4, 3, 24, 32), dtype=np.uint8)
    writer.add_video("video", frames, 0, 2)
    writer.add_video("video NTHWC", frames.transpose(0, 1, 3, 4, 2), 0, 2, None, "NTHWC")


def audio(writer: Any) -> None:
    time = np.arange(4000) / 8000
    for n, hertz in enumerate(RATES):
        sound = np.cos(2 * math.pi * hertz * time)
        writer.add_audio("myAudio", sound, n, 8000)
        writer.add_audio("stereo", np.stack([sound, -sound], 1) / 2, n, sample_rate=8000)


def text(writer: Any) -> None:
    for n in range(3):
        writer.add_text("Text", f"text logged at step: {n}", n)
    writer.add_text("markdown", "a|b\n-|-\nc|d", 0)


def histograms(writer: Any) -> None:
    for n in range(10):
        values = RNG.normal(n, 1, 1000)
        writer.add_histogram("hist", values, n)
        writer.add_histogram("hist auto", values, n, "auto", None, 20)
    counts, limits = np.histogram([1.0, 2.0, 3.0], bins=3)
    writer.add_histogram_raw(
        "hist raw", 1.0, 3.0, 3, 6.0, 14.0, limits[1:].tolist(), counts.tolist(), 0
    )


def curves(writer: Any) -> None:
    for n in range(3):
        writer.add_pr_curve("xoxo", RNG.integers(2, size=100), RNG.random(100), n)
    writer.add_pr_curve_raw(
        "prcurve with raw data",
        [75, 64, 21, 5, 0],
        [150, 105, 18, 0, 0],
        [0, 45, 132, 150, 150],
        [0, 11, 54, 70, 75],
        [0.3333333, 0.3786982, 0.5384616, 1.0, 0.0],
        [1.0, 0.8533334, 0.28, 0.0666667, 0.0],
        0,
    )


def custom_scalars(writer: Any) -> None:
    for n in range(5):
        for tag, value in (("dow", 50), ("nikkei", 40), ("low", 45), ("high", 55)):
            writer.add_scalar(f"markets/{tag}", value + n, n)
    writer.add_custom_scalars_multilinechart(["markets/dow", "markets/nikkei"], "first", "lines")
    writer.add_custom_scalars_marginchart(["markets/dow", "markets/low", "markets/high"])
    writer.add_custom_scalars({"USA": {"dow": ["Multiline", ["markets/dow"]]}})


def mesh(writer: Any) -> None:
    vertices = np.array([[[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]], dtype=float)
    colors = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 0, 255]]], dtype=int)
    faces = np.array([[[0, 2, 3], [0, 3, 1], [0, 1, 2], [1, 3, 2]]], dtype=int)
    writer.add_mesh("my_mesh", vertices, colors, faces)
    writer.add_mesh("my_cloud", vertices, colors, None, {"material": {"size": 0.2}}, 1)


def hparams(writer: Any) -> None:
    writer.add_hparams({"lr": 0.1, "bsize": 1}, {"hparam/accuracy": 10, "hparam/loss": 10})
    # name and global_step in the third and fourth place
    writer.add_hparams({"lr": 0.2, "bsize": 2}, {"hparam/accuracy": 20}, "named", 4)
    writer.add_hparams({"lr": 0.3, "net": "cnn"}, {"hparam/accuracy": 30}, name="other")


def embeddings(writer: Any) -> None:
    points = RNG.normal(size=(60, 4))
    labels = [f"label {n % 7}" for n in range(60)]
    pictures = RNG.random((60, 3, 8, 8))
    writer.add_embedding(points, labels, pictures, 0)
    writer.add_embedding(points + 1, labels, None, 1, "second", None)
    rows = [[label, n] for n, label in enumerate(labels)]
    writer.add_embedding(points, rows, tag="rows", metadata_header=["label", "number"])


def graph(writer: Any) -> None:
    if torch is None:
        return
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    writer.add_graph(model, (torch.rand(1, 3),))


def openvino_graph(writer: Any, folder: Path) -> None:
    path = folder / "small.xml"
    path.write_text(XML)
    writer.add_openvino_graph(str(path))


def onnx_graph(writer: Any, folder: Path) -> None:
    """An ONNX file by hand: ``b = Relu(a)``."""
    node = b"\x0a\x01a\x12\x01b\x1a\x05first\x22\x04Relu"
    value = b"\x12\x0e\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x02\x0a\x02\x08\x03"  # float [2, 3]
    ends = (
        bytes([field, 3 + len(value), 0x0A, 1, ord(name)]) + value
        for field, name in ((0x5A, "a"), (0x62, "b"))
    )
    made = b"\x0a" + bytes([len(node)]) + node + b"\x12\x01g" + b"".join(ends)
    path = folder / "net.onnx"
    path.write_bytes(b"\x08\x08\x42\x04\x0a\x00\x10\x11\x3a" + bytes([len(made)]) + made)
    writer.add_onnx_graph(str(path))


def one_for_all(global_writer: Any, logdir: str) -> None:
    """The writer that counts steps itself."""
    writer = global_writer(f"{logdir}/global", coalesce_process=False)
    for n in range(3):
        same = global_writer.getSummaryWriter()
        same.add_scalar("counted", n * 0.5)
        same.add_image("counted image", RNG.random((3, 8, 8)))
        same.add_text("counted text", f"call {n}")
    writer.file_writer.flush()
    writer.close()


def main(module: str, logdir: str) -> None:
    imported = importlib.import_module(module)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with imported.SummaryWriter(logdir=logdir, comment="none", flush_secs=2) as writer:
            scalars(writer, folder)
            for log in (steps, images, figures, text, histograms, curves, custom_scalars):
                log(writer)
            for log in (mesh, hparams, embeddings, audio, video, graph):
                log(writer)
            writer.flush()
            if writer.file_writer.get_logdir() != logdir or writer.logdir != logdir:
                raise SystemExit(f"the folder is {writer.logdir}")
        with imported.SummaryWriter(f"{logdir}/openvino") as writer:
            openvino_graph(writer, folder)
        with imported.SummaryWriter(f"{logdir}/onnx") as writer:
            onnx_graph(writer, folder)
        with imported.SummaryWriter(f"{logdir}/nothing", write_to_disk=False) as writer:
            writer.add_scalar("nowhere", 1, 1)
    one_for_all(imported.GlobalSummaryWriter, logdir)


if __name__ == "__main__":
    main(*sys.argv[1:])
