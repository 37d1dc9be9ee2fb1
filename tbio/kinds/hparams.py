"""Hyperparameters: what a run was started with, how it ended, and what its experiment tries.

Three tags of plugin "hparams" (tensorboard/plugins/hparams/metadata.py), whose values are nothing
but metadata. TensorBoard reads a tag's metadata from its first value in a run, and so

* the start, with the hyperparameters, can be said once a run, and so can the end. A run without an
  end is shown with the status "unknown"; a "running" said at the start would stay for ever.
* of several experiment tags in a log folder the first one that is found counts, and columns that it
  does not name are not shown (backend_context.py, ``_find_experiment_tag``). Where there is none,
  TensorBoard takes all hyperparameters of all runs and all their scalars as metrics, which is why
  a run should not have one.

torch's and tensorboardX's ``add_hparams`` write all three at once, as `summaries` does.

How values become the numbers, strings and bools that there are:

=========================================  =====================================================
bool, numbers, arrays of one element       as they are; integers beyond 2**53 as text
str, bytes, paths                          text
None                                       left out, as torch does: TensorBoard leaves the cell
                                           empty. (As text it would make a column of numbers one of
                                           text, which TensorBoard can no longer sort.)
enumerations                               the name; those that are strings or numbers, the value
dicts, dataclasses, namespaces             one hyperparameter an item, ``outer/inner``: as tags do,
                                           and Lightning's loggers
lists, tuples, sets, larger arrays         JSON: ``[64, 32]``
functions, classes, partial                their name
anything else                              ``str()``, or the name of its type if it has none
=========================================  =====================================================

TensorBoard also leaves the cell of a number empty that is not finite.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import functools
import json
import math
import os
import types
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from tbio import arrays, plugins, tensor
from tbio.proto.hparams_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    DataType,
    Experiment,
    HParamInfo,
    HParamsPluginData,
    MetricInfo,
    MetricName,
    SessionEndInfo,
    SessionStartInfo,
)
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

EXPERIMENT_TAG = "_hparams_/experiment"
START_TAG = "_hparams_/session_start_info"
END_TAG = "_hparams_/session_end_info"

Scalar: TypeAlias = bool | float | str
#: Hyperparameters as `prepare` leaves them.
Hparams: TypeAlias = Mapping[str, Scalar]

Status: TypeAlias = Literal["UNKNOWN", "SUCCESS", "FAILURE", "RUNNING"]

#: What TensorBoard's own writers put where a value has to be: it is all in the metadata.
_NULL_TENSOR = tensor.encode(np.zeros(0, np.float32))


def prepare(hparams: Any) -> Hparams:
    """Hyperparameters by name, as TensorBoard can store them; see the module for the table.

    Args:
        hparams: a dict, or an object with fields: a dataclass, ``argparse.Namespace``, a named
            tuple. It may be nested. Names that are no strings become some.

    Raises:
        TypeError: nothing with names.
        ValueError: two values of one name, text that is not Unicode, data that cannot be had.

    >>> prepare({"lr": 0.1, "model": {"layers": [64, 32], "bias": True}})
    {'lr': 0.1, 'model/layers': '[64, 32]', 'model/bias': True}
    """
    fields = _fields(hparams)
    if fields is None:
        raise TypeError(f"want a dict of hyperparameters, got {type(hparams).__name__}")
    return _flatten(_plain_dict(fields))


def _flatten(plain: dict[str, Any]) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {}
    for name, value in plain.items():
        if isinstance(value, dict) and value:
            inner = {f"{name}/{key}": item for key, item in _flatten(value).items()}
        else:
            inner = {} if value is None else {name: _scalar(value)}
        for key, item in inner.items():
            if key in flat:
                raise ValueError(f"two hyperparameters of the name {key!r}")
            flat[key] = item
    return flat


def _scalar(value: Any) -> Scalar:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool):
        # Beyond that a double skips integers: as text a seed is exact, and in all runs the same.
        return float(value) if abs(value) <= 2**53 else str(value)
    scalar: Scalar = value
    return scalar


def _plain_dict(fields: Mapping[Any, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in fields.items():
        name = _key(key)
        if name in plain:
            raise ValueError(f"two hyperparameters of the name {name!r}")
        try:
            plain[name] = _plain(value)
        except TypeError as error:
            raise TypeError(f"hyperparameter {name!r}: {error}") from error
        except ValueError as error:
            raise ValueError(f"hyperparameter {name!r}: {error}") from error
    return plain


def _key(key: Any) -> str:
    if isinstance(key, str):
        return _text(str.__str__(key))  # str() would give an enumeration's "Class.MEMBER"
    # An enumeration's member; TensorBoard's HParam, which stands for the name it has.
    named = isinstance(key, enum.Enum) or (hasattr(key, "name") and hasattr(key, "domain"))
    return _text(str(key.name if named else key))


def _plain(value: Any) -> Any:
    """A value of any kind in the types of JSON."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum) and not isinstance(value, (str, int, float)):
        return value.name
    if isinstance(value, str):
        return _key(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, os.PathLike):
        return _plain(os.fspath(value))
    if not isinstance(value, type) and hasattr(value, "shape") and hasattr(value, "dtype"):
        return _plain_array(value)
    fields = _fields(value)
    if fields is not None:
        return _plain_dict(fields)
    if isinstance(value, Set):
        return sorted(map(_plain, value), key=_order)
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if hasattr(type(value), "__float__"):  # Decimal, Fraction
        return float(value)
    return _text(_name(value))


