"""Trainings with Keras and `tbio.keras.TensorBoard`, as TensorBoard shows them.

On JAX with ``--full``, on torch with ``--adapters``; each in a process where TensorFlow cannot be
imported (`keras_fits`).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_words import WORDS
from PIL import Image
from tensorboard_server import TensorBoardServer

import tbio
from tbio import tensor

TESTS = Path(__file__).parent
BACKENDS = [
    pytest.param("jax", marks=pytest.mark.full),
    pytest.param("torch", marks=pytest.mark.adapters),
]
RUNS = ("train", "validation")


def started(backend: str, *command: str) -> subprocess.Popen[str]:
    path = os.pathsep.join((str(TESTS.parent), str(TESTS)))
    return subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path},
    )


def fitted(backend: str, name: str, folder: Path) -> Any:
    """What a training of `keras_fits` has to tell."""
    with started(backend, str(TESTS / "keras_fits.py"), name, str(folder)) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_page_has_its_data(backend: str, tmp_path: Path) -> None:
    """And TensorBoard, which was there before, shows the first epoch while the training waits."""
    fit = started(backend, str(TESTS / "keras_fits.py"), "texts", str(tmp_path))
    with TensorBoardServer(tmp_path, "rustboard") as server, fit:
        assert fit.stdin is not None
        assert fit.stdout is not None
        assert fit.stderr is not None
        try:
            line = fit.stdout.readline()
            assert line == "paused\n", fit.stderr.read()
            scalars = "/data/plugin/scalars/scalars"
            for run in RUNS:
                shown = server.wait_for(scalars, bool, run=run, tag="epoch_loss")
                assert [step for _, step, _ in shown] == [0]
            _, err = fit.communicate("\n", timeout=300)
            assert fit.returncode == 0, err
        finally:
            fit.kill()
        server.wait_for(scalars, lambda points: len(points) == 3, run="train", tag="epoch_loss")
        check_scalars(server)
        check_histograms(server)
        check_images(server)
        check_graph(server)
        check_projector(server)


def check_scalars(server: TensorBoardServer) -> None:
    tags = server.json("/data/plugin/scalars/tags")
    logs = {"loss", "accuracy"}
    epoch = {f"epoch_{log}" for log in logs}
    assert set(tags["train"]) == epoch | {f"batch_{log}" for log in logs} | {
        *("epoch_learning_rate", "epoch_steps_per_second", "batch_steps_per_second")
    }
    iterations = {f"evaluation_{log}_vs_iterations" for log in logs}
    assert set(tags["validation"]) == epoch | iterations
    steps = {
        ("train", "epoch_accuracy"): [0, 1, 2],
        ("train", "batch_loss"): [2, 4, 6, 8],  # three batches an epoch
        ("validation", "epoch_loss"): [0, 1, 2],
        ("validation", "evaluation_loss_vs_iterations"): [3, 6, 9],
    }
    for (run, tag), want in steps.items():
        points = server.json("/data/plugin/scalars/scalars", run=run, tag=tag)
        assert [step for _, step, _ in points] == want
        assert all(0 <= value < 10 for _, _, value in points)


WEIGHTS = ("words/embeddings", "conv/kernel", "conv/bias", "good/kernel", "good/bias")


def check_histograms(server: TensorBoardServer) -> None:
    tags = server.json("/data/plugin/histograms/tags")["train"]
    weights = {f"net/{weight}" for weight in WEIGHTS}
    outputs = {f"{layer}_out" for layer in ("words", "conv", "pool", "good")}
    assert (
        set(tags) == {f"{w}/histogram" for w in weights} | {f"{w}_grad" for w in weights} | outputs
    )
    counts = {"net/conv/kernel/histogram": 60, "net/conv/kernel_grad": 60, "conv_out": 8 * 10 * 5}
    for tag, count in counts.items():
        points = server.json("/data/plugin/histograms/histograms", run="train", tag=tag)
        assert [step for _, step, _ in points] == [0, 1, 2]
        for _, _, buckets in points:
            assert len(buckets) == 30
            assert sum(bucket[2] for bucket in buckets) == count


def check_images(server: TensorBoardServer) -> None:
    tags = server.json("/data/plugin/images/tags")["train"]
    # the bias of "good" is one number, which is no image
    assert set(tags) == {f"net/{weight}/image" for weight in WEIGHTS[:4]}
    sizes = {"conv/kernel": (4, 3), "words/embeddings": (30, 4), "conv/bias": (1, 5)}
    for weight, size in sizes.items():
        (sample, *_) = server.json(
            "/data/plugin/images/images", run="train", tag=f"net/{weight}/image", sample=0
        )
        file = server.get(f"/data/plugin/images/individualImage?{sample['query']}")
        with Image.open(io.BytesIO(file)) as image:
            assert image.size == size
    assert tags["net/conv/kernel/image"]["samples"] == 3


def check_graph(server: TensorBoardServer) -> None:
    info = server.json("/data/plugin/graphs/info")
    assert info["train"]["tags"]["keras"]["conceptual_graph"]
    shown = server.get("/data/plugin/graphs/graph", run="train", tag="keras", conceptual="true")
    for layer in ("words", "conv", "pool", "good"):
        assert f'name: "net/{layer}"'.encode() in shown


def check_projector(server: TensorBoardServer) -> None:
    route = "/data/plugin/projector"
    assert server.wait_for(f"{route}/runs", bool) == ["train"]
    entries = server.json(f"{route}/info", run="train")["embeddings"]
    names = [f"words:0000{epoch}" for epoch in range(3)]
    assert [entry["tensorName"] for entry in entries] == names
    tables = []
    for name in names:
        labels = server.get(f"{route}/metadata", run="train", name=name).decode()
        assert labels.splitlines() == WORDS
        data = server.get(f"{route}/tensor", run="train", name=name)
        tables.append(np.frombuffer(data, np.float32).reshape(len(WORDS), 4))
    assert not np.array_equal(tables[0], tables[2])  # it has learned


# ------------------------------------------------------------------ beside Keras's own files


@pytest.mark.full
def test_events_are_those_of_keras(corpus: Path, tmp_path: Path) -> None:
    """The same training under TensorFlow, of Keras's callback: run, tag, step, plugin, shape."""
    kernel = np.array(fitted("jax", "pictures", tmp_path), np.float32)
    theirs = corpus / "peers" / "tensorflow" / "keras"
    for run in RUNS:
        assert described(tmp_path / run) == described(theirs / run)
    train = tbio.open(tmp_path)["train"]
    images = train.images["sequential/conv/kernel/image"]
    for place, sample in enumerate(images.samples(-1)):
        drawn = np.clip(kernel[:, :, 0, place] * 255.5, 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(sample.to_array()[:, :, 0], drawn)
    (*_, counted) = train.histograms["sequential/conv/kernel/histogram"]
    assert (counted.edges[0], counted.edges[-1]) == (kernel.min(), kernel.max())


def described(folder: Path) -> set[tuple[Any, ...]]:
    found: set[tuple[Any, ...]] = set()
    plugins: dict[str, Any] = {}
    for path in folder.glob("*tfevents*"):
        for event in tbio.read_events(path):
            for value in event.summary.value:
                if value.HasField("metadata"):
                    plugins[value.tag] = value.metadata.plugin_data
                plugin = plugins[value.tag]
                array = tensor.decode(value.tensor)
                found.add((value.tag, event.step, plugin.plugin_name, plugin.content, array.shape))
    return found


# ------------------------------------------------------------------ gradients, models of all kinds


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_what_the_training_goes_by(backend: str, tmp_path: Path) -> None:
    assert fitted(backend, "gradients", tmp_path) == sorted(f"net/{w}_grad" for w in WEIGHTS)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_training_does_not_notice_that_it_is_logged(backend: str, tmp_path: Path) -> None:
    silent, logged = fitted(backend, "unnoticed", tmp_path)
    assert logged == silent
    train = tbio.open(tmp_path)["train"]
    assert train.scalars["epoch_3"].values.tolist() == [1.5] * 3
    assert {"words_out", "words/embeddings_grad", "words/embeddings/histogram"} <= {
        tag.rpartition("functional/")[2] for tag in train.histograms
    }
    assert len(train.embeddings) == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_models_and_trainings_of_all_kinds(backend: str, tmp_path: Path) -> None:
    warned = fitted(backend, "odd", tmp_path)
    # of what was wrong each thing is told once, and the rest is logged
    begins = (
        "no gradients: ",
        "no activations: ",
        "the embedding 'words': no labels: ",
        "no embeddings: no layer of the model is an Embedding",
        "no embeddings: what the layer 'places' gives cannot be had",
    )
    assert len(warned) == len(begins)
    for one, begin in zip(warned, begins, strict=True):
        assert one.startswith(begin)
    logs = tbio.open(tmp_path)
    assert logs["bad/train"].scalars["epoch_loss"].steps.tolist() == [0, 1]
    assert len(logs["bad/train"].embeddings) == 2
    # a model of a class of its own
    assert edges(logs["traced/train"]) == {
        ("traced/table", "traced/mean"),
        ("traced/mean", "traced/out"),
        ("traced/inputs", "traced/table"),
    }
    assert edges(logs["closed/train"]) == set()
    assert {node.name for node in graph_of(logs["closed/train"])} == {"closed/table", "closed/out"}
    for name in ("traced", "closed"):
        assert {f"{name}/table/embeddings_grad", f"{name}/out/kernel/histogram"} <= set(
            logs[f"{name}/train"].histograms
        )
        assert list(logs[f"{name}/train"].embeddings) == ["table:00000"]
    # of a class of its own, but made of inputs and outputs
    made = logs["made/train"]
    assert ("made/given", "made/inner") in edges(made)
    assert ("made/flat", "made/end") in edges(made)
    names = {"words", "places", "words_2"}
    assert set(made.embeddings) == {f"{name}:0000{epoch}" for name in names for epoch in (0, 1)}
    # whose gradients are those of what it was compiled for last
    first, second = made.histograms["end/kernel_grad"]
    assert first.edges[0] < first.edges[-1]
    assert second.edges[0] == second.edges[-1] == 0
    assert made.histograms["inner/words/embeddings_grad"].steps.tolist() == [0, 1]
    assert made.histograms["other/words/embeddings_grad"].steps.tolist() == [0]
    # three fits that go on, of six batches each, the last one by another callback
    resumed = logs["resumed/train"]
    assert sorted(resumed.scalars["epoch_loss"].steps) == [0, 1, 2]
    assert sorted(resumed.scalars["batch_loss"].steps) == list(range(2, 19, 2))
    assert len(resumed.histograms["net/words/embeddings/histogram"]) == 3
    evaluated = logs["resumed/validation"].scalars["evaluation_loss_vs_iterations"]
    assert evaluated.steps.tolist() == [6]
    # outputs as points, of several inputs
    two = logs["two/train"]
    outputs = {name for name in two.histograms if name.endswith("_out")}
    # but not of "taken", which another model was made of first
    assert outputs == {"shared_out", "joined_out", "inner_out", "flat_out", "end_out"}
    profile = {"jax": "plugins/profile/*/*.xplane.pb", "torch": "*.pt.trace.json"}[backend]
    assert list((tmp_path / "two" / "train").glob(profile))
    (points,) = two.embeddings.values()
    assert points.tensor.shape == (48, 36)
    assert points.metadata["label"][:2] == ["text 0", "text 1"]


def graph_of(run: tbio.Run) -> Any:
    graph = run.graph
    assert graph is not None
    return graph.nodes


def edges(run: tbio.Run) -> set[tuple[str, str]]:
    return {(source, node.name) for node in graph_of(run) for source in node.inputs}


# ------------------------------------------------------------------ the page of the docs


@pytest.mark.full
def test_the_page_runs_as_it_stands(tmp_path: Path) -> None:
    words = "import pathlib, doc_pages; doc_pages.run_page('keras.md', pathlib.Path.cwd())"
    with started("jax", "-c", f"import os; os.chdir({str(tmp_path)!r}); {words}") as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    from tensorboard_readers import by_plugin_accumulator

    shown = by_plugin_accumulator(tmp_path / "logs")
    assert {"scalars", "histograms", "graph_keras_model"} <= set(shown["train"])
    assert "epoch_loss" in shown["validation"]["scalars"]
    history = by_plugin_accumulator(tmp_path / "from_history")
    assert len(history["train"]["scalars"]["epoch_loss"]) == 2
    monitor = by_plugin_accumulator(tmp_path / "remote_logs")
    assert len(monitor["first/validation"]["scalars"]["epoch_loss"]) == 2
    (first, *_) = tbio.open(tmp_path / "logs")["train"].embeddings.values()
    assert first.metadata["label"][:4] == WORDS[:4]
