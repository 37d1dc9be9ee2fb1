"""The callback: what is logged at each of Keras's hooks."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tbio import arrays
from tbio.background import OnError
from tbio.extras import require
from tbio.keras import images, names, outline, profiling
from tbio.keras.activations import Activations
from tbio.keras.apart import apart
from tbio.keras.embeddings import Embeddings, checked
from tbio.keras.frequency import Unit, UpdateFrequency, batch_range, count
from tbio.keras.gradients import Gradients, can_derive
from tbio.keras.names import TRAIN, VALIDATION
from tbio.keras.runs import Runs
from tbio.keras.variables import tagged, value_of


class Hooks:
    """Logs a Keras training for TensorBoard, without TensorFlow and without tensorboard.

    In the place of ``keras.callbacks.TensorBoard``, whose runs, tags, steps and encodings it has
    (keras/src/callbacks/tensorboard.py), on the backends torch, JAX and TensorFlow::

        model.fit(x, y, validation_data=(x_val, y_val), epochs=10,
                  callbacks=[tbio.keras.TensorBoard("logs", histogram_freq=1)])

    ==========  ========================================  ==========  ==============================
    run         tag                                       step        what
    ==========  ========================================  ==========  ==============================
    train       ``epoch_<log>``                           epoch       what ``fit`` says of an epoch
    train       ``epoch_learning_rate``                   epoch       that of the optimizer
    train       ``batch_<log>``                           batch       with ``update_freq``
    validation  ``epoch_<log>``                           epoch       logs that begin with ``val_``
    validation  ``evaluation_<log>_vs_iterations``        iteration   each ``evaluate`` as well
    train       ``<weight>/histogram``, ``.../image``     epoch       the weights
    train       ``<weight>_grad``, ``<layer>_out``        epoch       gradients and activations
    train       ``keras``                                 0           the graph of the layers
    ==========  ========================================  ==========  ==============================

    Epochs count from 0, batches from 1. A fit that goes on with ``initial_epoch`` goes on counting
    batches too. No epoch is left out with ``update_freq=N``. Embeddings are files for the
    Projector, in the run ``train``. A thread writes, so that points are seen within a fraction of a
    second; when ``fit`` returns, all is on disk.

    Nothing that goes wrong with logging stops the training; see ``on_error``.

    Args:
        log_dir: the folder of the runs.
        histogram_freq: every how many epochs, from the first one on, to log histograms; 0 for none.
        write_graph: log the graph of the layers. Of a model of a class of its own it is had by
            calling its ``call`` once with symbols, after the first epoch; where that cannot be, its
            layers are shown unconnected.
        write_images: log the weights as images too, with their histograms; see
            `tbio.keras.images.image_of`.
        write_steps_per_second: log the speed of batches and epochs.
        update_freq: "epoch"; "batch", or every how many batches (or samples) to log the metrics of
            batches, which are the means of the epoch so far.
        profile_batch: the batch, or first and last batch, to profile with the backend's profiler;
            0 for none.
        embeddings_freq: every how many epochs to write embeddings; 0 for none.
        embeddings_metadata: their labels: the path of a TSV (relative to ``log_dir``, or to the
            working folder), a list of words, a mapping of words and indexes, a layer with a
            vocabulary (see `tbio.keras.vocabulary`); or a mapping of layers' names to these.
        batch_size: how many samples go through the model at once for activations and
            ``embeddings_data``; and what a batch counts for ``update_unit="samples"``.
        write_grads: log histograms of gradients: those of ``grads_data``, or on torch, without
            any, those of the epoch's last batch.
        grads_data: ``(x, y)`` or ``(x, y, sample_weight)``, a batch to take gradients of.
        activations_data: what to log the outputs of layers for; as the model takes it.
        embeddings_layer_names: the layers to write, also those inside of other layers; None for
            every `keras.layers.Embedding`. A second layer of one name has ``_2`` behind it.
        embeddings_data: show the outputs of these layers for this, a point a sample, in the place
            of their weights.
        update_unit: what a number for ``update_freq`` counts: "batches" or "samples".
        on_error: what goes wrong with logging is warned of once ("warn"), or raised ("raise"); a
            callable is told of each ``OSError``; see `tbio.SummaryWriter`.

    Raises:
        TypeError, ValueError: an argument that is none; ``write_grads`` without ``grads_data``, but
            on torch.
        MissingExtraError: Keras is not installed.
    """

    model: Any  # Keras's own; on JAX, asking for it brings the variables up to date

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        *,
        batch_size: int = 32,
        write_grads: bool = False,
        grads_data: Sequence[Any] | None = None,
        activations_data: Any = None,
        embeddings_layer_names: Sequence[str] | None = None,
        embeddings_data: Any = None,
        update_unit: Unit = "batches",
        on_error: OnError = "warn",
    ) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = count("histogram_freq", histogram_freq)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self.embeddings_freq = count("embeddings_freq", embeddings_freq)
        self.embeddings_metadata = checked(embeddings_metadata)
        self.batch_size = count("batch_size", batch_size, least=1)
        self.write_grads = write_grads or grads_data is not None
        self.grads_data = _batch(grads_data)
        self.activations_data = activations_data
        self.embeddings_layer_names = embeddings_layer_names
        self.embeddings_data = embeddings_data
        self._frequency = UpdateFrequency(update_freq, update_unit, batch_size)
        self._profiled = batch_range(profile_batch)
        self._on_error = on_error
        self._runs = Runs(self.log_dir, on_error)
        self._check_arguments()
        # Where nothing is to be done after a batch, JAX need not wait for each one's metrics.
        self.async_safe = not (
            self._frequency.is_batchwise or write_steps_per_second or self._profiled
        )
        self._batches = 0  # done, by all fits that belong together
        self._first_step = 0  # of the batches that are being done at once
        self._batch_began = self._epoch_began = 0.0
        self._iterations_before = 0
        self._is_new_fit = self._is_fitting = False
        self._stop_profile: Callable[[], object] | None = None
        self._known: Any = None  # the model that what follows is of
        self._graph_is_due = False
        self._gradients: Gradients | None = None
        self._activations: Activations | None = None
        self._embeddings: Embeddings | None = None

    def _check_arguments(self) -> None:
        needed = {
            "histogram_freq": ("write_images", "write_grads", "activations_data"),
            "embeddings_freq": ("embeddings_metadata", "embeddings_layer_names", "embeddings_data"),
        }
        for frequency, names_of_it in needed.items():
            for name in names_of_it:
                given = getattr(self, name)
                if given is not None and given is not False and not getattr(self, frequency):
                    self._runs.warn_once(f"{name} is of no effect without {frequency}")
        if not (self.write_grads or self._profiled):
            return
        backend = _backend()
        if self.write_grads and not can_derive(backend, with_data=self.grads_data is not None):
            raise ValueError(
                f"write_grads: the backend {backend} shows a callback no gradients; want "
                "grads_data=(x, y), a batch to take them of"
                if backend in ("jax", "tensorflow")
                else f"write_grads: the backend {backend} has no gradients"
            )
        if self._profiled and backend not in profiling.BACKENDS:
            self._runs.warn_once(f"profile_batch: the backend {backend} has no profiler")
            self._profiled = None

    # ---- the model

    def set_model(self, model: Any) -> None:
        """Begin with a model: log its graph.

        Raises:
            ValueError: layers for embeddings that it has not.
        """
        super().set_model(model)  # type: ignore[misc]
        if os.fspath(self.log_dir) != self._runs.log_dir:  # as Keras Tuner sets it for each trial
            self._runs.close()
            self._runs = Runs(self.log_dir, self._on_error)
            self._known = None
        # Also of a model that is known: it may have been compiled anew, or other weights frozen.
        self._gradients = self._activations = self._embeddings = None
        if model is not self._known:
            self._known = model
            self._batches = 0
            self._graph_is_due = bool(self.write_graph)
            self._write_graph()
        if self.embeddings_freq and getattr(model, "built", False):
            self._embeddings = self._embeddings_of(model)

    def _write_graph(self) -> None:
        if not self._graph_is_due:
            return
        with self._runs.sparing("no graph of the model"):
            self._graph_is_due = False
            summary = outline.summary(self._known)
            if summary is None:
                self._graph_is_due = True
            else:
                self._runs.writer(TRAIN)._get_file_writer().add_summary(summary, 0)

    def _embeddings_of(self, model: Any) -> Embeddings:
        return Embeddings(
            model,
            self.log_dir,
            self.embeddings_layer_names,
            self.embeddings_metadata,
            self.embeddings_data,
        )

    # ---- a training

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count."""
        self._is_new_fit = self._is_fitting = True

    def on_train_end(self, logs: Any = None) -> None:
        """Write everything and close the files."""
        self._is_fitting = False
        self._end_profile()
        self._runs.close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Find out how many batches there were before."""
        self._epoch_began = time.perf_counter()
        if self._is_new_fit:
            self._is_new_fit = False
            if epoch == 0:
                self._batches = 0
            elif not self._batches:  # by another callback, perhaps in another process
                self._batches = self._iterations()
        if self.write_steps_per_second:
            self._iterations_before = self._iterations()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Take the time."""
        self._first_step = batch
        self._batch_began = time.perf_counter()
        if self._profiled is None or self._stop_profile is not None:
            return
        first, last = self._profiled
        at_once = int(getattr(self._known, "steps_per_execution", None) or 1)
        if first <= self._batches + at_once and self._batches < last:
            with self._runs.sparing("profile_batch"):
                folder = self._runs.path(TRAIN)
                os.makedirs(folder, exist_ok=True)
                self._stop_profile = profiling.start(_backend(), folder)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Log the metrics of a batch, if it is one of those."""
        if self.async_safe:
            return
        done = batch - self._first_step + 1  # several with steps_per_execution
        before, self._batches = self._batches, self._batches + done
        if self._profiled is not None and self._batches >= self._profiled[1]:
            self._end_profile()
        if not self._frequency.is_due(before, self._batches):
            return
        values: dict[str, Any] = {}
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._batch_began
            values["batch_steps_per_second"] = done / max(seconds, 1e-9)
        if isinstance(logs, Mapping):
            values.update({f"batch_{name}": value for name, value in logs.items()})
        self._runs.add_scalars(TRAIN, values, self._batches)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the metrics of an epoch, and every so many of them the weights."""
        self._log_epoch(epoch, logs or {})
        self._write_graph()
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._log_weights(epoch)
            if self.write_grads:
                self._log_histograms("gradients", self._gradients_by_tag, epoch)
            if self.activations_data is not None:
                self._log_histograms("activations", self._activations_by_tag, epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._log_embeddings(epoch)

    def on_test_end(self, logs: Any = None) -> None:
        """Log the metrics of an evaluation, in a training or without one."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is not None and logs:
            values = {f"evaluation_{name}_vs_iterations": value for name, value in logs.items()}
            self._runs.add_scalars(VALIDATION, values, self._iterations())
        if not self._is_fitting:
            self._write_graph()
            self._runs.flush()

    # ---- what an epoch logs

    def _log_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if not logs:
            return
        places: dict[str, dict[str, Any]] = {TRAIN: {}, VALIDATION: {}}
        for name, value in logs.items():
            run, tag = names.epoch_place(str(name))
            places[run][tag] = value
        with self._runs.sparing("no learning rate"):
            places[TRAIN].update(self._learning_rates())
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._epoch_began
            steps = self._iterations() - self._iterations_before
            places[TRAIN]["epoch_steps_per_second"] = steps / max(seconds, 1e-9)
        for run, values in places.items():
            self._runs.add_scalars(run, values, epoch)

    def _learning_rates(self) -> Iterator[tuple[str, float]]:
        """That of the optimizer, or of each in it: one that scales the loss has one inside."""
        optimizer: Any = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        for one in getattr(optimizer, "optimizers", ()):
            yield f"epoch_learning_rate_{one.name}", arrays.number(one.learning_rate)
        if not hasattr(optimizer, "optimizers") and hasattr(optimizer, "learning_rate"):
            yield "epoch_learning_rate", arrays.number(optimizer.learning_rate)

    def _log_weights(self, epoch: int) -> None:
        for name, variable in tagged(self.model.weights):
            with self._runs.sparing(f"the weight {name!r} is not logged"):
                writer, value = self._runs.writer(TRAIN), value_of(variable)
                writer.add_histogram(f"{name}/histogram", value, epoch, new_style=True)
                image = images.image_of(value) if self.write_images else None
                if image is not None:
                    writer.add_images(
                        f"{name}/image", image, epoch, dataformats="NHWC", new_style=True
                    )

    def _log_histograms(
        self, what: str, by_tag: Callable[[], Iterator[tuple[str, Any]]], epoch: int
    ) -> None:
        with self._runs.sparing(f"no {what}"), apart():
            for tag, values in by_tag():
                self._runs.writer(TRAIN).add_histogram(tag, values, epoch, new_style=True)

    def _gradients_by_tag(self) -> Iterator[tuple[str, Any]]:
        if self._gradients is None:
            self._gradients = Gradients(self.model, self.grads_data)
        return self._gradients.by_tag()

    def _activations_by_tag(self) -> Iterator[tuple[str, Any]]:
        if self._activations is None:
            self._activations = Activations(self.model)
        for layer, outputs in self._activations.of(self.activations_data, self.batch_size):
            for number, output in enumerate(outputs):
                tag = f"{layer}_out" if len(outputs) == 1 else f"{layer}_out_{number}"
                yield names.tag_of(tag), output

    def _log_embeddings(self, epoch: int) -> None:
        with self._runs.sparing("no embeddings"), apart():
            model = self.model
            if self._embeddings is None:
                self._embeddings = self._embeddings_of(model)
            for layer, points, labels, note in self._embeddings.points(self.batch_size):
                if note:
                    self._runs.warn_once(f"the embedding {layer!r}: {note}")
                cells, header = labels or (None, None)
                with self._runs.sparing(f"no embedding {layer!r}"):
                    self._runs.writer(TRAIN).add_embedding(
                        points, cells, global_step=epoch, tag=layer, metadata_header=header
                    )

    # ---- the rest

    def _iterations(self) -> int:
        """The updates that the optimizer has made; 0 of a model without one."""
        optimizer = getattr(self.model, "optimizer", None)
        iterations = getattr(optimizer, "iterations", None)
        return 0 if iterations is None else int(arrays.number(iterations))

    def _end_profile(self) -> None:
        if self._stop_profile is not None:
            stop, self._stop_profile, self._profiled = self._stop_profile, None, None
            with self._runs.sparing("profile_batch"):
                stop()


def _batch(data: Any) -> Sequence[Any] | None:
    """``grads_data``, checked."""
    if data is None or (isinstance(data, (tuple, list)) and len(data) in (2, 3)):
        return data
    raise TypeError(f"grads_data: want (x, y) or (x, y, sample_weight), got {type(data).__name__}")


def _backend() -> str:
    import keras

    name: str = keras.backend.backend()
    return name


@functools.cache
def tensorboard() -> Any:
    """`Hooks` as a callback of Keras, which is imported now.

    Raises:
        MissingExtraError: it is not installed.
    """
    callback = require("keras").callbacks.Callback
    about = {"__module__": "tbio.keras", "__doc__": Hooks.__doc__}
    return type("TensorBoard", (Hooks, callback), about)
