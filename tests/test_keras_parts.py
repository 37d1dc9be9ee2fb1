"""What of `tbio.keras` needs no Keras: names, frequencies, words, histories, and the hooks."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard_readers import by_plugin_accumulator

import tbio
import tbio.keras
from tbio import TbioWarning, tensor
from tbio.errors import WriteFailedError
from tbio.keras.callback import Hooks
from tbio.keras.embeddings import Embeddings
from tbio.keras.frequency import UpdateFrequency, batch_range
from tbio.keras.names import numbered
from tbio.keras.runs import Runs
from tbio.keras.words import Labels, labels

# ------------------------------------------------------------------ frequencies


def due(frequency: UpdateFrequency, batches: int, at_once: int = 1) -> list[int]:
    after = range(at_once, batches + 1, at_once)
    return [batch for batch in after if frequency.is_due(batch - at_once, batch)]


@pytest.mark.parametrize(
    ("given", "batches"),
    [
        (("epoch",), []),
        (("batch",), [1, 2, 3, 4, 5, 6, 7, 8]),
        ((1,), [1, 2, 3, 4, 5, 6, 7, 8]),
        ((3,), [3, 6]),
        ((np.int64(4),), [4, 8]),
        ((96, "samples", 32), [3, 6]),
        ((100, "samples", 32), [4, 7]),
        ((10, "samples", 32), [1, 2, 3, 4, 5, 6, 7, 8]),
        (("batch", "samples", 32), [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_update_freq(given: tuple[Any, ...], batches: list[int]) -> None:
    assert due(UpdateFrequency(*given), 8) == batches


def test_update_freq_of_batches_that_are_done_at_once() -> None:
    assert due(UpdateFrequency(3), 12, at_once=2) == [4, 6, 10, 12]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (("batches",), ValueError, "'batches'"),
        ((0,), ValueError, "at least 1, got 0"),
        ((True,), TypeError, "want an int, got True"),
        ((2.5,), TypeError, "want an int, got 2.5"),
        ((5, "epochs"), ValueError, "'epochs'"),
        ((5, "samples", 0), ValueError, "batch_size"),
    ],
)
def test_no_update_freq(given: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        UpdateFrequency(*given)


@pytest.mark.parametrize("given", [-1, (0, 5), (5, 2), (1, 2, 3), "1,2,3", "one", (), 1.5, None])
def test_no_profile_batch(given: Any) -> None:
    with pytest.raises(ValueError, match="profile_batch"):
        batch_range(given)


# ------------------------------------------------------------------ words


#: keras.datasets.imdb.get_word_index() counts from 1; load_data() adds 3.
IMDB = {"the": 1, "and": 2, "a": 3}
SPECIAL = ["<pad>", "<start>", "<unknown>", "<3>"]


def test_vocabulary_of_imdb() -> None:
    words = tbio.keras.vocabulary(IMDB, size=6, index_from=3)
    assert words == [*SPECIAL, "the", "and"]
    # as Keras's own documentation decodes a review
    inverted = {rank + 3: word for word, rank in IMDB.items()}
    assert [inverted.get(row, words[row]) for row in range(6)] == words


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        (["a", "b"], {}, ["a", "b"]),
        (["a", "b"], {"size": 4}, ["a", "b", "<2>", "<3>"]),
        (["a", "b", "c"], {"size": 2}, ["a", "b"]),
        ({0: "a", 1: "b"}, {}, ["a", "b"]),
        ({np.int64(1): "b", 0: "a"}, {}, ["a", "b"]),
        ({"x": 2, "y": 0}, {}, ["y", "<1>", "x"]),
        ({"x": 0, "other x": 0}, {}, ["x"]),
        ({"x": 1}, {"reserved": {0: "-"}}, ["-", "x"]),
        ({"x": 1}, {"index_from": 3, "reserved": {}}, ["<0>", "<1>", "<2>", "<3>", "x"]),
        ({"x": 1}, {"index_from": 1}, ["<0>", "<1>", "x"]),
        ({}, {}, []),
    ],
)
def test_vocabulary(given: Any, options: dict[str, Any], words: list[str]) -> None:
    assert tbio.keras.vocabulary(given, **options) == words


def test_vocabulary_of_a_layer() -> None:
    class Layer:
        def get_vocabulary(self) -> list[str]:
            return ["", "[UNK]", "the"]

    assert tbio.keras.vocabulary(Layer(), 4) == ["", "[UNK]", "the", "<3>"]


@pytest.mark.parametrize(
    ("given", "options", "error", "words"),
    [
        ("words", {}, TypeError, "got str"),
        (7, {}, TypeError, "got int"),
        ({"a": "b"}, {}, TypeError, "got 'b' for an index"),
        ({"a": 1 << 40}, {}, ValueError, "below 16777216"),
        ({0: "a"}, {"index_from": -1}, ValueError, "an index below 0"),
        (["a"], {"size": -1}, ValueError, "at most"),
    ],
)
def test_no_vocabulary(
    given: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tbio.keras.vocabulary(given, **options)


def test_labels_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "words.tsv").write_text("the\na\n")
    (tmp_path / "counts.tsv").write_text("word\tcount\nthe\t7\na\t5\n")
    monkeypatch.chdir(tmp_path)
    assert labels("words.tsv", 2, "log") == (Labels(["the", "a"]), "")
    assert labels(tmp_path / "counts.tsv", 2, "log")[0].header == ["word", "count"]
    found, note = labels("counts.tsv", 3, "log")
    assert found.cells == [("the", "7"), ("a", "5"), ("<2>", "")]
    assert note == "2 labels for 3 points"
    assert labels("words.tsv", 1, "log") == (Labels(["the"]), "2 labels for 1 points")
    with pytest.raises(FileNotFoundError):
        labels("none.tsv", 1, "log")


def test_labels_of_words() -> None:
    assert labels(IMDB, 5, "") == (Labels(["<0>", "the", "and", "a", "<4>"]), "")
    assert labels(["a"], 2, "") == (Labels(["a", "<1>"]), "1 labels for 2 points")


class Table:
    """A layer with an embedding."""

    def __init__(self, name: str) -> None:
        self.name = name


def test_layers_for_embeddings_that_there_are_not() -> None:
    class Model:
        layers = (Table("words"), Table("users"))

    with pytest.raises(ValueError, match="no layer 'word' for an embedding; there are 'words', "):
        Embeddings(Model(), "", ["word"], None, None)
    with pytest.raises(ValueError, match="no layer 'items'"):
        Embeddings(Model(), "", ["words"], {"items": "items.tsv"}, None)


# ------------------------------------------------------------------ histories


HISTORY = {"loss": [0.5, 0.25], "accuracy": [0.5, 1.0], "val_loss": [0.75, 0.5]}


class History:
    """As keras.callbacks.History."""

    def __init__(self, history: dict[str, Any], epoch: list[int]) -> None:
        self.history, self.epoch, self.params = history, epoch, {"epochs": len(epoch)}


def scalars(folder: Path) -> dict[str, dict[str, list[tuple[int, float | None]]]]:
    """What TensorBoard has: run -> tag -> steps and values."""
    return {
        run: {
            tag: [(point.step, point.value) for point in points]
            for tag, points in shown.get("scalars", {}).items()
        }
        for run, shown in by_plugin_accumulator(folder).items()
    }


@pytest.mark.parametrize(
    "history",
    [
        HISTORY,
        History(HISTORY, [0, 1]),
        {"history": HISTORY, "epoch": [0, 1], "params": {}},
        {name: np.array(values, np.float32) for name, values in HISTORY.items()},
        {name: tuple(map(np.float64, values)) for name, values in HISTORY.items()},
    ],
)
@pytest.mark.parametrize("new_style", [True, False])
def test_write_history(history: Any, new_style: bool, tmp_path: Path) -> None:
    tbio.keras.write_history(history, tmp_path, new_style=new_style)
    assert scalars(tmp_path) == {
        "train": {
            "epoch_loss": [(0, 0.5), (1, 0.25)],
            "epoch_accuracy": [(0, 0.5), (1, 1.0)],
        },
        "validation": {"epoch_loss": [(0, 0.75), (1, 0.5)]},
    }


def test_write_history_at_other_epochs_and_times(tmp_path: Path) -> None:
    history = History({"loss": [0.5, None, float("nan")], "val_loss": [1.0]}, [5, 6, 9])
    tbio.keras.write_history(history, tmp_path, wall_times=[10.5, 11, 12])
    series = tbio.open(tmp_path)["train"].scalars["epoch_loss"]
    assert series.steps.tolist() == [5, 9]
    assert series.wall_times.tolist() == [10.5, 12.0]
    np.testing.assert_array_equal(series.values, np.array([0.5, np.nan], np.float32))
    assert tbio.open(tmp_path)["validation"].scalars["epoch_loss"].steps.tolist() == [5]


def test_write_history_has_the_points_of_an_import(tmp_path: Path) -> None:
    """`tbio.import_logs` takes the same history from a file, in one run."""
    (tmp_path / "history.json").write_text(json.dumps(HISTORY))
    tbio.import_logs(tmp_path / "history.json", tmp_path / "imported")
    tbio.keras.write_history(HISTORY, tmp_path / "written")
    imported = scalars(tmp_path / "imported")["."]
    written = scalars(tmp_path / "written")
    assert imported["loss"] == written["train"]["epoch_loss"]
    assert imported["val_loss"] == written["validation"]["epoch_loss"]


@pytest.mark.parametrize(
    ("history", "options", "error", "words"),
    [
        ([0.5], {}, TypeError, "a History of Keras"),
        ({"loss": 0.5}, {}, TypeError, "'loss': want a list"),
        ({"loss": "0.5"}, {}, TypeError, "'loss': want a list"),
        ({"loss": [0.5, [1]]}, {}, TypeError, "'loss': want numbers"),
        ({"loss": [0.5, "high"]}, {}, TypeError, "'loss': want numbers"),
        (History({"loss": [1, 2]}, [0]), {}, ValueError, "2 values, but epoch has 1"),
        ({"loss": [1, 2]}, {"wall_times": [1.0]}, ValueError, "wall_times has 1"),
        (History({"loss": [1]}, [0.5]), {}, ValueError, "epoch: 0.5"),  # type: ignore[list-item]
    ],
)
def test_no_history(
    history: Any, options: Any, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        tbio.keras.write_history(history, tmp_path, **options)
    assert not list(tmp_path.iterdir())  # nothing of it is written


# ------------------------------------------------------------------ the hooks


class Base:
    """What Keras's Callback has."""

    model: Any = None

    def set_model(self, model: Any) -> None:
        self.model = model


