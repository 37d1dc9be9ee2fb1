"""Trainings with Keras, each in a process of its own where TensorFlow cannot be imported.

python tests/keras_fits.py NAME FOLDER; the backend is that of KERAS_BACKEND. What a training has
found out by itself comes out as a line of JSON.
"""

from __future__ import annotations

import copy
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

if os.environ["KERAS_BACKEND"] != "tensorflow":
    for _name in ("tensorflow", "tensorboard", "tensorboardX"):
        sys.modules[_name] = None  # type: ignore[assignment]

import keras
import numpy as np
from keras_words import WORDS

import tbio.keras
from tbio.errors import TbioWarning

RNG = np.random.default_rng(5)
TEXTS = RNG.integers(4, len(WORDS), (48, 12))
GOOD = (TEXTS.mean(axis=1) > 16).astype(np.float32)[:, None]


def text_model(**settings: Any) -> Any:
    """Embedding, convolution, pooling, dense."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12,), name="text"),
            layers.Embedding(len(WORDS), 4, name="words"),
            layers.Conv1D(5, 3, activation="relu", name="conv"),
            layers.GlobalMaxPooling1D(name="pool"),
            layers.Dense(1, activation="sigmoid", name="good"),
        ],
        name="net",
    )
    settings = {"optimizer": "adam", "loss": "binary_crossentropy", **settings}
    model.compile(**settings)
    return model


class Pause(keras.callbacks.Callback):  # type: ignore[misc]
    """After the first epoch, tell of it and wait for a line."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0:
            print("paused", flush=True)
            sys.stdin.readline()


def texts(folder: Path) -> None:
    """Everything that the callback can do, for the pages of TensorBoard."""
    on_torch = keras.backend.backend() == "torch"
    callback = tbio.keras.TensorBoard(
        folder,
        histogram_freq=1,
        write_images=True,
        write_steps_per_second=True,
        update_freq=2,
        embeddings_freq=1,
        embeddings_metadata={f"word{rank}": rank for rank in range(1, 27)},
        write_grads=on_torch,
        grads_data=None if on_torch else (TEXTS[:8], GOOD[:8]),
        activations_data=TEXTS[:8],
    )
    assert isinstance(callback, keras.callbacks.Callback)
    callback.embeddings_metadata = tbio.keras.vocabulary(
        callback.embeddings_metadata, len(WORDS), index_from=3
    )
    text_model(metrics=["accuracy"]).fit(
        TEXTS,
        GOOD,
        batch_size=16,
        epochs=3,
        validation_data=(TEXTS[:8], GOOD[:8]),
        verbose=0,
        callbacks=[callback, Pause()],
    )


def pictures(folder: Path) -> None:
    """The training that TensorFlow's files in the corpus are of."""
    x = RNG.random((64, 8, 8, 1)).astype("f")
    y = RNG.integers(0, 3, 64)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(3, 3, name="conv"),
            layers.Flatten(),
            layers.Dense(3, name="dense", activation="softmax"),
        ],
        name="sequential",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = tbio.keras.TensorBoard(
        folder,
        histogram_freq=1,
        write_images=True,
        update_freq="batch",
        write_steps_per_second=True,
    )
    model.fit(
        x,
        y,
        epochs=2,
        batch_size=16,
        verbose=0,
        validation_data=(x[:16], y[:16]),
        callbacks=[callback],
    )
    kernel = keras.ops.convert_to_numpy(model.get_layer("conv").kernel)
    print(json.dumps(kernel.tolist()))


