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
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, get_args

import numpy as np
from google.protobuf.message import DecodeError as ProtobufError
from google.protobuf.struct_pb2 import Value

from tbio import arrays, plugins, tensor
from tbio.errors import DecodeError
from tbio.proto import hparams_pb2
from tbio.proto.hparams_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    DataType,
    HParamsPluginData,
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
    experiment = hparams_pb2.Experiment(
        description=description, user=user, time_created_secs=created
    )
    for name, value in hparams.items():
        info = hparams_pb2.HParamInfo(name=name, type=_data_type(value))
        if domains and name in domains:
            info.domain_discrete.extend(domains[name])
        experiment.hparam_infos.append(info)
    for tag in metrics:
        experiment.metric_infos.append(hparams_pb2.MetricInfo(name=MetricName(tag=tag)))
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


# ------------------------------------------------------------------ reading

_T = TypeVar("_T")

#: What a hyperparameter can be in a log: of the last three TensorBoard shows nothing.
Stored: TypeAlias = bool | float | str | list[Any] | dict[str, Any] | None
StatusRead: TypeAlias = Literal["unknown", "success", "failure", "running"]
TypeName: TypeAlias = Literal["string", "bool", "float64"]
DatasetName: TypeAlias = Literal["training", "validation"]

_STATUSES: tuple[StatusRead, ...] = ("unknown", "success", "failure", "running")
_TYPES: tuple[TypeName | None, ...] = (None, "string", "bool", "float64")
_DATASETS: tuple[DatasetName | None, ...] = (None, "training", "validation")


@dataclass(frozen=True)
class HParamInfo:
    """What an experiment says of one hyperparameter.

    Attributes:
        name: as in `SessionStart.hparams`.
        display_name: what TensorBoard shows in place of the name, or "".
        description: Markdown, or "".
        type: None where the log does not say.
        domain: the values that it can take, or the least and the greatest; None for anything.
    """

    name: str
    display_name: str = ""
    description: str = ""
    type: TypeName | None = None
    domain: tuple[Stored, ...] | Interval | None = None


class Interval(NamedTuple):
    """The domain of a number, both ends included."""

    min: float
    max: float


@dataclass(frozen=True)
class MetricInfo:
    """What an experiment says of one metric.

    Attributes:
        tag: that of its scalars.
        group: the sub-run that has them, relative to the session's run; "" for that itself.
        display_name: what TensorBoard shows in place of the tag, or "".
        description: Markdown, or "".
        dataset_type: None where the log does not say.
    """

    tag: str
    group: str = ""
    display_name: str = ""
    description: str = ""
    dataset_type: DatasetName | None = None


@dataclass(frozen=True)
class Experiment:
    """The columns of the table of all runs.

    Attributes:
        name: or "".
        description: Markdown, or "".
        user: or "".
        time_created: seconds since the epoch, or None.
        hparams: in the order in which they are shown.
        metrics: likewise.
    """

    name: str = ""
    description: str = ""
    user: str = ""
    time_created: float | None = None
    hparams: tuple[HParamInfo, ...] = ()
    metrics: tuple[MetricInfo, ...] = ()

    def __repr__(self) -> str:
        names = [info.name for info in self.hparams]
        return f"<Experiment {self.name!r}: hparams {names}, {len(self.metrics)} metrics>"


@dataclass(frozen=True)
class SessionStart:
    """What a run was started with.

    Attributes:
        hparams: values by name, sorted by name.
        group_name: runs of one group are one row in TensorBoard; "" for a row of its own.
        model_uri: where the model is, or "".
        monitor_url: a link, or "".
        start_time: seconds since the epoch, or None.
    """

    hparams: dict[str, Stored]
    group_name: str = ""
    model_uri: str = ""
    monitor_url: str = ""
    start_time: float | None = None


@dataclass(frozen=True)
class SessionEnd:
    """How a run ended. torch and Lightning write "success" at once, before it has.

    Attributes:
        status: "unknown" also for a number that TensorBoard has no name for.
        end_time: seconds since the epoch, or None.
    """

    status: StatusRead = "unknown"
    end_time: float | None = None


@dataclass(frozen=True)
class RunHParams:
    """Everything that one run says of hyperparameters; see `of_run`.

    Attributes:
        start: None where the run is no session: it may hold the experiment alone.
        end: None for a run that has not ended, or died.
        experiment: None in most logs but those of torch, tensorboardX and Lightning, which repeat
            it in each run.
    """

    start: SessionStart | None = None
    end: SessionEnd | None = None
    experiment: Experiment | None = None

    @property
    def values(self) -> dict[str, Stored]:
        """The hyperparameters by name, sorted."""
        return self.start.hparams if self.start else {}

    @property
    def status(self) -> StatusRead:
        """How the run ended; "unknown" for one without an end, as TensorBoard has it."""
        return self.end.status if self.end else "unknown"

    @property
    def group_name(self) -> str:
        """The group of the start, or ""."""
        return self.start.group_name if self.start else ""

    @property
    def start_time(self) -> float | None:
        """Seconds since the epoch as the start says, or None."""
        return self.start.start_time if self.start else None

    @property
    def end_time(self) -> float | None:
        """Seconds since the epoch as the end says, or None."""
        return self.end.end_time if self.end else None