class Callback(Hooks, Base):
    """The callback, without Keras."""


class Optimizer:
    """As far as it is looked at; an update a batch."""

    learning_rate = 0.25
    iterations = 0


class Model:
    """A sequential model of one layer, as far as it is looked at."""

    def __init__(self) -> None:
        self.optimizer = Optimizer()
        self.built = True
        self.layers: list[Any] = []
        self.weights: list[Any] = []

    def to_json(self) -> str:
        layer = {"class_name": "Dense", "config": {"name": "out"}}
        config = {"name": "net", "layers": [layer]}
        return json.dumps({"class_name": "Sequential", "config": config})


def fit(
    callback: Any, model: Model, epochs: range, batches: int = 4, at_once: int = 1, **logs: float
) -> None:
    """As Keras calls a callback in ``fit`` with ``validation_data``."""
    logs = logs or {"loss": 0.5}
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in epochs:
        callback.on_epoch_begin(epoch)
        for first in range(0, batches, at_once):
            callback.on_train_batch_begin(first)
            model.optimizer.iterations += at_once
            callback.on_train_batch_end(first + at_once - 1, logs)
        evaluate(callback, loss=0.75)
        callback.on_epoch_end(epoch, {**logs, "val_loss": 0.75})
    callback.on_train_end()


def evaluate(callback: Any, **logs: float) -> None:
    for hook, arguments in (("on_test_begin", ()), ("on_test_end", (logs,))):
        if hasattr(callback, hook):
            getattr(callback, hook)(*arguments)


