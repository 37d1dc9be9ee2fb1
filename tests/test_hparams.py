"""Hyperparameters: values of every type, and what TensorBoard's own backend makes of runs."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import math
import pathlib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams import summary_v2
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import EventFileWriter, read_events
from tbio.errors import DecodeError
from tbio.kinds import hparams, scalar
from tbio.proto import hparams_pb2
from tbio.proto.event_pb2 import Event
from tbio.proto.hparams_pb2 import DATA_TYPE_BOOL, DATA_TYPE_FLOAT64, HParamsPluginData
from tbio.proto.summary_pb2 import DATA_CLASS_UNKNOWN, Summary, SummaryMetadata


class Color(enum.Enum):
    RED = "#f00"
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Mode(str, enum.Enum):
    FAST = "fast"


@dataclasses.dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)


class Point(collections.namedtuple("Point", "x y")):
    pass


class Plain:
    pass


class Printable:
    def __repr__(self) -> str:
        return "printable"


#: what is given as the value of "x" -> the hyperparameters that it becomes
VALUES: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "true": (True, {"x": True}),
    "false": (False, {"x": False}),
    "numpy bool": (np.bool_(True), {"x": True}),
    "array of a bool": (np.array([False]), {"x": False}),
    "int": (3, {"x": 3.0}),
    "float": (0.1, {"x": 0.1}),
    "negative": (-(2**53), {"x": -(2.0**53)}),
    "greatest number": (2**53, {"x": 2.0**53}),
    "large": (2**53 + 1, {"x": "9007199254740993"}),
    "large, although a double": (-(2**60), {"x": "-1152921504606846976"}),
    "too large": (10**400, {"x": "1" + "0" * 400}),
    "numpy float32": (np.float32(0.5), {"x": 0.5}),
    "numpy int": (np.int64(7), {"x": 7.0}),
    "large numpy int": (np.uint64(2**64 - 1), {"x": "18446744073709551615"}),
    "long double": (np.longdouble(0.5), {"x": 0.5}),
    "array of rank 0": (np.array(0.25), {"x": 0.25}),
    "array of one": (np.array([[2]]), {"x": 2.0}),
    "infinity": (math.inf, {"x": math.inf}),
    "decimal": (decimal.Decimal("0.1"), {"x": 0.1}),
    "fraction": (fractions.Fraction(1, 4), {"x": 0.25}),
    "str": ("adam", {"x": "adam"}),
    "empty str": ("", {"x": ""}),
    "numpy str": (np.str_("größe"), {"x": "größe"}),
    "bytes": (b"a\xff", {"x": "a\\xff"}),
    "path": (pathlib.PurePosixPath("a/b"), {"x": "a/b"}),
    "none": (None, {}),
    "enum of a str": (Color.RED, {"x": "RED"}),
    "enum of an int": (Color.GREEN, {"x": "GREEN"}),
    "enum that is an int": (Level.LOW, {"x": 1.0}),
    "enum that is a str": (Mode.FAST, {"x": "fast"}),
    "dict": ({"a": 1, "b": {"c": True, "d": None}}, {"x/a": 1.0, "x/b/c": True}),
    "empty dict": ({}, {"x": "{}"}),
    "keys that are no strings": ({1: "a", Color.RED: "b", Mode.FAST: 3}, {"x/1": "a", "x/RED": "b", "x/fast": 3.0}),  # noqa: E501
    "dataclass": (Optimizer(), {"x/name": "adam", "x/betas": "[0.9, 0.999]"}),
    "namespace": (argparse.Namespace(lr=0.5), {"x/lr": 0.5}),
    "simple namespace": (types.SimpleNamespace(lr=0.5), {"x/lr": 0.5}),
    "named tuple": (Point(1, 2), {"x/x": 1.0, "x/y": 2.0}),
    "list": ([64, 32], {"x": "[64, 32]"}),
    "tuple": ((1, "ä", None, True), {"x": '[1, "ä", null, true]'}),
    "empty list": ([], {"x": "[]"}),
    "list of one": ([3], {"x": "[3]"}),
    "list of all sorts": (
        [{"k": Color.RED}, [np.float32(0.5)], 2**60 + 1, pathlib.PurePosixPath("p")],
        {"x": '[{"k": "RED"}, [0.5], 1152921504606846977, "p"]'},
    ),
    "set": (set("fcabed"), {"x": '["a", "b", "c", "d", "e", "f"]'}),
    "set of all sorts": (
        frozenset([10, 9.5, "b", None, "a", (1, 2), -1e300]),
        {"x": '[-1e+300, 9.5, 10, "a", "b", null, [1, 2]]'},
    ),
    "range": (range(3), {"x": "[0, 1, 2]"}),
    "deque": (collections.deque([1]), {"x": "[1]"}),
    "array": (np.array([[1, 2], [3, 4]]), {"x": "[[1, 2], [3, 4]]"}),
    "array of floats": (np.array([0.5, np.nan], np.float32), {"x": "[0.5, NaN]"}),
    "array of strings": (np.array(["a", "b"]), {"x": '["a", "b"]'}),
    "array of objects": (np.array([Color.RED, 1], object), {"x": '["RED", 1]'}),
    "array of times": (np.array(["2020-01-02"], "M8[D]"), {"x": "2020-01-02"}),
    "numpy time": (np.datetime64("2020-01-02T03:04", "ns"), {"x": "2020-01-02T03:04:00.000000000"}),
    "empty array": (np.zeros(0), {"x": "[]"}),
    "complex": (1 + 2j, {"x": "(1+2j)"}),
    "numpy complex": (np.complex64(1 + 2j), {"x": "(1+2j)"}),
    "time": (datetime.date(2020, 1, 2), {"x": "2020-01-02"}),
    "function": (math.sqrt, {"x": "sqrt"}),
    "class": (Optimizer, {"x": "Optimizer"}),
    "class of dicts": (dict, {"x": "dict"}),
    "class of arrays": (np.ndarray, {"x": "ndarray"}),
    "lambda": (lambda: 0, {"x": "<lambda>"}),
    "partial": (functools.partial(functools.partial(math.pow), 2), {"x": "pow"}),
    "numpy dtype": (np.dtype("f4"), {"x": "float32"}),
    "object that prints itself": (Printable(), {"x": "printable"}),
    "object that prints its address": (Plain(), {"x": "Plain"}),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    value, expected = VALUES[name]
    got = hparams.prepare({"x": value})
    assert got == expected
    assert [type(one) for one in got.values()] == [type(one) for one in expected.values()]
    json.dumps(got)  # nothing but plain types


def test_nan() -> None:
    (value,) = hparams.prepare({"x": math.nan}).values()
    assert isinstance(value, float)
    assert math.isnan(value)
    (value,) = hparams.prepare({"x": np.ma.masked}).values()
    assert isinstance(value, float)
    assert math.isnan(value)


def test_the_whole_may_be_any_object_with_fields() -> None:
    for whole in (
        {"name": "adam", "betas": (0.9, 0.999)},
        Optimizer(),
        argparse.Namespace(name="adam", betas=[0.9, 0.999]),
    ):
        assert hparams.prepare(whole) == {"name": "adam", "betas": "[0.9, 0.999]"}
    assert hparams.prepare({}) == {}


def test_tensorboards_own_hparam_as_a_key() -> None:
    key = summary_v2.HParam("units", summary_v2.Discrete([16, 32]))
    assert hparams.prepare({key: 16}) == {"units": 16.0}


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "want a dict of hyperparameters, got NoneType"),
        ([("lr", 1)], TypeError, "want a dict of hyperparameters, got list"),
        ("lr=1", TypeError, "want a dict of hyperparameters, got str"),
        (dict, TypeError, "want a dict of hyperparameters, got type"),
        ({"a": {"b": 1}, "a/b": 2}, ValueError, "two hyperparameters of the name 'a/b'"),
        ({"1": 1, 1: 2}, ValueError, "two hyperparameters of the name '1'"),
        ({"a": "\ud800"}, ValueError, r"hyperparameter 'a': '\\ud800' cannot be stored as UTF-8"),
        ({"\ud800": 1}, ValueError, r"'\\ud800' cannot be stored as UTF-8"),
        ({"a": {"b": ["\ud800"]}}, ValueError, "hyperparameter 'a': hyperparameter 'b': .* UTF-8"),
    ],
    ids=repr,
)
def test_no_hyperparameters(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        hparams.prepare(value)


#: Without a slash, so that no two names can become the same.
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_anything_can_be_stored(tree: dict[str, Any]) -> None:
    flat = hparams.prepare(tree)
    info = content(hparams.encode_start(flat)).session_start_info
    stored = {
        name: getattr(value, value.WhichOneof("kind") or "") for name, value in info.hparams.items()
    }
    assert stored == dict(flat)
    for name, value in tree.items():  # nothing is lost but None
        if value is None:
            assert name not in flat
        elif not isinstance(value, dict):
            assert name in flat


# ------------------------------------------------------------------ the encodings


def content(value: Summary.Value) -> HParamsPluginData:
    return HParamsPluginData.FromString(value.metadata.plugin_data.content)


def as_tensorboard_writes_it(value: Summary.Value) -> Summary.Value:
    """The same without a data class, which its writers leave out and its loader puts in."""
    assert value.metadata.data_class == summary_pb2.DATA_CLASS_TENSOR
    value.metadata.data_class = DATA_CLASS_UNKNOWN
    return value


def test_golden() -> None:
    value = hparams.encode_start({"b": True, "a": 0.5, "c": "x"}, start_time=2.0, group_name="g")
    assert value.tag == "_hparams_/session_start_info"
    assert value.tensor.SerializeToString() == bytes.fromhex(
        "08 01"  # DT_FLOAT
        "12 02 12 00"  # shape: one dimension, of size 0
    )
    assert value.metadata.plugin_data.plugin_name == "hparams"
    assert value.metadata.plugin_data.content == bytes.fromhex(
        "1a 2f"  # session_start_info (field 3), 47 bytes
        "0a 0e 0a 01 61 12 09 11 000000000000e03f"  # hparams: "a", number_value
        "0a 07 0a 01 62 12 02 20 01"  # "b", bool_value
        "0a 08 0a 01 63 12 03 1a 01 78"  # "c", string_value
        "22 01 67"  # group_name: "g"
        "29 0000000000000040"  # start_time_secs
    )


def test_start_as_tensorboard_writes_it() -> None:
    values = {"lr": 0.1, "units": 16, "flag": True, "opt": "adam"}
    theirs = summary_v2.hparams_pb(values, trial_id="trial", start_time_secs=12.5).value[0]
    ours = hparams.encode_start(hparams.prepare(values), start_time=12.5, group_name="trial")
    assert (
        as_tensorboard_writes_it(ours).tensor
        == Summary.Value.FromString(theirs.SerializeToString()).tensor
    )
    theirs_content = HParamsPluginData.FromString(theirs.metadata.plugin_data.content)
    assert content(ours) == theirs_content
    assert ours.tag == theirs.tag == hparams.START_TAG
    more = hparams.encode_start({}, monitor_url="http://m", model_uri="/m")
    info = hparams_metadata.parse_session_start_info_plugin_data(more.metadata.plugin_data.content)
    assert (info.monitor_url, info.model_uri) == ("http://m", "/m")


@pytest.mark.parametrize(
    ("status", "number"), [("UNKNOWN", 0), ("SUCCESS", 1), ("FAILURE", 2), ("RUNNING", 3)]
)
def test_end(status: Any, number: int) -> None:
    value = hparams.encode_end(status, end_time=12.5)
    assert value.tag == hparams_metadata.SESSION_END_INFO_TAG
    info = hparams_metadata.parse_session_end_info_plugin_data(value.metadata.plugin_data.content)
    assert (info.status, info.end_time_secs) == (number, 12.5)


@pytest.mark.parametrize("status", ["success", "", "DONE", None, 1])
def test_no_status(status: Any) -> None:
    with pytest.raises(ValueError, match="want a status of UNKNOWN, SUCCESS, FAILURE, RUNNING"):
        hparams.encode_end(status)


def test_experiment_as_tensorboard_writes_it() -> None:
    declared = [
        summary_v2.HParam("lr"),
        summary_v2.HParam("units", summary_v2.Discrete([16, 32])),
        summary_v2.HParam("opt", summary_v2.Discrete(["adam", "sgd"])),
        summary_v2.HParam("flag", summary_v2.Discrete([False, True])),
    ]
    metrics = [summary_v2.Metric("loss"), summary_v2.Metric("acc/val")]
    theirs = summary_v2.hparams_config_pb(declared, metrics, time_created_secs=7).value[0]
    values = hparams.prepare({"lr": 0.1, "units": 16, "opt": "adam", "flag": True})
    domains = {"units": (16, 32), "opt": ["adam", "sgd"], "flag": [False, True]}
    ours = hparams.encode_experiment(
        values, ["loss", "acc/val"], hparams.prepare_domains(domains, values), created=7
    )
    expected = HParamsPluginData.FromString(theirs.metadata.plugin_data.content)
    assert expected.experiment.hparam_infos[0].type == 0  # they know none without a domain
    expected.experiment.hparam_infos[0].type = DATA_TYPE_FLOAT64
    assert content(ours) == expected
    assert ours.tag == theirs.tag == hparams.EXPERIMENT_TAG
    more = hparams.encode_experiment({}, description="*why*", user="me")
    experiment = content(more).experiment
    assert (experiment.description, experiment.user) == ("*why*", "me")


@pytest.mark.parametrize(
    ("domains", "error", "words"),
    [
        ([1], TypeError, "want a dict of lists as domains, got list"),
        ({"lr": 0.1}, TypeError, "domain of 'lr': want a list, got float"),
        ({"lr": ["a"]}, TypeError, r"domain of 'lr': want values of its own type, got \['a'\]"),
        ({"lr": [0.1, True]}, TypeError, "domain of 'lr': want values of its own type"),
        ({"flag": [0, 1]}, TypeError, "domain of 'flag': want values of its own type"),
        ({"no": [1]}, ValueError, "a domain of 'no', which is no hyperparameter"),
    ],
    ids=repr,
)
def test_no_domains(domains: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        hparams.prepare_domains(domains, {"lr": 0.1, "flag": True})


# ------------------------------------------------------------------ against the others


def corpus_hparams(corpus: Path, folder: str) -> dict[str, Summary.Value]:
    return {
        value.tag: value
        for path in sorted((corpus / "peers" / folder).iterdir())
        if path.is_file()
        for event in read_events(path)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    }


def test_as_torch_writes_it(corpus: Path) -> None:
    """But for a boolean, which torch takes for a number, and the empty tensor, which it omits."""
    theirs = corpus_hparams(corpus, "torch/hparams/trial1")
    summaries = hparams.summaries(
        {"lr": 0.2, "bsize": 1, "opt": "adam", "flag": True, "note": "ü"},
        {"hparam/accuracy": 10, "hparam/loss": 1.5},
    )
    assert list(theirs) == [summary.value[0].tag for summary in summaries]
    for summary in summaries:
        (ours,) = summary.value
        expected = content(theirs[ours.tag])
        if expected.HasField("session_start_info"):
            assert expected.session_start_info.hparams["flag"].number_value == 1
            expected.session_start_info.hparams["flag"].bool_value = True
        for info in expected.experiment.hparam_infos:
            if info.name == "flag":
                assert info.type == DATA_TYPE_FLOAT64
                info.type = DATA_TYPE_BOOL
        assert content(ours) == expected
        assert not theirs[ours.tag].HasField("tensor")


def test_discrete_domains_as_torch_writes_them(corpus: Path) -> None:
    theirs = corpus_hparams(corpus, "torch/hparams_discrete")
    for summary in hparams.summaries(
        {"lr": 0.1, "bsize": 16, "opt": "sgd"},
        {"m": 0.5},
        {"bsize": [16, 32], "opt": ["sgd", "adam"]},
    ):
        (ours,) = summary.value
        assert content(ours) == content(theirs[ours.tag])


def test_as_tensorboardx_writes_it(corpus: Path) -> None:
    theirs = corpus_hparams(corpus, "tensorboardX/hparams/trial0")
    for summary in hparams.summaries(
        {"lr": 0.1, "bsize": 0, "opt": "adam", "flag": False, "note": "ü"},
        {"hparam/accuracy": 0, "hparam/loss": 1.5},
    ):
        (ours,) = summary.value
        assert content(ours) == content(theirs[ours.tag])


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    (theirs,) = corpus_hparams(corpus, "tensorflow/v2_hparams/run-1").values()
    start_time = content(theirs).session_start_info.start_time_secs
    values = hparams.prepare(
        {"units": np.int32(16), "dropout": 0.1 + 0.01, "optimizer": "sgd", "flag": False}
    )
    ours = hparams.encode_start(values, start_time=start_time, group_name="trial 1")
    assert content(ours) == content(theirs)
    assert as_tensorboard_writes_it(ours).tensor == theirs.tensor


@pytest.mark.parametrize("metrics", [None, ["loss"], "loss"])
def test_metrics_are_a_dict(metrics: Any) -> None:
    with pytest.raises(TypeError, match="want a dict of metrics"):
        hparams.summaries({"lr": 0.1}, metrics)


@pytest.mark.full
def test_tensors_and_what_torch_refuses() -> None:
    import torch
    from torch.utils.tensorboard.summary import hparams as torch_hparams

    values = {
        "number": torch.tensor(0.5, requires_grad=True),
        "one": torch.tensor([3]),
        "flag": torch.tensor(True),
        "bfloat16": torch.tensor(1e6, dtype=torch.bfloat16),
        "many": torch.tensor([1, 2]),
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
        "device": torch.device("cpu"),
        "class": torch.nn.ReLU,
        "module": torch.nn.ReLU(),
        "function": torch.nn.functional.relu,
    }
    assert hparams.prepare(values) == {
        "number": 0.5,
        "one": 3.0,
        "flag": True,
        "bfloat16": 999424.0,
        "many": "[1, 2]",
        "size": "[2, 3]",
        "dtype": "torch.float16",
        "device": "cpu",
        "class": "ReLU",
        "module": "ReLU()",
        "function": "relu",
    }
    with pytest.raises(ValueError, match=r"hyperparameter 'meta': .*meta"):
        hparams.prepare({"meta": torch.zeros(1, device="meta")})
    for refused in (np.float32(0.1), [1, 2], Color.RED, {"a": 1}):
        with pytest.raises(ValueError, match="value should be one of int, float"):
            torch_hparams({"x": refused}, {})
        assert hparams.summaries({"x": refused}, {})


@pytest.mark.full
def test_tensors_of_jax() -> None:
    import jax.numpy as jnp

    values = {"a": jnp.float32(0.5), "b": jnp.array(True), "c": jnp.arange(2)}
    assert hparams.prepare(values) == {"a": 0.5, "b": True, "c": "[0, 1]"}


# ------------------------------------------------------------------ reading


def metadata_of(data: HParamsPluginData | bytes) -> SummaryMetadata:
    metadata = SummaryMetadata()
    metadata.plugin_data.plugin_name = "hparams"
    metadata.plugin_data.content = data if isinstance(data, bytes) else data.SerializeToString()
    return metadata


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(NAMES, JSON, max_size=4),
    st.text(),
    st.floats(min_value=1, allow_infinity=False),
    st.sampled_from(("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")),
)
def test_written_and_read(tree: dict[str, Any], text: str, time: float, status: Any) -> None:
    values = hparams.prepare(tree)
    start = hparams.encode_start(
        values, start_time=time, group_name=text, monitor_url=text, model_uri=text
    )
    end = hparams.encode_end(status, end_time=time)
    domains = {name: [value] for name, value in values.items()}
    experiment = hparams.encode_experiment(
        values, [text], domains, description=text, user=text, created=time
    )
    run = hparams.of_run({value.tag: value.metadata for value in (start, end, experiment)})
    assert run is not None
    assert run.start == hparams.SessionStart(dict(values), text, text, text, time)
    assert [type(one) for one in run.values.values()] == [
        type(values[name]) for name in sorted(values)
    ]
    assert list(run.values) == sorted(values)
    assert run.end == hparams.SessionEnd(status.lower(), time)
    types_: dict[type, Any] = {bool: "bool", str: "string", float: "float64"}
    assert run.experiment == hparams.Experiment(
        "",
        text,
        text,
        time,
        tuple(
            hparams.HParamInfo(name, type=types_[type(value)], domain=(value,))
            for name, value in values.items()
        ),
        (hparams.MetricInfo(text),),
    )
    assert (run.status, run.group_name) == (status.lower(), text)
    assert (run.start_time, run.end_time) == (time, time)


def corpus_run(corpus: Path, folder: str) -> hparams.RunHParams:
    run = hparams.of_run(
        {tag: value.metadata for tag, value in corpus_hparams(corpus, folder).items()}
    )
    assert run is not None
    return run


def test_what_torch_and_tensorboardx_write(corpus: Path) -> None:
    """torch makes a number of a boolean."""
    torch = corpus_run(corpus, "torch/hparams/trial1")
    expected = {"bsize": 1.0, "flag": 1.0, "lr": 0.2, "note": "ü", "opt": "adam"}
    assert torch.values == expected
    assert type(torch.values["flag"]) is float
    assert (torch.status, torch.start_time, torch.end_time) == ("success", None, None)
    assert torch.experiment is not None
    assert [info.tag for info in torch.experiment.metrics] == ["hparam/accuracy", "hparam/loss"]
    theirs = corpus_run(corpus, "tensorboardX/hparams/trial0")
    assert theirs.values == {"bsize": 0.0, "flag": False, "lr": 0.1, "note": "ü", "opt": "adam"}
    assert theirs.experiment is not None
    assert {info.name: info.type for info in theirs.experiment.hparams} == {
        "lr": "float64",
        "bsize": "float64",
        "opt": "string",
        "flag": "bool",
        "note": "string",
    }


def test_what_tensorflow_writes(corpus: Path) -> None:
    run = corpus_run(corpus, "tensorflow/v2_hparams/run-1")
    assert run.values == {"dropout": 0.11, "flag": False, "optimizer": "sgd", "units": 16.0}
    assert (run.group_name, run.end, run.status) == ("trial 1", None, "unknown")
    assert run.start_time is not None
    assert 1795238957 <= run.start_time < 1795238967
    root = corpus_run(corpus, "tensorflow/v2_hparams")
    assert (root.start, root.values, root.start_time) == (None, {}, None)


def test_an_experiment_as_tensorboard_declares_it() -> None:
    declared = [
        summary_v2.HParam("units", summary_v2.Discrete([16, 32]), "Units", "how *many*"),
        summary_v2.HParam("lr", summary_v2.RealInterval(0.1, 0.5)),
        summary_v2.HParam("depth", summary_v2.IntInterval(1, 3)),
        summary_v2.HParam("opt", summary_v2.Discrete(["adam", "sgd"])),
        summary_v2.HParam("any"),
    ]
    metrics = [
        summary_v2.Metric("loss", "validation", "Loss", "least", summary_v2.Metric.VALIDATION),
        summary_v2.Metric("acc", dataset_type=summary_v2.Metric.TRAINING),
        summary_v2.Metric("plain"),
    ]
    theirs = summary_v2.hparams_config_pb(declared, metrics, time_created_secs=7).value[0]
    metadata = SummaryMetadata.FromString(theirs.metadata.SerializeToString())
    info, metric = hparams.HParamInfo, hparams.MetricInfo
    experiment = hparams.decode(metadata)
    assert experiment == hparams.Experiment(
        time_created=7.0,
        hparams=(
            info("units", "Units", "how *many*", "float64", (16.0, 32.0)),
            info("lr", type="float64", domain=hparams.Interval(0.1, 0.5)),
            info("depth", type="float64", domain=hparams.Interval(1, 3)),
            info("opt", type="string", domain=("adam", "sgd")),
            info("any"),
        ),
        metrics=(
            metric("loss", "validation", "Loss", "least", "validation"),
            metric("acc", dataset_type="training"),
            metric("plain"),
        ),
    )
    assert repr(experiment) == (
        "<Experiment '': hparams ['units', 'lr', 'depth', 'opt', 'any'], 3 metrics>"
    )


def test_values_that_no_writer_makes() -> None:
    info = hparams_pb2.SessionStartInfo(start_time_secs=math.nan)
    info.hparams["unset"].SetInParent()
    info.hparams["null"].null_value = NULL_VALUE
    info.hparams["list"].list_value.CopyFrom(
        ListValue(values=[Value(number_value=1), Value(list_value=ListValue())])
    )
    info.hparams["struct"].struct_value.CopyFrom(Struct(fields={"a": Value(bool_value=True)}))
    info.hparams["number"].number_value = math.inf
    start = hparams.decode(metadata_of(HParamsPluginData(session_start_info=info)))
    assert start == hparams.SessionStart(
        {"list": [1.0, []], "null": None, "number": math.inf, "struct": {"a": True}, "unset": None}
    )


def test_a_status_and_a_type_of_the_future() -> None:
    end = hparams_pb2.SessionEndInfo()
    end.MergeFromString(b"\x08\x63")  # status: 99
    assert hparams.decode(metadata_of(HParamsPluginData(session_end_info=end))) == (
        hparams.SessionEnd("unknown")
    )
    info = hparams_pb2.HParamInfo(name="a")
    info.MergeFromString(b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # type: -1
    experiment = hparams_pb2.Experiment(hparam_infos=[info])
    assert hparams.decode(metadata_of(HParamsPluginData(experiment=experiment))) == (
        hparams.Experiment(hparams=(hparams.HParamInfo("a"),))
    )


def nested(depth: int) -> bytes:
    """A start with a list in a list in a list."""

    def field(number: int, payload: bytes) -> bytes:
        size = len(payload)
        varint = bytes([size]) if size < 128 else bytes([size % 128 | 128, size // 128])
        return bytes([number << 3 | 2]) + varint + payload

    value = b""
    for _ in range(depth):
        value = field(6, field(1, value))
    return field(3, field(1, field(1, b"x") + field(2, value)))


def test_lists_in_lists() -> None:
    start = hparams.decode(metadata_of(nested(40)))
    assert isinstance(start, hparams.SessionStart)
    assert repr(start.hparams) == "{'x': " + "[" * 40 + "None" + "]" * 40 + "}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HParamsPluginData(version=3, experiment={}), "of version 3, where 0 is known"),
        (HParamsPluginData(), "without content: neither experiment, start nor end"),
        (b"", "without content"),
        (b"\xff\xff", "of bytes that are none"),
        (b"\x12\x03\x0a\x01\xff", "of bytes that are none"),  # a name that is no UTF-8
        (nested(40)[:-3], "of bytes that are none"),
        (nested(1000), "of bytes that are none"),  # deeper than protobuf goes
        (b"\x1a\x00" * 3 + b"\x12", "of bytes that are none"),
    ],
    ids=repr,
)
def test_no_hyperparameters_to_read(content: HParamsPluginData | bytes, words: str) -> None:
    """TensorBoard reads none of them either."""
    metadata = metadata_of(content)
    with pytest.raises(DecodeError, match=words):
        hparams.decode(metadata)
    for parse in (
        hparams_metadata.parse_experiment_plugin_data,
        hparams_metadata.parse_session_start_info_plugin_data,
        hparams_metadata.parse_session_end_info_plugin_data,
    ):
        with pytest.raises(Exception, match=r"version|Expected|[Pp]ars"):
            parse(metadata.plugin_data.content)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(content: bytes) -> None:
    for start in (b"", b"\x1a" + bytes([len(content)]), b"\x12" + bytes([len(content)])):
        try:
            read = hparams.decode(metadata_of(start + content))
        except DecodeError:
            continue
        assert isinstance(read, (hparams.Experiment, hparams.SessionStart, hparams.SessionEnd))


def test_of_run() -> None:
    start = hparams.encode_start({"lr": 0.1}).metadata
    end = hparams.encode_end("FAILURE").metadata
    assert hparams.of_run({}) is None
    assert hparams.of_run({"loss": scalar.metadata()}) is None
    assert hparams.of_run({hparams.START_TAG: scalar.metadata()}) is None  # another plugin's
    run = hparams.of_run({hparams.START_TAG: start, "loss": scalar.metadata()})
    assert run == hparams.RunHParams(hparams.SessionStart({"lr": 0.1}))
    assert (run.values, run.status, run.group_name) == ({"lr": 0.1}, "unknown", "")
    assert (run.start_time, run.end_time) == (None, None)
    ended = hparams.of_run({hparams.END_TAG: end})
    assert ended == hparams.RunHParams(end=hparams.SessionEnd("failure"))
    with pytest.raises(DecodeError, match=r"_hparams_/session_end_info.*: holds a SessionStart"):
        hparams.of_run({hparams.END_TAG: start})
    with pytest.raises(DecodeError, match=r"_hparams_/experiment.*: hyperparameters without"):
        hparams.of_run({hparams.EXPERIMENT_TAG: metadata_of(b"")})


# ------------------------------------------------------------------ on the real TensorBoard

T = 1_700_000_000.0
STATUSES = [f"STATUS_{status}" for status in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]


def write_run(folder: Path, values: list[Summary.Value], scalars: Mapping[str, float]) -> None:
    """A run with these values at step 0, and scalars of which the last is at step 1."""
    with EventFileWriter(folder) as writer:
        for value in values:
            writer.add_event(Event(wall_time=T, summary=Summary(value=[value])))
        for tag, number in scalars.items():
            for step in range(2):
                value = scalar.encode(tag, number * (step + 1) / 2)
                writer.add_event(Event(wall_time=T, step=step, summary=Summary(value=[value])))


class Page:
    """The hparams page of a server, as its own frontend asks for it."""

    def __init__(self, server: TensorBoardServer) -> None:
        self.server = server

    def ask(self, route: str, **request: Any) -> Any:
        return self.server.json(f"/data/plugin/hparams/{route}", request=json.dumps(request))

    def wait(self, until: Callable[[dict[str, Any]], bool]) -> None:
        """Until the server has read as many sessions and metrics as are wanted."""
        self.server.wait_for(
            "/data/plugin/hparams/session_groups",
            lambda answer: until({group["name"]: group for group in answer["sessionGroups"]}),
            request=json.dumps(self.request()),
        )

    def request(self, **more: Any) -> dict[str, Any]:
        return {"allowedStatuses": STATUSES, "startIndex": 0, "sliceSize": 100, **more}

    def columns(self) -> tuple[dict[str, str], list[str]]:
        """Hyperparameters with their types, and metrics."""
        experiment = self.ask("experiment", experimentName="")
        types_ = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
        return types_, [info["name"]["tag"] for info in experiment["metricInfos"]]

    def groups(self, **more: Any) -> list[dict[str, Any]]:
        groups: list[dict[str, Any]]
        groups = self.ask("session_groups", **self.request(**more))["sessionGroups"]
        return groups


def metrics_of(group: dict[str, Any]) -> dict[str, float]:
    return {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_finds_all_columns_by_itself(backend: Any, tmp_path: Path) -> None:
    """Runs with a start and no experiment: columns of later runs, every scalar as a metric."""
    started: dict[str, Any] = {
        "run1": {"lr": 0.1, "flag": True, "opt": "adam", "clip": None},
        "run2": {"lr": 0.2, "flag": False, "opt": "sgd", "clip": 1.5, "model": {"layers": [2, 3]}},
        "run3/deep": {"lr": math.nan, "clip": math.inf, "new": 2**60 + 1},
        "again": {"lr": 0.1},
        "failed": {"lr": 0.1},
    }
    ends: dict[str, hparams.Status]
    ends = {"run1": "SUCCESS", "failed": "FAILURE", "again": "SUCCESS"}
    for number, (run, values) in enumerate(started.items()):
        group = "twice" if run in ("again", "failed") else ""
        start = hparams.encode_start(
            hparams.prepare(values), start_time=T + number, group_name=group
        )
        parts = [start]
        if run in ends:
            parts.append(hparams.encode_end(ends[run], end_time=T + 10))
        write_run(tmp_path / run, parts, {"loss": number + 1.0, f"only/{number}": 0.5})
    write_run(tmp_path / "no session", [], {"other": 1.0})
    with TensorBoardServer(tmp_path, backend) as server:
        page = Page(server)
        page.wait(
            lambda groups: (
                len(groups) == 4
                and all(len(metrics_of(group)) >= 2 for group in groups.values())
                and len(metrics_of(groups["twice"])) == 3
            )
        )
        columns, metrics = page.columns()
        groups = {group["name"]: group for group in page.groups()}
        assert columns == {
            "lr": "DATA_TYPE_FLOAT64",
            "flag": "DATA_TYPE_BOOL",
            "opt": "DATA_TYPE_STRING",
            "clip": "DATA_TYPE_FLOAT64",
            "model/layers": "DATA_TYPE_STRING",
            "new": "DATA_TYPE_STRING",
        }
        assert metrics == ["loss", *(f"only/{number}" for number in range(5))]
        assert {name: group["hparams"] for name, group in groups.items()} == {
            "run1": {"lr": 0.1, "flag": True, "opt": "adam"},
            "run2": {
                "lr": 0.2,
                "flag": False,
                "opt": "sgd",
                "clip": 1.5,
                "model/layers": "[2, 3]",
            },
            "run3/deep": {"new": "1152921504606846977"},  # what is not finite is left empty
            "twice": {"lr": 0.1},
        }
        assert metrics_of(groups["run1"]) == {"loss": 1.0, "only/0": 0.5}
        assert metrics_of(groups["twice"]) == {"loss": 4.5, "only/3": 0.5, "only/4": 0.5}
        sessions = {
            session["name"]: session for group in groups.values() for session in group["sessions"]
        }
        assert {name: session["status"] for name, session in sessions.items()} == {
            "run1": "STATUS_SUCCESS",
            "run2": "STATUS_UNKNOWN",  # it has not ended yet
            "run3/deep": "STATUS_UNKNOWN",
            "again": "STATUS_SUCCESS",
            "failed": "STATUS_FAILURE",
        }
        assert sessions["run2"]["startTimeSecs"] == T + 1
        assert sessions["failed"]["endTimeSecs"] == T + 10
        # A column in which a value is missing or not finite can be sorted.
        by_clip = page.groups(colParams=[{"hparam": "clip", "order": "ORDER_DESC"}])
        assert {group["name"] for group in by_clip} == set(groups)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_reads_the_first_of_each(backend: Any, tmp_path: Path) -> None:
    """So "running" can not become "success", nor can hyperparameters be added in another start."""
    start, more = (hparams.encode_start({name: 1.0}) for name in ("first", "second"))
    ends = [hparams.encode_end("RUNNING"), hparams.encode_end("SUCCESS")]
    write_run(tmp_path / "run", [start, more, *ends], {"loss": 1.0})
    with TensorBoardServer(tmp_path, backend) as server:
        page = Page(server)
        page.wait(lambda groups: any(map(metrics_of, groups.values())))
        (group,) = page.groups()
        assert group["hparams"] == {"first": 1.0}
        assert group["sessions"][0]["status"] == "STATUS_RUNNING"


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_shows_what_torch_would_write(backend: Any, tmp_path: Path) -> None:
    """With an experiment in each run one of them counts: the others' own columns are not shown."""
    runs: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
        "a": ({"lr": 0.1, "flag": True}, {"acc": 0.5}),
        "b": ({"lr": 0.2, "wd": 0.5}, {"acc": 0.75, "loss": 0.25}),
    }
    for run, (values, metrics) in runs.items():
        domains = {"lr": [0.1, 0.2]}
        summaries = hparams.summaries(values, metrics, domains)
        write_run(tmp_path / run, [summary.value[0] for summary in summaries], metrics)
    with TensorBoardServer(tmp_path, backend) as server:
        page = Page(server)
        page.wait(lambda groups: len(groups) == 2 and all(map(metrics_of, groups.values())))
        columns, tags = page.columns()
        assert (columns, tags) in (
            ({"flag": "DATA_TYPE_BOOL", "lr": "DATA_TYPE_FLOAT64"}, ["acc"]),
            ({"wd": "DATA_TYPE_FLOAT64", "lr": "DATA_TYPE_FLOAT64"}, ["acc", "loss"]),
        )
        experiment = page.ask("experiment", experimentName="")
        (info,) = (info for info in experiment["hparamInfos"] if info["name"] == "lr")
        assert info["domainDiscrete"] == [0.1, 0.2]
        groups = {group["name"]: group for group in page.groups()}
        assert {name: group["hparams"] for name, group in groups.items()} == {
            run: values for run, (values, _) in runs.items()
        }
        assert metrics_of(groups["a"]) == {"acc": 0.5}
        assert {group["sessions"][0]["status"] for group in groups.values()} == {"STATUS_SUCCESS"}