def decode(metadata: SummaryMetadata) -> Experiment | SessionStart | SessionEnd:
    """What one of the three tags says; its values hold nothing, all is in the metadata.

    Numbers are floats, as the log has them. A hyperparameter without a value, or a null, is None;
    lists and structs, which no known writer makes, are lists and dicts.

    Raises:
        DecodeError: bytes that are no HParamsPluginData, of another version than 0 or without
            content, at all of which TensorBoard raises (hparams/metadata.py).

    >>> decode(encode_start({"lr": 0.1, "flag": True}, group_name="a").metadata).hparams
    {'flag': True, 'lr': 0.1}
    """
    try:
        data = HParamsPluginData.FromString(metadata.plugin_data.content)
    except (ProtobufError, ValueError, RecursionError) as error:
        # The last two are what protobuf's pure-Python form says of bad UTF-8 and of depth.
        raise DecodeError("hyperparameters of bytes that are none") from error
    if data.version != 0:
        raise DecodeError(f"hyperparameters of version {data.version}, where 0 is known")
    match data.WhichOneof("data"):
        case "experiment":
            return _experiment(data.experiment)
        case "session_start_info":
            start = data.session_start_info
            return SessionStart(
                {name: _stored(start.hparams[name]) for name in sorted(start.hparams)},
                start.group_name,
                start.model_uri,
                start.monitor_url,
                _time(start.start_time_secs),
            )
        case "session_end_info":
            end = data.session_end_info
            return SessionEnd(_named(_STATUSES, end.status), _time(end.end_time_secs))
    raise DecodeError("hyperparameters without content: neither experiment, start nor end")


def _experiment(proto: hparams_pb2.Experiment) -> Experiment:
    hparams = tuple(
        HParamInfo(
            info.name,
            info.display_name,
            info.description,
            _named(_TYPES, info.type),
            _domain(info),
        )
        for info in proto.hparam_infos
    )
    metrics = tuple(
        MetricInfo(
            info.name.tag,
            info.name.group,
            info.display_name,
            info.description,
            _named(_DATASETS, info.dataset_type),
        )
        for info in proto.metric_infos
    )
    created = _time(proto.time_created_secs)
    return Experiment(proto.name, proto.description, proto.user, created, hparams, metrics)


def _domain(info: hparams_pb2.HParamInfo) -> tuple[Stored, ...] | Interval | None:
    match info.WhichOneof("domain"):
        case "domain_discrete":
            return tuple(map(_stored, info.domain_discrete.values))
        case "domain_interval":
            return Interval(info.domain_interval.min_value, info.domain_interval.max_value)
    return None


def _named(names: Sequence[_T], number: int) -> _T:
    """The name of an enumeration's number; a newer one's is that of 0."""
    return names[number] if 0 <= number < len(names) else names[0]


def _time(seconds: float) -> float | None:
    return seconds if seconds and math.isfinite(seconds) else None


def _stored(value: Value) -> Stored:
    match value.WhichOneof("kind"):
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "list_value":
            return list(map(_stored, value.list_value.values))
        case "struct_value":
            return {name: _stored(item) for name, item in value.struct_value.fields.items()}
    return None


def of_run(metadata_by_tag: Mapping[str, SummaryMetadata]) -> RunHParams | None:
    """What a run says of hyperparameters, or None if nothing.

    Args:
        metadata_by_tag: the first metadata that the run has of each tag, which are those that
            TensorBoard reads; other tags, and tags of other plugins, are passed over.

    Raises:
        DecodeError: as `decode`; a tag that holds another one's content.

    >>> end = encode_end("FAILURE")
    >>> of_run({end.tag: end.metadata}).status
    'failure'
    """
    found: dict[str, Any] = {}
    for name, tag, wanted in (
        ("start", START_TAG, SessionStart),
        ("end", END_TAG, SessionEnd),
        ("experiment", EXPERIMENT_TAG, Experiment),
    ):
        metadata = metadata_by_tag.get(tag)
        if metadata is None or metadata.plugin_data.plugin_name != plugins.HPARAMS:
            continue
        try:
            found[name] = decode(metadata)
        except DecodeError as error:
            raise DecodeError(error.what, tag=tag) from error
        if not isinstance(found[name], wanted):
            raise DecodeError(f"holds a {type(found[name]).__name__}", tag=tag)
    return RunHParams(**found) if found else None
