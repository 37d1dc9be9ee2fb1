"""``tbio.summary`` under libraries that were written for ``tf.summary``, without TensorFlow."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_log import events_in
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util
from tensorboard_readers import by_plugin_accumulator, by_rustboard

from tbio import summary

ROOT = Path(__file__).parent.parent


def run(code: str, folder: Path, **environment: str) -> None:
    """Run code in a process of its own, which gets the folder as its first argument."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def events(folder: Path) -> list[Event]:
    paths = sorted(folder.glob("*tfevents*"))
    return [event for path in paths for event in events_in(path) if event.summary.value]


def arrays(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Tag -> steps and arrays."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            pair = event.step, tensor_util.make_ndarray(value.tensor)
            found.setdefault(value.tag, []).append(pair)
    return found


# ------------------------------------------------------------------ Keras

KERAS = """
    import sys
    sys.modules["tensorflow"] = None  # which makes its import fail
    try:
        import tensorflow
    except ModuleNotFoundError:
        pass
    else:
        raise SystemExit("there is a TensorFlow")

    import keras
    import numpy as np
    import tbio.summary
    from tbio.proto.summary_pb2 import SummaryMetadata

    class TensorBoard(keras.callbacks.TensorBoard):
        def _write_keras_model_summary(self):
            metadata = SummaryMetadata()
            metadata.plugin_data.plugin_name = "graph_keras_model"
            metadata.plugin_data.content = b"1"
            with self._train_writer.as_default():
                tbio.summary.write("keras", self.model.to_json(), step=0, metadata=metadata)

    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    words, labels = rng.integers(0, 30, (64, 8)), rng.integers(0, 2, 64)
    model = keras.Sequential([
        keras.Input((8,), dtype="int32"),
        keras.layers.Embedding(30, 4, name="embedding"),
        keras.layers.Conv1D(3, 3, name="conv"),
        keras.layers.GlobalMaxPooling1D(),
        keras.layers.Dense(1, activation="sigmoid", name="dense"),
    ])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    callback = TensorBoard(
        sys.argv[1], histogram_freq=1, write_graph=True, write_images=True,
        update_freq="batch", write_steps_per_second=True,
    )
    callback._summary_module = tbio.summary
    model.fit(
        words, labels, epochs=2, batch_size=16, verbose=0,
        validation_data=(words[:16], labels[:16]), callbacks=[callback],
    )
"""


@pytest.mark.full
def test_keras_own_callback_on_jax(tmp_path: Path) -> None:
    run(KERAS, tmp_path, KERAS_BACKEND="jax")
    shown = by_rustboard(tmp_path)
    assert shown.keys() == by_plugin_accumulator(tmp_path).keys() == {"train", "validation"}
    train = {plugin: set(tags) for plugin, tags in shown["train"].items()}
    logs = ("accuracy", "loss")
    assert train["scalars"] == {
        *(f"{when}_{log}" for when in ("batch", "epoch") for log in (*logs, "steps_per_second")),
        "epoch_learning_rate",
    }
    weights = {
        "sequential/embedding/embeddings",
        *(f"sequential/{layer}/{one}" for layer in ("conv", "dense") for one in ("kernel", "bias")),
    }
    assert train["histograms"] == {f"{weight}/histogram" for weight in weights}
    # Keras leaves out what has one element
    assert train["images"] == {f"{weight}/image" for weight in weights} - {
        "sequential/dense/bias/image"
    }
    assert train["graph_keras_model"] == {"keras"}
    points = shown["train"]["scalars"]
    assert [point.step for point in points["batch_loss"]] == list(range(1, 9))
    assert [point.step for point in points["epoch_loss"]] == [0, 1]
    rates = [point.value for point in points["epoch_learning_rate"]]
    assert rates == [float(np.float32(0.001))] * 2
    validation = shown["validation"]["scalars"]
    assert set(validation) == {
        *(f"epoch_{log}" for log in logs),
        *(f"evaluation_{log}_vs_iterations" for log in logs),
    }
    assert [point.step for point in validation["evaluation_loss_vs_iterations"]] == [4, 8]


# ------------------------------------------------------------------ values of any framework


def log_all(folder: Path, convert: Any) -> list[Event]:
    batch = np.random.default_rng(3).random((2, 4, 5, 3)).astype("f")
    step = np.array(3)
    writer = summary.create_file_writer(folder)
    with writer.as_default():
        summary.experimental.set_step(convert(step))
        summary.scalar("scalar", convert(np.array(0.25, "f")))
        summary.image("image", convert(batch))
        summary.histogram("histogram", convert(batch))
        summary.audio("audio", convert(batch[0]), 8000)
        summary.write("tensor", convert(batch))
        summary.pr_curve("curve", convert((batch > 0.5).astype("i4")), convert(batch))
        summary.mesh("mesh", convert(batch[0]), colors=convert(batch[0]))
        summary.experimental.set_step(None)
    writer.close()
    found = events(folder)
    for event in found:
        event.ClearField("wall_time")
    return found


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
@pytest.mark.parametrize("framework", ["torch", "torch with gradients", "jax", "keras"])
def test_arrays_of_frameworks(
    tmp_path: Path, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same events as those of numpy's arrays."""
    if framework.startswith("torch"):
        torch: Any = pytest.importorskip("torch")

        def convert(array: Any) -> Any:
            grown = torch.from_numpy(array)
            return grown.requires_grad_() if " " in framework and array.dtype == "f" else grown

    elif framework == "jax":
        convert = pytest.importorskip("jax").numpy.asarray
    else:
        monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
        keras: Any = pytest.importorskip("keras")

        def convert(array: Any) -> Any:
            floats = array.dtype.kind == "f"
            return keras.Variable(array, dtype=str(array.dtype), trainable=floats)

    ours = log_all(tmp_path / "ours", convert)
    assert [event.step for event in ours] == [3] * 7
    assert ours == log_all(tmp_path / "numpy", np.asarray)


# ------------------------------------------------------------------ flax and clu

#: A module that calls itself tensorflow, of what those two use of it.
STAND_IN = """
    import sys
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    import numpy as np
    import tbio.summary

    def stand_in():
        tf = ModuleType("tensorflow")
        tf.__spec__ = ModuleSpec("tensorflow", None)
        tf.summary, tf.float32 = tbio.summary, np.float32
        tf.constant = tf.convert_to_tensor = (
            lambda value, dtype=None: value if isinstance(value, str) else np.asarray(value, dtype)
        )
        api = ModuleType("tensorboard.plugins.hparams.api")
        api.hparams = tbio.summary.hp.hparams
        sys.modules["tensorflow"] = tf
        sys.modules["tensorboard.plugins.hparams.api"] = api
        import tensorboard.plugins.hparams
        tensorboard.plugins.hparams.api = api

    rng = np.random.default_rng(0)
"""

FLAX = """
    import flax.io  # before there is a "tensorflow"
    stand_in()
    from flax.metrics.tensorboard import SummaryWriter

    for auto_flush in (True, False):
        writer = SummaryWriter(sys.argv[1] + f"/{auto_flush}", auto_flush=auto_flush)
        for step in range(3):
            writer.scalar("loss", np.array(0.5 / (step + 1)), step)
        writer.image("image", rng.random((7, 5)), 1)
        writer.audio("audio", rng.random((1, 20, 1)) * 3, 2, sample_rate=8000)
        writer.histogram("histogram", rng.random((3, 4)), 3, bins=5)
        writer.text("text", "some *text*", 4)
        writer.write("raw", np.arange(3), 5)
        writer.hparams({"lr": 0.1, "net": {"act": "relu", "sizes": [1, 2]}})
        writer.flush()
        writer.close()
"""

CLU = """
    stand_in()
    from clu.metric_writers import AsyncMultiWriter, SummaryWriter

    writer = AsyncMultiWriter([SummaryWriter(sys.argv[1])])
    for step in range(3):
        writer.write_scalars(step, {"loss": np.float32(0.5 / (step + 1)), "accuracy": 0.25})
    writer.write_images(1, {"images": rng.random((4, 3, 5, 3))})
    writer.write_texts(2, {"text": "some *text*"})
    writer.write_histograms(3, {"histogram": rng.random(50)}, {"histogram": 7})
    writer.write_audios(4, {"audio": rng.random((4, 20, 1))}, sample_rate=8000)
    writer.write_summaries(5, {"raw": np.arange(3)})
    writer.write_hparams({"lr": 0.1, "net": {"act": "relu", "sizes": [1, 2]}})
    writer.flush()
    writer.close()
"""


def started_with(folder: Path) -> dict[str, Any]:
    """The hyperparameters of a run."""
    (value,) = (
        value
        for event in events(folder)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    )
    content = value.metadata.plugin_data.content
    stored = HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(stored[name], str(stored[name].WhichOneof("kind"))) for name in stored}


@pytest.mark.adapters
def test_the_writer_of_flax(tmp_path: Path) -> None:
    pytest.importorskip("flax")
    run(textwrap.dedent(STAND_IN) + textwrap.dedent(FLAX), tmp_path)
    for folder in (tmp_path / "True", tmp_path / "False"):
        found = arrays(folder)
        assert [(step, float(array)) for step, array in found["loss"]] == [
            (step, float(np.float32(0.5 / (step + 1)))) for step in range(3)
        ]
        ((step, strings),) = found["image"]
        assert (step, *strings[:2], len(strings)) == (1, b"5", b"7", 3)
        ((step, clips),) = found["audio"]
        assert (step, clips.shape, clips[0, 0][:4]) == (2, (1, 2), b"RIFF")
        ((step, rows),) = found["histogram"]
        assert (step, rows.shape, rows[:, 2].sum()) == (3, (5, 3), 12)
        assert found["text"] == [(4, np.array(b"some *text*", object))]
        ((step, raw),) = found["raw"]
        assert (step, raw.tolist()) == (5, [0, 1, 2])
        assert started_with(folder) == {"lr": 0.1, "net.act": "relu", "net.sizes": "[1, 2]"}


@pytest.mark.adapters
def test_the_writer_of_clu(tmp_path: Path) -> None:
    pytest.importorskip("clu")
    run(textwrap.dedent(STAND_IN) + textwrap.dedent(CLU), tmp_path)
    found = arrays(tmp_path)
    assert [step for step, _ in found["accuracy"]] == [0, 1, 2]
    assert [float(array) for _, array in found["loss"]] == [
        float(np.float32(0.5 / (step + 1))) for step in range(3)
    ]
    ((step, strings),) = found["images"]
    assert (step, *strings[:2], len(strings)) == (1, b"5", b"3", 6)
    assert found["text"] == [(2, np.array(b"some *text*", object))]
    ((step, rows),) = found["histogram"]
    assert (step, rows.shape, rows[:, 2].sum()) == (3, (7, 3), 50)
    ((step, clips),) = found["audio"]
    assert (step, clips.shape) == (4, (4, 2))
    ((step, raw),) = found["raw"]
    assert (step, raw.tolist()) == (5, [0, 1, 2])
    hparams = started_with(tmp_path)
    assert {"lr", "net.act"} <= set(hparams)
    assert (hparams["lr"], hparams["net.act"]) == (0.1, "relu")
