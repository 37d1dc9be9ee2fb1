"""Hyperparameters: what ``tensorboard.plugins.hparams.api`` has, without TensorFlow.

``from tbio.summary import hp`` stands in its place. A trial is a run with a writer of its own, into
which `hparams` goes once; `hparams_config` goes once into the folder above all of them, and may be
left out: TensorBoard then shows all hyperparameters, and all scalars as metrics.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from tbio import plugins, tensor
from tbio.kinds import hparams as _hparams
from tbio.proto import hparams_pb2
from tbio.proto.hparams_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    Experiment,
    HParamInfo,
    HParamsPluginData,
    MetricInfo,
)
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.summary.experimental import write_raw_pb
from tbio.summary.writers import SummaryWriter, create_file_writer, plain

__all__ = [
    "Discrete",
    "Domain",
    "HParam",
    "IntInterval",
    "KerasCallback",
    "Metric",
    "RealInterval",
    "hparams",
    "hparams_config",
    "hparams_config_pb",
    "hparams_pb",
]

_Plain: TypeAlias = "type[int] | type[float] | type[bool] | type[str]"

_DATA_TYPES = {
    int: DATA_TYPE_FLOAT64,
    float: DATA_TYPE_FLOAT64,
    bool: DATA_TYPE_BOOL,
    str: DATA_TYPE_STRING,
}


class Domain(ABC):
    """The values that a hyperparameter can take, all of one type."""

    @property
    @abstractmethod
    def dtype(self) -> _Plain:
        """``int``, ``float``, ``bool`` or ``str``."""

    @abstractmethod
    def sample_uniform(self, rng: Any = random) -> Any:
        """A value at random.

        Args:
            rng: a ``random.Random``, or the module.

        Raises:
            IndexError: there is none.
        """

    @abstractmethod
    def update_hparam_info(self, hparam_info: Any) -> None:
        """Set ``type`` and the domain of an ``HParamInfo`` message, of any package."""


class _Interval(Domain):
    """All numbers of a type from one to another, both included."""

    _dtype: type[int] | type[float]

    def __init__(self, min_value: Any = None, max_value: Any = None) -> None:
        for name, value in (("min_value", min_value), ("max_value", max_value)):
            if not isinstance(value, self._dtype):
                raise TypeError(f"{name}: want {self._dtype.__name__}, got {value!r}")
        if min_value > max_value:
            raise ValueError(f"min_value {min_value!r} is greater than max_value {max_value!r}")
        self._min_value, self._max_value = min_value, max_value

    def __str__(self) -> str:
        return f"[{self._min_value}, {self._max_value}]"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._min_value!r}, {self._max_value!r})"

    @property
    def dtype(self) -> _Plain:
        """See `Domain`."""
        return self._dtype

    @property
    def min_value(self) -> Any:
        """The least value."""
        return self._min_value

    @property
    def max_value(self) -> Any:
        """The greatest value."""
        return self._max_value

    def update_hparam_info(self, hparam_info: Any) -> None:
        """See `Domain`."""
        hparam_info.type = DATA_TYPE_FLOAT64
        hparam_info.domain_interval.min_value = self._min_value
        hparam_info.domain_interval.max_value = self._max_value


class IntInterval(_Interval):
    """All integers from one to another, both included.

    Raises:
        TypeError: a limit that is no ``int``.
        ValueError: the first is the greater one.

    >>> IntInterval(1, 9)
    IntInterval(1, 9)
    """

    _dtype = int

    def sample_uniform(self, rng: Any = random) -> int:
        """See `Domain`."""
        return int(rng.randint(self._min_value, self._max_value))


class RealInterval(_Interval):
    """All real numbers from one to another, both included.

    Raises:
        TypeError: a limit that is no ``float``.
        ValueError: the first is the greater one.

    >>> str(RealInterval(0.1, 0.5))
    '[0.1, 0.5]'
    """

    _dtype = float

    def sample_uniform(self, rng: Any = random) -> float:
        """See `Domain`."""
        return float(rng.uniform(self._min_value, self._max_value))


class Discrete(Domain):
    """A list of values, which are sorted.

    Args:
        values: all of one type.
        dtype: ``int``, ``float``, ``bool`` or ``str``; None is the type of the first value.

    Raises:
        TypeError: a value of another type.
        ValueError: no values and no dtype, or another dtype.

    >>> Discrete(["sgd", "adam"])
    Discrete(['adam', 'sgd'])
    """

    def __init__(self, values: Iterable[Any], dtype: Any = None) -> None:
        self._values = list(values)
        if dtype is None and not self._values:
            raise ValueError("values: want some, or a dtype")
        dtype = type(self._values[0]) if dtype is None else dtype
        if dtype not in _DATA_TYPES:
            raise ValueError(f"dtype: want int, float, bool or str, got {dtype!r}")
        self._dtype: _Plain = dtype
        for value in self._values:
            if not isinstance(value, dtype):
                raise TypeError(f"values: want {dtype.__name__}, got {value!r}")
        self._values.sort()

    def __str__(self) -> str:
        return "{" + ", ".join(map(repr, self._values)) + "}"

    def __repr__(self) -> str:
        return f"Discrete({self._values!r})"

    @property
    def dtype(self) -> _Plain:
        """See `Domain`."""
        return self._dtype

    @property
    def values(self) -> list[Any]:
        """The values, sorted; a copy."""
        return list(self._values)

    def sample_uniform(self, rng: Any = random) -> Any:
        """See `Domain`."""
        return rng.choice(self._values)

    def update_hparam_info(self, hparam_info: Any) -> None:
        """See `Domain`."""
        hparam_info.type = _DATA_TYPES[self._dtype]
        hparam_info.ClearField("domain_discrete")
        hparam_info.domain_discrete.extend(self._values)


class HParam:
    """A hyperparameter as such, without a value.

    Args:
        name: as in the dicts of `hparams`, where the object itself may stand too.
        domain: the values that it can take; None for anything.
        display_name: what TensorBoard shows in place of the name.
        description: Markdown.

    Raises:
        ValueError: a domain that is none.

    >>> HParam("units", IntInterval(16, 64)).domain.max_value
    64
    """

    def __init__(
        self,
        name: str,
        domain: Domain | None = None,
        display_name: str | None = None,
        description: str | None = None,
    ) -> None:
        if not (domain is None or isinstance(domain, Domain)):
            raise ValueError(f"domain: want a Domain, got {domain!r}")
        self._name = name
        self._domain = domain
        self._display_name = display_name
        self._description = description

    def __str__(self) -> str:
        return f"<HParam {self._name!r}: {self._domain}>"

    def __repr__(self) -> str:
        return (
            f"HParam(name={self._name!r}, domain={self._domain!r}, "
            f"display_name={self._display_name!r}, description={self._description!r})"
        )

    @property
    def name(self) -> str:
        """As given, and so are the others."""
        return self._name

    @property
    def domain(self) -> Domain | None:
        """As given."""
        return self._domain

    @property
    def display_name(self) -> str | None:
        """As given."""
        return self._display_name

    @property
    def description(self) -> str | None:
        """As given."""
        return self._description


class Metric:
    """A column of results: the last value of a scalar.

    Args:
        tag: that of the scalar.
        group: the folder inside the trial's own that has it ("train", "validation"); None for that
            itself.
        display_name: what TensorBoard shows in place of the tag.
        description: Markdown.
        dataset_type: `TRAINING`, `VALIDATION` or None.

    Raises:
        ValueError: another ``dataset_type``.
    """

    TRAINING = hparams_pb2.DATASET_TRAINING
    VALIDATION = hparams_pb2.DATASET_VALIDATION

    def __init__(
        self,
        tag: str,
        group: str | None = None,
        display_name: str | None = None,
        description: str | None = None,
        dataset_type: Any = None,
    ) -> None:
        if dataset_type not in (None, Metric.TRAINING, Metric.VALIDATION):
            raise ValueError(f"dataset_type: want TRAINING or VALIDATION, got {dataset_type!r}")
        self._info = MetricInfo(
            name=hparams_pb2.MetricName(tag=tag, group=group),
            display_name=display_name,
            description=description,
            dataset_type=dataset_type,
        )

    def as_proto(self) -> MetricInfo:
        """The message; a copy."""
        copy = MetricInfo()
        copy.CopyFrom(self._info)
        return copy


def hparams(
    hparams: Mapping[Any, Any], trial_id: str | None = None, start_time_secs: float | None = None
) -> bool:
    """Record the hyperparameters of a trial, at step 0: once a run.

    Args:
        hparams: `HParam` or name -> value: bool, number or string, also numpy's. More is taken than
            TensorBoard takes: see `tbio.kinds.hparams`.
        trial_id: trials of one id are one row of the table; None is a hash of the hyperparameters,
            TensorBoard's own.
        start_time_secs: seconds since the epoch; None is now.

    Returns:
        See `tbio.summary.scalar`.

    Raises:
        TypeError: no dict; a ``trial_id`` that is no string.
        ValueError: two values of one name.
    """
    return write_raw_pb(hparams_pb(hparams, trial_id, start_time_secs), step=0)


def hparams_pb(
    hparams: Mapping[Any, Any], trial_id: str | None = None, start_time_secs: float | None = None
) -> Summary:
    """What `hparams` records, as a message.

    >>> value = hparams_pb({"lr": 0.1}, trial_id="a", start_time_secs=1.0).value[0]
    >>> value.tag
    '_hparams_/session_start_info'
    """
    if not (trial_id is None or isinstance(trial_id, str)):
        raise TypeError(f"trial_id: want a str, got {trial_id!r}")
    prepared = _hparams.prepare(hparams)
    value = _hparams.encode_start(
        prepared,
        start_time=time.time() if start_time_secs is None else start_time_secs,
        group_name=_hash(hparams, prepared) if trial_id is None else trial_id,
    )
    plain(value.metadata)
    return Summary(value=[value])


def _hash(given: Mapping[Any, Any], prepared: _hparams.Hparams) -> str:
    """TensorBoard's id of a trial: what it can store goes into it as it was given, 3 not as 3.0."""
    values = {
        getattr(key, "name", key): value.item() if isinstance(value, np.generic) else value
        for key, value in given.items()
    }
    if not all(isinstance(value, (bool, int, float, str)) for value in values.values()):
        values = dict(prepared)
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hparams_config(
    hparams: Iterable[Any], metrics: Iterable[Any], time_created_secs: float | None = None
) -> bool:
    """Record which hyperparameters and metrics TensorBoard shows, at step 0: once a log folder.

    Args:
        hparams: `HParam` objects, also TensorBoard's own.
        metrics: `Metric` objects, likewise.
        time_created_secs: seconds since the epoch; None for none.

    Returns:
        See `tbio.summary.scalar`.
    """
    return write_raw_pb(hparams_config_pb(hparams, metrics, time_created_secs), step=0)