def _order(item: Any) -> tuple[float, str]:
    """Numbers first: the order in which a set stands, which has none of its own."""
    return (item, "") if isinstance(item, (int, float)) else (math.inf, repr(item))


def _plain_array(value: Any) -> Any:
    try:
        array = arrays.to_numpy(value)
    except TypeError:  # text, times, objects
        array = np.asarray(value)
        if array.dtype.kind in "mM":
            array = array.astype(str)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)  # a long double is no Python float
    elif array.dtype.kind == "c":
        array = array.astype(str)
    items = array.item() if array.size == 1 else array.tolist()
    return str(items) if isinstance(items, np.generic) else _plain(items)


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """What an object holds under names, if that is what it is for."""
    if isinstance(value, type):
        return None
    if isinstance(value, Mapping):
        return value
    if isinstance(value, (argparse.Namespace, types.SimpleNamespace)):
        return vars(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        fields: Mapping[Any, Any] = value._asdict()
        return fields
    return None


def _name(value: Any) -> str:
    if isinstance(value, functools.partial):
        return _name(value.func)
    if callable(value) and hasattr(value, "__name__"):
        return str(value.__name__)
    kind: Any = type(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        return str(kind.__name__)  # what it prints is its address, another one each time
    return str(value)


def _metric(tag: Any) -> str:
    if not isinstance(tag, str):
        raise TypeError(f"metric: want a str, got {type(tag).__name__} {tag!r:.80}")
    return _text(tag)


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r:.80} cannot be stored as UTF-8") from error
    return text


def prepare_domains(
    domains: Mapping[str, Iterable[Any]] | None, hparams: Hparams
) -> Mapping[str, Sequence[Scalar]]:
    """The values that some hyperparameters can take, by name, checked and converted.

    Raises:
        TypeError: no list, or values of another type than the hyperparameter's own.
        ValueError: no such hyperparameter.

    >>> prepare_domains({"lr": [0.1, 0.2]}, {"lr": 0.1})
    {'lr': [0.1, 0.2]}
    """
    if domains is None:
        return {}
    if not isinstance(domains, Mapping):
        raise TypeError(f"want a dict of lists as domains, got {type(domains).__name__}")
    checked: dict[str, Sequence[Scalar]] = {}
    for name, values in domains.items():
        if name not in hparams:
            raise ValueError(f"a domain of {name!r}, which is no hyperparameter")
        plain = _plain(values)
        if not isinstance(plain, list):
            raise TypeError(f"domain of {name!r}: want a list, got {type(values).__name__}")
        checked[name] = [_scalar(value) for value in plain]
        kinds = {_data_type(value) for value in checked[name]}
        if kinds - {_data_type(hparams[name])}:
            raise TypeError(f"domain of {name!r}: want values of its own type, got {values!r:.80}")
    return checked


def _data_type(value: Scalar) -> DataType:
    if isinstance(value, bool):
        return DATA_TYPE_BOOL
    return DATA_TYPE_STRING if isinstance(value, str) else DATA_TYPE_FLOAT64


def encode_start(
    hparams: Hparams,
    *,
    start_time: float = 0,
    group_name: str = "",
    monitor_url: str = "",
    model_uri: str = "",
) -> Summary.Value:
    """The start of a run, with its hyperparameters: one value a run, at step 0, metadata included.

    Args:
        start_time: seconds since the epoch; 0 is not known.
        group_name: runs of one group are shown as one row, with the hyperparameters of one of them
            and the average of their metrics. Without it each run is a row.
        monitor_url: a link that TensorBoard shows.
        model_uri: where the model is.
    """
    info = SessionStartInfo(
        start_time_secs=start_time,
        group_name=group_name,
        monitor_url=monitor_url,
        model_uri=model_uri,
    )
    for name, value in hparams.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _value(START_TAG, HParamsPluginData(session_start_info=info))


def encode_end(status: Status, *, end_time: float = 0) -> Summary.Value:
    """The end of a run: one value a run, at step 0, metadata included.

    Raises:
        ValueError: an unknown status.

    >>> encode_end("SUCCESS").tag
    '_hparams_/session_end_info'
    """
    if status not in get_args(Status):
        raise ValueError(f"want a status of {', '.join(get_args(Status))}, got {status!r}")
    info = SessionEndInfo(status=f"STATUS_{status}", end_time_secs=end_time)
    return _value(END_TAG, HParamsPluginData(session_end_info=info))


def encode_experiment(
    hparams: Hparams,
    metrics: Iterable[str] = (),
    domains: Mapping[str, Sequence[Scalar]] | None = None,
    *,
    description: str = "",
    user: str = "",
    created: float = 0,
) -> Summary.Value:
    """The columns of the table for all runs: one value a log folder, at step 0, metadata included.

    Args:
        hparams: which hyperparameters, and of what types.
        metrics: tags of scalars.
        domains: as of `prepare_domains`.
        description: Markdown.
        user: whose it is.
        created: seconds since the epoch; 0 is not known.
    """
    experiment = Experiment(description=description, user=user, time_created_secs=created)
    for name, value in hparams.items():
        info = HParamInfo(name=name, type=_data_type(value))
        if domains and name in domains:
            info.domain_discrete.extend(domains[name])
        experiment.hparam_infos.append(info)
    for tag in metrics:
        experiment.metric_infos.append(MetricInfo(name=MetricName(tag=tag)))
    return _value(EXPERIMENT_TAG, HParamsPluginData(experiment=experiment))


def _value(tag: str, content: HParamsPluginData) -> Summary.Value:
    metadata = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(
            plugin_name=plugins.HPARAMS,
            content=content.SerializeToString(deterministic=True),
        ),
        data_class=DATA_CLASS_TENSOR,
    )
    return Summary.Value(tag=tag, metadata=metadata, tensor=_NULL_TENSOR)


def summaries(
    hparam_dict: Any,
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, Iterable[Any]] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """What torch's and tensorboardX's ``summary.hparams`` give: experiment, start and end.

    The metrics' values are not in there; they are scalars of the same run.

    Raises:
        As `prepare` and `prepare_domains`; TypeError also for metrics that are no dict.

    >>> [summary.value[0].tag for summary in summaries({"lr": 0.1}, {"accuracy": 0.9})]
    ['_hparams_/experiment', '_hparams_/session_start_info', '_hparams_/session_end_info']
    """
    if not isinstance(metric_dict, Mapping):
        raise TypeError(f"want a dict of metrics, got {type(metric_dict).__name__}")
    hparams = prepare(hparam_dict)
    domains = prepare_domains(hparam_domain_discrete, hparams)
    values = (
        encode_experiment(hparams, map(_metric, metric_dict), domains),
        encode_start(hparams),
        encode_end("SUCCESS"),
    )
    experiment, start, end = (Summary(value=[value]) for value in values)
    return experiment, start, end