def test_no_epoch_is_left_out_whatever_update_freq(tmp_path: Path) -> None:
    """Keras's own leaves one out whose batches are no multiple of ``update_freq``."""
    fit(Callback(tmp_path, update_freq=3), Model(), range(3))
    found = scalars(tmp_path)
    assert found["train"] == {
        "epoch_loss": [(0, 0.5), (1, 0.5), (2, 0.5)],
        "epoch_learning_rate": [(0, 0.25), (1, 0.25), (2, 0.25)],
        "batch_loss": [(3, 0.5), (6, 0.5), (9, 0.5), (12, 0.5)],
    }
    assert found["validation"] == {
        "epoch_loss": [(0, 0.75), (1, 0.75), (2, 0.75)],
        "evaluation_loss_vs_iterations": [(4, 0.75), (8, 0.75), (12, 0.75)],
    }


def test_samples_are_counted(tmp_path: Path) -> None:
    callback = Callback(tmp_path, update_freq=96, update_unit="samples", batch_size=32)
    fit(callback, Model(), range(2))
    assert [step for step, _ in scalars(tmp_path)["train"]["batch_loss"]] == [3, 6]


def test_batches_that_are_done_at_once(tmp_path: Path) -> None:
    fit(Callback(tmp_path, update_freq="batch"), Model(), range(2), at_once=2)
    assert [step for step, _ in scalars(tmp_path)["train"]["batch_loss"]] == [2, 4, 6, 8]