def gradients(folder: Path) -> None:
    """What the callback calls gradients, beside the steps that plain descent makes with them."""
    model = text_model(optimizer=keras.optimizers.SGD(0.5))
    model.get_layer("conv").kernel.regularizer = keras.regularizers.L2(0.01)

    def numbers(variables: Any) -> dict[str, Any]:
        return {v.path: keras.ops.convert_to_numpy(v).copy() for v in variables}

    steps = []

    class Steps(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            steps.append(numbers(self.model.trainable_variables))

    start = numbers(model.trainable_variables)
    others = numbers(model.non_trainable_variables)
    from tbio.keras.gradients import Gradients

    derived = {
        tag: keras.ops.convert_to_numpy(value)
        for tag, value in Gradients(model, (TEXTS, GOOD)).by_tag()
    }
    assert numbers(model.non_trainable_variables).keys() == others.keys()
    model.fit(TEXTS, GOOD, batch_size=len(TEXTS), epochs=1, verbose=0, callbacks=[Steps()])
    for path, before in start.items():
        step = (before - steps[0][path]) / 0.5
        np.testing.assert_allclose(derived[f"{path}_grad"], step, atol=1e-6)
        assert np.abs(step).max() > 1e-4
    if keras.backend.backend() == "torch":  # as the parameters keep them
        kept = {tag: value.numpy() for tag, value in Gradients(model, None).by_tag()}
        for tag, value in derived.items():
            np.testing.assert_allclose(kept[tag], value, atol=1e-6)
    print(json.dumps(sorted(derived)))


def odd(folder: Path) -> None:
    """Models and trainings of other kinds; each has a folder."""
    layers = keras.layers

    class Averaging(keras.Model):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.table = layers.Embedding(len(WORDS), 3, name="table")
            self.out = layers.Dense(1, name="out")

        def call(self, x: Any) -> Any:
            return self.out(keras.ops.mean(self.table(x), axis=1))

    class Closed(Averaging):
        def call(self, x: Any) -> Any:
            if self.built and isinstance(x, keras.KerasTensor):
                raise RuntimeError("no symbols")
            return super().call(x)

    for name, kind in (("traced", Averaging), ("closed", Closed)):
        model = kind(name=name)
        model.compile("adam", "mse")
        callback = tbio.keras.TensorBoard(
            folder / name, 1, embeddings_freq=1, grads_data=(TEXTS, GOOD)
        )
        model.fit(TEXTS, GOOD, verbose=0, callbacks=[callback])

    # of lower precision, several batches at once, gone on with, by a copy (as Keras Tuner does it)
    keras.config.set_dtype_policy("mixed_bfloat16")
    at_once = 1 if keras.backend.backend() == "torch" else 2
    model = text_model(steps_per_execution=at_once)
    keras.config.set_dtype_policy("float32")
    callback = copy.deepcopy(tbio.keras.TensorBoard(folder / "other", 1, update_freq=2))
    callback.log_dir = str(folder / "resumed")
    options = {"batch_size": 8, "verbose": 0, "callbacks": [callback]}
    model.fit(TEXTS, GOOD, epochs=1, **options)
    model.evaluate(TEXTS, GOOD, batch_size=8, verbose=0, callbacks=[callback])
    model.fit(TEXTS, GOOD, epochs=2, initial_epoch=1, **options)
    anew = tbio.keras.TensorBoard(folder / "resumed", 1, update_freq=2)
    options["callbacks"] = [anew]
    model.fit(TEXTS, GOOD, epochs=3, initial_epoch=2, **options)
    assert not (folder / "other").exists()

    # two inputs that share a layer, a model in a model, outputs as points
    first, second = keras.Input((12,), name="first"), keras.Input((12,), name="second")
    shared = layers.Embedding(len(WORDS), 2, name="shared")
    joined = layers.Concatenate(name="joined")([shared(first), shared(second)])
    inner = keras.Sequential([layers.Dense(3, name="deep")], name="inner")
    taken = layers.ReLU(name="taken")
    keras.Model(elsewhere := keras.Input((12, 3)), taken(elsewhere))
    flat = layers.Flatten(name="flat")(taken(inner(joined)))
    model = keras.Model([first, second], layers.Dense(1, name="end")(flat), name="two")
    model.compile("adam", "mse")
    both = [TEXTS, TEXTS[::-1]]
    callback = tbio.keras.TensorBoard(
        folder / "two",
        1,
        grads_data=(both, GOOD),
        activations_data=both,
        profile_batch=1,
        embeddings_freq=1,
        embeddings_layer_names=["flat"],
        embeddings_data=both,
        embeddings_metadata=[f"text {number}" for number in range(len(TEXTS))],
    )
    model.fit(both, GOOD, epochs=1, verbose=0, callbacks=[callback])

    # a class of its own that is made of inputs and outputs; embeddings inside, two of one name
    class Places(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.words = layers.Embedding(len(WORDS), 2, name="words")
            self.places = layers.Embedding(12, 2, name="places")

        def call(self, x: Any) -> Any:
            return self.words(x) + self.places(keras.ops.arange(12))

    class Made(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            given = keras.Input((12,), name="given")
            other = keras.Sequential([layers.Embedding(len(WORDS), 2, name="words")], name="other")
            joined = layers.Add(name="add")([Places(name="inner")(given), other(given)])
            flat = layers.Flatten(name="flat")(joined)
            super().__init__(given, layers.Dense(1, name="end")(flat), name="made")

    made = Made()
    made.compile("sgd", "mse")
    callback = tbio.keras.TensorBoard(
        folder / "made", 1, embeddings_freq=1, grads_data=(TEXTS, GOOD, None)
    )
    options["callbacks"] = [callback]
    made.fit(TEXTS, GOOD, epochs=1, **options)
    # compiled anew with less to learn, and another loss
    made.get_layer("other").trainable = False
    made.compile("sgd", lambda true, guess: 0.0 * keras.ops.mean(guess, axis=-1))
    made.fit(TEXTS, GOOD, epochs=2, initial_epoch=1, **options)

    # nothing that is wrong with logging ends a training
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bad = tbio.keras.TensorBoard(
            folder / "bad",
            1,
            grads_data=(TEXTS[:3], TEXTS[:5]),
            activations_data="nothing",
            embeddings_freq=1,
            embeddings_metadata="missing.tsv",
        )
        text_model().fit(TEXTS, GOOD, epochs=2, verbose=0, callbacks=[bad])
        none = tbio.keras.TensorBoard(folder / "none", embeddings_freq=1)
        model = keras.Sequential([keras.Input((12,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(TEXTS, GOOD, epochs=2, verbose=0, callbacks=[none])
        lost = tbio.keras.TensorBoard(
            folder / "lost",
            embeddings_freq=1,
            embeddings_layer_names=["flat", "places"],
            embeddings_data=TEXTS,
        )
        made.fit(TEXTS, GOOD, verbose=0, callbacks=[lost])
    print(json.dumps([str(one.message) for one in caught if one.category is TbioWarning]))


def unnoticed(folder: Path) -> None:
    """The losses and the next model's name, without a log and with one; metrics of odd names."""
    layers = keras.layers
    found = []

    class Odd(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs[3] = 1.5

    log = tbio.keras.TensorBoard(
        folder,
        histogram_freq=1,
        embeddings_freq=1,
        activations_data=TEXTS,
        embeddings_data=TEXTS,
        grads_data=(TEXTS, GOOD),
    )
    for callbacks in ([], [Odd(), log]):
        keras.utils.clear_session()
        keras.utils.set_random_seed(3)
        inputs = keras.Input((12,))
        hidden = layers.Flatten()(layers.Embedding(len(WORDS), 4, name="words")(inputs))
        outputs = layers.Dense(1, "sigmoid")(layers.Dropout(0.5)(hidden))
        model = keras.Model(inputs, outputs)
        model.compile("adam", "binary_crossentropy")
        losses = model.fit(TEXTS, GOOD, batch_size=16, epochs=3, verbose=0, callbacks=callbacks)
        found.append([losses.history["loss"], keras.Model(inputs, outputs).name])
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("error", TbioWarning)
    trainings = (texts, pictures, gradients, odd, unnoticed)
    {one.__name__: one for one in trainings}[sys.argv[1]](Path(sys.argv[2]))