def hparams_config_pb(
    hparams: Iterable[Any], metrics: Iterable[Any], time_created_secs: float | None = None
) -> Summary:
    """What `hparams_config` records, as a message.

    >>> message = hparams_config_pb([HParam("units", Discrete([16, 32]))], [Metric("accuracy")])
    >>> message.value[0].tag
    '_hparams_/experiment'
    """
    experiment = Experiment(time_created_secs=time_created_secs)
    for hparam in hparams:
        info = HParamInfo(
            name=hparam.name,
            description=hparam.description,
            display_name=hparam.display_name,
        )
        if hparam.domain is not None:
            hparam.domain.update_hparam_info(info)
        experiment.hparam_infos.append(info)
    for metric in metrics:
        experiment.metric_infos.add().MergeFromString(metric.as_proto().SerializeToString())
    content = HParamsPluginData(experiment=experiment).SerializeToString(deterministic=True)
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.HPARAMS, content=content)
    )
    nothing = tensor.encode(np.zeros(0, np.float32))
    value = Summary.Value(tag=_hparams.EXPERIMENT_TAG, metadata=metadata, tensor=nothing)
    return Summary(value=[value])


class KerasCallback:
    """Records the hyperparameters when a ``fit`` begins, and when it ends that it has succeeded.

    It is one of the callbacks of one ``fit``, on any backend of Keras, which it does not import::

        callbacks = [tbio.keras.TensorBoard(folder), hp.KerasCallback(folder, hparams)]
        model.fit(x, y, callbacks=callbacks)

    Args:
        writer: a writer of `tbio.summary`; or the trial's folder.
        hparams: see `hparams`.
        trial_id: likewise.

    Raises:
        TypeError, ValueError: as `hparams`; no writer.
    """

    #: Keras need wait for nothing before it calls hooks that do nothing.
    async_safe = True

    def __init__(
        self,
        writer: SummaryWriter | str | os.PathLike[str],
        hparams: Mapping[Any, Any],
        trial_id: str | None = None,
    ) -> None:
        self._hparams = dict(hparams)
        self._trial_id = trial_id
        hparams_pb(self._hparams, trial_id)  # which looks at them
        self._done: Callable[[], None] | None
        if isinstance(writer, SummaryWriter):
            self._writer = writer
            self._done = writer.flush
        elif isinstance(writer, (str, os.PathLike)):
            self._writer = create_file_writer(writer)
            self._done = self._writer.close
        else:
            raise TypeError(f"writer: want a SummaryWriter or a folder, got {writer!r:.80}")

    def on_train_begin(self, logs: Any = None) -> None:
        """Record the hyperparameters.

        Raises:
            RuntimeError: in a second ``fit``.
        """
        if self._done is None:
            raise RuntimeError("hp.KerasCallback: want a new one for each fit")
        with self._writer.as_default():
            hparams(self._hparams, self._trial_id)

    def on_train_end(self, logs: Any = None) -> None:
        """Record the end."""
        value = _hparams.encode_end("SUCCESS", end_time=time.time())
        plain(value.metadata)
        with self._writer.as_default():
            write_raw_pb(Summary(value=[value]), step=0)
        if self._done is not None:
            self._done()
            self._done = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        """What else Keras calls does nothing."""
        if name.startswith("on_") or name in ("set_model", "set_params"):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*arguments: Any, **named: Any) -> None:
    """A hook."""