def test_speeds(tmp_path: Path) -> None:
    callback = Callback(tmp_path, update_freq=2, write_steps_per_second=True)
    fit(callback, Model(), range(2))
    train = scalars(tmp_path)["train"]
    assert [step for step, _ in train["batch_steps_per_second"]] == [2, 4, 6, 8]
    assert [step for step, _ in train["epoch_steps_per_second"]] == [0, 1]
    assert all(value and value > 0 for _, value in train["epoch_steps_per_second"])


def batch_steps(folder: Path) -> list[int]:
    return sorted(step for step, _ in scalars(folder)["train"]["batch_loss"])


def test_a_fit_that_goes_on_counts_on(tmp_path: Path) -> None:
    model, callback = Model(), Callback(tmp_path, update_freq=1)
    fit(callback, model, range(1))
    fit(callback, model, range(1, 2))
    assert batch_steps(tmp_path) == list(range(1, 9))
    fit(Callback(tmp_path, update_freq=1), model, range(2, 3))  # another one, of another process
    assert batch_steps(tmp_path) == list(range(1, 13))


def test_a_fit_that_begins_anew_counts_anew(tmp_path: Path) -> None:
    model, callback = Model(), Callback(tmp_path, update_freq=1)
    fit(callback, model, range(1))
    fit(callback, model, range(1))
    events = [
        event.step
        for path in sorted((tmp_path / "train").glob("*tfevents*"))
        for event in tbio.read_events(path)
        if event.summary.value and event.summary.value[0].tag == "batch_loss"
    ]
    assert events == [1, 2, 3, 4, 1, 2, 3, 4]


def test_evaluate_alone_is_on_disk_when_it_returns(tmp_path: Path) -> None:
    callback, model = Callback(tmp_path), Model()
    model.optimizer.iterations = 40
    callback.set_model(model)
    evaluate(callback, loss=0.5)
    assert scalars(tmp_path)["validation"] == {"evaluation_loss_vs_iterations": [(40, 0.5)]}


def test_the_graph_is_written_once_a_model(tmp_path: Path) -> None:
    callback, model = Callback(tmp_path), Model()
    for _ in range(2):
        fit(callback, model, range(1))
    fit(callback, Model(), range(1))
    shown = by_plugin_accumulator(tmp_path)["train"]["graph_keras_model"]
    assert [point.step for point in shown["keras"]] == [0, 0]
    assert tbio.open(tmp_path)["train"].graph is not None


def test_no_graph(tmp_path: Path) -> None:
    fit(Callback(tmp_path, write_graph=False), Model(), range(1))
    assert "graph_keras_model" not in by_plugin_accumulator(tmp_path)["train"]


def test_a_model_without_an_optimizer(tmp_path: Path) -> None:
    callback, model = Callback(tmp_path, write_steps_per_second=True), Model()
    model.optimizer = None  # type: ignore[assignment]
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    evaluate(callback, loss=1.0)
    callback.on_epoch_end(0, {"loss": 0.5})
    callback.on_train_end()
    assert set(scalars(tmp_path)["train"]) == {"epoch_loss", "epoch_steps_per_second"}


def test_a_log_that_is_no_number_is_warned_of_once(tmp_path: Path) -> None:
    callback = Callback(tmp_path)
    with pytest.warns(TbioWarning, match="'epoch_matrix' is not logged") as caught:
        fit(callback, Model(), range(3), loss=0.5, matrix=[[1, 2]])  # type: ignore[arg-type]
    assert len(caught) == 1
    assert set(scalars(tmp_path)["train"]) == {"epoch_loss", "epoch_learning_rate"}


def test_a_copy_for_another_folder(tmp_path: Path) -> None:
    """As Keras Tuner makes one for each trial."""
    given = Callback(tmp_path / "given", update_freq=2)
    copied = copy.deepcopy(given)
    copied.log_dir = str(tmp_path / "copied")
    fit(copied, Model(), range(1))
    assert set(scalars(tmp_path)) == {"copied/train", "copied/validation"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"histogram_freq": -1}, ValueError, "histogram_freq"),
        ({"embeddings_freq": 0.5}, TypeError, "embeddings_freq"),
        ({"update_freq": "never"}, ValueError, "update_freq"),
        ({"grads_data": 7}, TypeError, "grads_data"),
        ({"embeddings_metadata": 7}, TypeError, "embeddings_metadata"),
        ({"on_error": "ignore"}, ValueError, "on_error"),
    ],
)
def test_wrong_arguments(options: Any, error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words):
        Callback(tmp_path, **options)


@pytest.mark.parametrize(
    ("name", "value", "frequency"),
    [
        ("write_images", True, "histogram_freq"),
        ("activations_data", np.zeros(2), "histogram_freq"),
        ("embeddings_metadata", "words.tsv", "embeddings_freq"),
        ("embeddings_layer_names", ["words"], "embeddings_freq"),
        ("embeddings_data", np.zeros(2), "embeddings_freq"),
    ],
)
def test_what_has_no_effect_is_told(name: str, value: Any, frequency: str) -> None:
    with pytest.warns(TbioWarning, match=f"{name} is of no effect without {frequency}"):
        Callback(**{name: value})


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("jax", r"shows a callback no gradients; want grads_data=\(x, y\)"),
        ("numpy", "no gradients"),
    ],
)
def test_gradients_that_a_backend_has_not(
    backend: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tbio.keras.callback._backend", lambda: backend)
    with pytest.raises(ValueError, match=words):
        Callback(histogram_freq=1, write_grads=True)


def test_a_backend_without_a_profiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tbio.keras.callback._backend", lambda: "openvino")
    with pytest.warns(TbioWarning, match="profile_batch: the backend openvino has no profiler"):
        callback = Callback(tmp_path, profile_batch=2)
    fit(callback, Model(), range(1))


# ------------------------------------------------------------------ errors


def blocked(tmp_path: Path) -> Path:
    """A folder that cannot be made."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "logs"


def test_a_training_goes_on_when_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.warns(TbioWarning) as caught:
        fit(Callback(blocked(tmp_path), update_freq=1), Model(), range(2))
    (told,) = (str(one.message) for one in caught)  # and not once a tag
    assert told.startswith("not everything is logged: ")
    assert "file" in told


def test_a_long_error_is_told_in_short(tmp_path: Path) -> None:
    with pytest.warns(TbioWarning) as caught, Runs(tmp_path).sparing("no gradients"):
        raise ValueError("x" * 9999)
    assert str(caught[0].message) == "no gradients: " + "x" * 500


def test_errors_are_raised_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="file"):
        fit(Callback(blocked(tmp_path), on_error="raise"), Model(), range(1))
    with pytest.raises(TypeError, match="epoch_loss"):
        fit(Callback(tmp_path, on_error="raise"), Model(), range(1), loss="x")  # type: ignore[arg-type]


def test_a_callable_is_told_of_errors(tmp_path: Path) -> None:
    told: list[OSError] = []
    fit(Callback(blocked(tmp_path), on_error=told.append), Model(), range(1))
    assert told
    assert all(isinstance(error, OSError) for error in told)


def test_a_refusal_of_the_disk_is_let_through() -> None:
    with pytest.raises(WriteFailedError), Runs("x", "raise").sparing("what"):
        raise WriteFailedError("x", OSError("full"))


# ------------------------------------------------------------------ beside Keras's own files


def test_scalars_are_those_of_keras(corpus: Path, tmp_path: Path) -> None:
    """Keras's callback under TensorFlow, whose logs are given to this one again."""
    theirs = corpus / "peers" / "tensorflow" / "keras"
    logs: dict[str, dict[int, dict[str, float]]] = {}
    for run in ("train", "validation"):
        for value, step, number in scalar_events(theirs / run):
            kind, _, log = value.tag.partition("_")
            name = f"{run}/{kind}"
            logs.setdefault(name, {}).setdefault(step, {})[log] = number
    callback, model = Callback(tmp_path, update_freq="batch"), Model()
    model.optimizer.learning_rate = logs["train/epoch"][0]["learning_rate"]
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(4):
            callback.on_train_batch_begin(batch)
            model.optimizer.iterations += 1
            callback.on_train_batch_end(batch, logs["train/batch"][4 * epoch + batch + 1])
        evaluated = logs["validation/evaluation"][model.optimizer.iterations]
        callback.on_test_end(
            {name.removesuffix("_vs_iterations"): value for name, value in evaluated.items()}
        )
        trained = {k: v for k, v in logs["train/epoch"][epoch].items() if k != "learning_rate"}
        validated = {f"val_{k}": v for k, v in logs["validation/epoch"][epoch].items()}
        callback.on_epoch_end(epoch, {**trained, **validated})
    callback.on_train_end()
    for run in ("train", "validation"):
        ours = [described(*event) for event in scalar_events(tmp_path / run)]
        assert sorted(ours) == sorted(described(*e) for e in scalar_events(theirs / run))


def scalar_events(folder: Path) -> list[tuple[Any, int, float]]:
    found, plugins = [], {}
    for path in folder.glob("*tfevents*"):
        for event in tbio.read_events(path):
            for value in event.summary.value:
                if value.HasField("metadata"):
                    plugins[value.tag] = value.metadata.plugin_data.plugin_name
                if plugins[value.tag] == "scalars":
                    found.append((value, event.step, float(tensor.decode(value.tensor))))
    return found


def described(value: Any, step: int, number: float) -> tuple[Any, ...]:
    return value.tag, step, number, value.tensor.dtype, len(value.tensor.tensor_shape.dim)


# ------------------------------------------------------------------ imports


def test_nothing_of_keras_is_imported() -> None:
    words = (
        "import sys, tbio, tbio.keras; tbio.keras.write_history; tbio.keras.vocabulary; "
        "print([name for name in ('keras', 'jax', 'torch', 'tensorflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    from tbio.keras.callback import tensorboard

    with pytest.raises(tbio.MissingExtraError, match="keras"):
        tensorboard.__wrapped__()
    with pytest.raises(AttributeError, match="no attribute 'Tensorboard'"):
        tbio.keras.Tensorboard  # noqa: B018
    assert dir(tbio.keras) == tbio.keras.__all__


def test_numbers_lead_to_no_other_name() -> None:
    objects = [[name] for name in ("x", "x", "x_2", "x", "x_2")]
    found = [name for name, _ in numbered(objects, lambda one: str(one[0]))]
    assert len(set(found)) == 5
    assert (found[0], found[2]) == ("x", "x_2")


def test_labels_of_a_table_with_an_index(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("\tword\tcount\n0\tthe\t5\n1\ta\t3\n")
    found, note = labels(tmp_path / "words.tsv", 2, "")
    assert note == ""
    assert found == Labels([("0", "the", "5"), ("1", "a", "3")], ["<0>", "word", "count"])
