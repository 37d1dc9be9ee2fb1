"""Graphs, read: as TensorBoard's graphs plugin has them, and better where that is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.compat.proto import config_pb2, graph_pb2, meta_graph_pb2
from tensorboard.plugins.graph import graph_util, keras_util

from tbio.errors import DecodeError
from tbio.event_file import EventFileReader
from tbio.graphs import keras_graph
from tbio.kinds import graph, keras_model
from tbio.kinds.graph import Graph, Node, decode, decode_event, merged, of_run
from tbio.proto.event_pb2 import Event, TaggedRunMetadata
from tbio.proto.graph_pb2 import GraphDef, NodeDef
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.run_metadata_pb2 import RunMetadata
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_FLOAT, DT_HALF, DT_STRING, TensorProto
from tbio.storage import LocalFile

PLUGINS = ("graph_run_metadata", "graph_run_metadata_graph", "graph_keras_model")


def metadata(plugin: str, content: bytes = b"1") -> SummaryMetadata:
    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return SummaryMetadata(plugin_data=data)


def value(encoded: bytes, **tensor: Any) -> Summary.Value:
    tensor = {"dtype": DT_STRING, "tensor_shape": {}, "string_val": [encoded], **tensor}
    return Summary.Value(tensor=TensorProto(**tensor))


def graph_of(*names: str, producer: int = 0) -> GraphDef:
    """A chain of nodes."""
    found = GraphDef(versions={"producer": producer})
    for before, name in zip((None, *names), names, strict=False):
        found.node.add(name=name, op="Op", input=[before] if before else [])
    return found


def edges(found: GraphDef) -> dict[str, list[str]]:
    return {node.name: list(node.input) for node in found.node}


# ------------------------------------------------------------------ the forms


def test_a_graph_def() -> None:
    encoded = graph_of("x", "y").SerializeToString()
    found = decode_event(Event(graph_def=encoded))
    assert (found.plugin, found.form, found.encoded) == ("graphs", "graph_def", encoded)
    assert found.graph_def == graph_of("x", "y")
    assert found.nodes == (Node("x", "Op", ()), Node("y", "Op", ("x",)))
    assert (found.keras, found.run_metadata, found.meta_graph) == (None, None, None)
    assert found.graph_def is found.graph_def
    assert repr(found) == f"<Graph: graph_def of {len(encoded)} bytes>"


def test_a_meta_graph() -> None:
    meta = MetaGraphDef(graph_def=graph_of("x"))
    found = decode_event(Event(meta_graph_def=meta.SerializeToString()))
    assert (found.plugin, found.form, found.meta_graph) == ("graphs", "meta_graph", meta)
    assert found.graph_def == graph_of("x")
    assert (found.keras, found.run_metadata) == (None, None)


def test_tagged_run_metadata() -> None:
    run_metadata = RunMetadata(step_stats={"dev_stats": [{"device": "/cpu:0"}]})
    tagged = TaggedRunMetadata(tag="step1", run_metadata=run_metadata.SerializeToString())
    found = decode_event(Event(tagged_run_metadata=tagged))
    assert (found.plugin, found.form) == ("graph_tagged_run_metadata", "run_metadata")
    assert found.run_metadata == run_metadata
    assert found.graph_def == GraphDef()
    assert found.nodes == ()


@pytest.mark.parametrize("plugin", PLUGINS[:2])
@pytest.mark.parametrize("shape", [{}, {"dim": [{"size": 1}]}], ids=["rank 0", "migrated"])
def test_a_trace_of_functions(plugin: str, shape: Any) -> None:
    trace = RunMetadata(
        function_graphs=[{"pre_optimization_graph": graph_of("x", "y")}],
        partition_graphs=[graph_of("device")],
    )
    found = decode(value(trace.SerializeToString(), tensor_shape=shape), metadata(plugin))
    assert (found.plugin, found.form, found.run_metadata) == (plugin, "run_metadata", trace)
    assert found.graph_def == graph_of("x", "y")


def test_graphs_of_devices_where_there_are_no_functions() -> None:
    trace = RunMetadata(partition_graphs=[graph_of("x"), graph_of("x")])
    found = decode(value(trace.SerializeToString()), metadata(PLUGINS[0]))
    assert [node.name for node in found.nodes] == ["graph_1/x", "graph_2/x"]


def test_events_as_tensorboard_migrates_them() -> None:
    """dataclass_compat.py makes summary values of them, without a version."""
    encoded = graph_of("x").SerializeToString()
    found = decode(value(encoded), metadata("graphs", b""))
    assert found == decode_event(Event(graph_def=encoded))
    found = decode(value(b""), metadata("graph_tagged_run_metadata", b""))
    assert found == decode_event(Event(tagged_run_metadata=TaggedRunMetadata(tag="t")))


@pytest.mark.parametrize(
    ("held", "about", "words"),
    [
        (value(b""), metadata("text"), "plugin 'text'"),
        (value(b""), metadata(""), "plugin ''"),
        *((value(b""), metadata(plugin, b"2"), "version b'1'") for plugin in PLUGINS),
        (value(b""), metadata(PLUGINS[0], b""), "version b'1'"),
        (Summary.Value(simple_value=1), metadata(PLUGINS[0]), "it holds simple_value"),
        (Summary.Value(), metadata(PLUGINS[0]), "it holds nothing"),
        (value(b"", dtype=DT_FLOAT), metadata(PLUGINS[0]), "got DT_FLOAT"),
        (value(b"", dtype=999), metadata(PLUGINS[0]), "got dtype 999"),
        (value(b"", string_val=[]), metadata(PLUGINS[0]), r"got 0 in a tensor of shape \[\]"),
        (
            value(b"", tensor_shape={"dim": [{"size": 1}, {"size": 2**60}]}),
            metadata(PLUGINS[0]),
            r"shape \[1, 1152921504606846976\]",
        ),
    ],
)
def test_what_is_no_graph(held: Summary.Value, about: SummaryMetadata, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode(held, about)


@pytest.mark.parametrize("event", [Event(), Event(file_version="x"), Event(summary=Summary())])
def test_an_event_without_a_graph(event: Event) -> None:
    with pytest.raises(DecodeError, match="want an event with a graph"):
        decode_event(event)


@pytest.mark.parametrize("form", ["graph_def", "meta_graph", "run_metadata"])
@pytest.mark.parametrize("encoded", [b"\xff", b"\x0a\x05abc", b"\x0b" * 500])
def test_bytes_that_are_no_message(form: Any, encoded: bytes) -> None:
    found = Graph("graphs", form, encoded)
    with pytest.raises(DecodeError, match=f"^{len(encoded)} bytes that are no "):
        _ = found.graph_def
    assert found.encoded == encoded


def test_a_message_nested_without_end() -> None:
    encoded = b""
    for _ in range(5000):  # an AttrValue.func with an attr with an AttrValue...
        inner = b"\x12" + _varint(len(encoded)) + encoded  # AttrEntry.value
        listed = b"\x12" + _varint(len(inner)) + inner  # NameAttrList.attr
        encoded = b"\x52" + _varint(len(listed)) + listed  # AttrValue.func
    entry = b"\x12" + _varint(len(encoded)) + encoded
    node = b"\x2a" + _varint(len(entry)) + entry  # NodeDef.attr
    with pytest.raises(DecodeError, match="are no GraphDef"):
        _ = Graph("graphs", "graph_def", b"\x0a" + _varint(len(node)) + node).graph_def


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


# ------------------------------------------------------------------ the run's graph


GRAPHS = {
    "graph": Graph("graphs", "graph_def", b"1"),
    "newer": Graph("graphs", "graph_def", b"2"),
    "meta": Graph("graphs", "meta_graph", b"3"),
    "keras": Graph("graph_keras_model", "keras", b"4"),
    "trace": Graph("graph_run_metadata_graph", "run_metadata", b"5"),
    "step": Graph("graph_tagged_run_metadata", "run_metadata", b"6"),
}


@pytest.mark.parametrize(
    ("logged", "want"),
    [
        ("graph newer meta", "newer"),
        ("newer graph", "graph"),
        ("meta keras trace", "meta"),
        ("keras trace step", "keras"),
        ("trace step", "trace"),
        ("step", None),
        ("", None),
    ],
)
def test_the_graph_of_a_run(logged: str, want: str | None) -> None:
    found = of_run(GRAPHS[name] for name in logged.split())
    assert found == (GRAPHS[want] if want else None)


# ------------------------------------------------------------------ merging


def test_merging_as_tensorboard_does() -> None:
    graphs = [graph_of("x", "y", producer=22), graph_of("y", "z", "x", producer=22)]
    function = {"signature": {"name": "f"}, "node_def": [NodeDef(name="in", op="Add")]}
    for one in graphs:
        one.node.add(name="call", op="PartitionedCall").attr["f"].func.name = "f"
        one.library.function.add(**function)
        one.library.gradient.add(function_name="f", gradient_func="g")
    theirs = graph_util.merge_graph_defs(
        [graph_pb2.GraphDef.FromString(one.SerializeToString()) for one in graphs]
    )
    assert merged(graphs).SerializeToString(deterministic=True) == theirs.SerializeToString(
        deterministic=True
    )
    assert merged([]) == GraphDef()
    assert merged(graphs[:1]) is graphs[0]


def test_merging_where_tensorboard_is_wrong() -> None:
    one = graph_of("x")
    one.node.add(name="y", op="While", input=["x", "^x"]).attr["body"].func.name = "body"
    one.node[1].attr["all"].list.func.add(name="body")
    one.node.add(name="z", op="body").attr["other"].func.name = "elsewhere"
    one.library.function.add(signature={"name": "body"}, node_def=[NodeDef(name="in", op="body")])
    found = merged([one, one])
    x, y, z, *_ = found.node
    assert list(y.input) == ["graph_1/x", "^graph_1/x"]
    assert y.attr["body"].func.name == y.attr["all"].list.func[0].name == "graph_1_body"
    assert (x.op, y.op, z.op, z.attr["other"].func.name) == (
        "Op",
        "While",
        "graph_1_body",
        "elsewhere",
    )
    assert [function.node_def[0].op for function in found.library.function] == [
        "graph_1_body",
        "graph_2_body",
    ]


def test_graphs_of_different_versions() -> None:
    with pytest.raises(DecodeError, match=r"different versions: \[0, 22\]"):
        merged([graph_of("x", producer=22), graph_of("x")])


# ------------------------------------------------------------------ Keras models


def layer(name: str, *inputs: Any, kind: str = "Dense", **config: Any) -> dict[str, Any]:
    """A layer of a functional model, as Keras 3 has it; called once with all its inputs."""
    nodes = [{"args": list(inputs), "kwargs": {}}] if inputs else []
    return {"class_name": kind, "config": {"name": name, **config}, "inbound_nodes": nodes}


def tensor(name: str, output: int = 0) -> dict[str, Any]:
    config = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, 0, output]}
    return {"class_name": "__keras_tensor__", "config": config}


def model(
    name: str, *layers: Any, inputs: Any = None, outputs: Any = None, **more: Any
) -> dict[str, Any]:
    config = {"name": name, "layers": list(layers)}
    if inputs is not None:
        config |= {"input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional" if inputs else "Sequential", "config": config, **more}


def check_as_tensorboard(config: dict[str, Any], same_edges: bool = True) -> GraphDef:
    found = Graph(PLUGINS[2], "keras", json.dumps(config).encode()).graph_def
    theirs = keras_util.keras_model_to_graph_def(config)
    if same_edges:
        assert found.SerializeToString(deterministic=True) == theirs.SerializeToString(
            deterministic=True
        )
    else:
        ours = [(node.name, dict(node.attr)) for node in found.node]
        assert str(ours) == str([(node.name, dict(node.attr)) for node in theirs.node])
        assert edges(found) != edges(theirs)
    return found


def bare(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, **config}}


def test_a_sequential_model() -> None:
    policy = {"class_name": "DTypePolicy", "config": {"name": "float16"}}
    config = model(
        "m", bare("a", dtype="float32"), bare("b", dtype=policy), bare("c", dtype="int8")
    )
    found = check_as_tensorboard(config)
    assert edges(found) == {"m/a": [], "m/b": ["m/a"], "m/c": ["m/b"]}
    assert found.node[1].attr["dtype"].type == DT_HALF
    graph_ = Graph(PLUGINS[2], "keras", json.dumps(config).encode())
    assert graph_.nodes[1] == Node("m/b", "Dense", ("m/a",))
    assert graph_.keras == config


def test_dtypes_that_tensorflow_has_not() -> None:
    mixed = {"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    found = check_as_tensorboard(model("m", bare("a", dtype=mixed), bare("b", dtype="no")))
    assert [list(node.attr) for node in found.node] == [["keras_class"]] * 2


def test_a_functional_model() -> None:
    config = model(
        "m",
        layer("x"),
        layer("y"),
        layer("sum", [tensor("x"), tensor("y")]),
        layer("dense", tensor("sum")),
        inputs=[["x", 0, 0], ["y", 0, 0]],
        outputs=["dense", 0, 0],
    )
    found = check_as_tensorboard(config)
    assert edges(found)["m/sum"] == ["m/x", "m/y"]
    assert edges(found)["m/dense"] == ["m/sum"]


def test_a_model_within_a_model() -> None:
    inner = model(
        "inner",
        layer("in"),
        layer("left", tensor("in")),
        layer("right", tensor("in")),
        inputs=["in", 0, 0],
        outputs=[["left", 0, 0], ["right", 0, 0]],
        inbound_nodes=[{"args": [tensor("x")], "kwargs": {}}],
    )
    last = layer("last", tensor("inner", 1))
    config = model("m", layer("x"), inner, last, inputs=["x", 0, 0], outputs=["last", 0, 0])
    found = check_as_tensorboard(config)
    assert edges(found) == {
        "m/x": [],
        "m/inner/in": ["m/x"],
        "m/inner/left": ["m/inner/in"],
        "m/inner/right": ["m/inner/in"],
        "m/last": ["m/inner/right"],
    }


def test_a_sequential_model_within_a_functional_one() -> None:
    calls = [{"args": [tensor("x")], "kwargs": {}}]
    inner = model("s", bare("a"), bare("b"), inbound_nodes=calls)
    last = layer("last", tensor("s"))
    config = model("m", layer("x"), inner, last, inputs=["x", 0, 0], outputs=["last", 0, 0])
    found = check_as_tensorboard(config)
    assert edges(found) == {"m/x": [], "m/s/a": ["m/x"], "m/s/b": ["m/s/a"], "m/last": ["m/s/b"]}


class TestWhereTensorBoardsKerasIsWrong:
    def test_arguments_by_name(self) -> None:
        attend = layer("attend", tensor("x"))
        attend["inbound_nodes"][0]["kwargs"] = {"value": tensor("y"), "training": False}
        config = model(
            "m",
            layer("x"),
            layer("y"),
            attend,
            inputs=[["x", 0, 0], ["y", 0, 0]],
            outputs=["x", 0, 0],
        )
        found = check_as_tensorboard(config, same_edges=False)
        assert edges(found)["m/attend"] == ["m/x", "m/y"]

    def test_constants_among_the_arguments(self) -> None:
        """It raises: 'float' object has no attribute 'get'."""
        times = layer("times", tensor("x"), 2.0)
        config = model("m", layer("x"), times, inputs=["x", 0, 0], outputs=["times", 0, 0])
        with pytest.raises(AttributeError):
            keras_util.keras_model_to_graph_def(config)
        assert edges(keras_model.graph_def(config)) == {"m/x": [], "m/times": ["m/x"]}

    def test_the_form_of_keras_2(self) -> None:
        def old(name: str, *calls: Any) -> dict[str, Any]:
            return {**bare(name), "name": name, "inbound_nodes": list(calls)}

        config = model(
            "m",
            old("x"),
            old("y"),
            old("sum", [["x", 0, 0, {}], ["y", 0, 0, {}]]),
            old("named", [["sum", 0, 0, {"mask": ["x", 0, 0], "rate": 0.5}]]),
            old("constant", [["_CONSTANT_VALUE", -1, 2.0, {"y": ["x", 0, 0]}]]),
            inputs=[["x", 0, 0], ["y", 0, 0]],
            outputs=[["named", 0, 0]],
        )
        found = check_as_tensorboard(config, same_edges=False)
        assert edges(found) == {
            "m/x": [],
            "m/y": [],
            "m/sum": ["m/x", "m/y"],
            "m/named": ["m/sum", "m/x"],
            "m/constant": ["m/x"],
        }

    def test_several_inputs_of_a_model_within(self) -> None:
        inner = model(
            "inner",
            layer("p"),
            layer("q"),
            layer("sum", [tensor("p"), tensor("q")]),
            inputs=[["p", 0, 0], ["q", 0, 0]],
            outputs=["sum", 0, 0],
            inbound_nodes=[{"args": [[tensor("x"), tensor("y")]], "kwargs": {}}],
        )
        config = model(
            "m",
            layer("x"),
            layer("y"),
            inner,
            inputs=[["x", 0, 0], ["y", 0, 0]],
            outputs=["x", 0, 0],
        )
        found = check_as_tensorboard(config, same_edges=False)
        assert edges(found)["m/inner/p"] == ["m/x"]
        assert edges(found)["m/inner/q"] == ["m/y"]

    def test_a_model_at_the_end_of_a_model(self) -> None:
        """It has the next layer come from "m/outer/inner", which is no node."""
        outer = model("outer", bare("a"), model("inner", bare("b"), bare("c")))
        found = check_as_tensorboard(
            model("m", layer("x"), outer, layer("y", tensor("outer")), inputs=["x", 0, 0],
                  outputs=["y", 0, 0]),
            same_edges=False,
        )  # fmt: skip
        assert edges(found)["m/y"] == ["m/outer/inner/c"]

    def test_a_functional_model_within_a_sequential_one(self) -> None:
        """It has the next layer come from the one that is listed last."""
        inner = model(
            "f", layer("in"), layer("out", tensor("in")), layer("aside", tensor("in")),
            inputs=["in", 0, 0], outputs=["out", 0, 0],
        )  # fmt: skip
        found = keras_model.graph_def(model("m", bare("a"), inner, bare("b")))
        assert edges(found)["m/f/in"] == ["m/a"]
        assert edges(found)["m/b"] == ["m/f/out"]

    def test_calls_of_one_model(self) -> None:
        calls = [{"args": [tensor(name)], "kwargs": {}} for name in ("x", "y")]
        inner = model(
            "twin", layer("in"), inputs=["in", 0, 0], outputs=["in", 0, 0], inbound_nodes=calls
        )
        config = model("m", layer("x"), layer("y"), inner, inputs=["x", 0, 0], outputs=["x", 0, 0])
        assert edges(keras_model.graph_def(config))["m/twin/in"] == ["m/x", "m/y"]


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"9" * 10_000, "no JSON"),
        (b"[]", "no JSON object, but list"),
        (b"{}", "no config"),
        (b'{"config": []}', "no config"),
        (b'{"config": {"layers": [1]}}', "no config"),
        (b'{"config": {"layers": [{}]}}', "no config"),
    ],
)
def test_what_is_no_keras_model(encoded: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        _ = Graph(PLUGINS[2], "keras", encoded).graph_def


def test_models_nested_without_end() -> None:
    nested: dict[str, Any] = bare("last")
    for _ in range(5000):
        nested = model("m", nested)
    with pytest.raises(DecodeError, match="nested too deep"):
        keras_model.graph_def(nested)


def test_names_without_end() -> None:
    """A megabyte of JSON asks for 10 GB of names."""
    config = model("m" * 500_000, *[bare("a")] * 20_000)
    with pytest.raises(DecodeError, match="more than 67108864 characters"):
        keras_model.graph_def(config)
    many = layer("sum", *[tensor("x")] * 20_000)
    config = model("m" * 500_000, many, inputs=["x", 0, 0], outputs=["sum", 0, 0])
    with pytest.raises(DecodeError, match="more than 67108864 characters"):
        keras_model.graph_def(config)


KEYS = ["config", "layers", "name", "inbound_nodes", "input_layers", "output_layers"]
KEYS += ["args", "kwargs", "keras_history", "class_name", "dtype"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_any_json_is_a_graph_or_refused(config: Any) -> None:
    found = Graph(PLUGINS[2], "keras", json.dumps({"config": config}).encode())
    try:
        drawn = found.graph_def
    except DecodeError:
        return
    assert len(drawn.node) == len(found.nodes)


def test_names_that_are_no_unicode() -> None:
    found = keras_model.graph_def(bare("a\ud800"))
    assert found.node[0].name == "a?"


# ------------------------------------------------------------------ files of others


def logged(corpus: Path) -> Iterator[tuple[Path, list[Graph]]]:
    """The graphs of each sound file."""
    for path in sorted((corpus / "peers").rglob("*tfevents*")) + sorted(
        (corpus / "real").rglob("*tfevents*")
    ):
        if not path.is_file():
            continue
        graphs = []
        for stored in EventFileReader(LocalFile(str(path)), "ignore").events():
            event = stored.event
            if event.WhichOneof("what") in ("graph_def", "meta_graph_def", "tagged_run_metadata"):
                graphs.append(decode_event(event))
            for one in event.summary.value:
                if one.metadata.plugin_data.plugin_name in PLUGINS:
                    graphs.append(decode(one, one.metadata))
        if graphs:
            yield path, graphs


@pytest.fixture(scope="module")
def files(corpus: Path) -> list[tuple[Path, list[Graph]]]:
    return list(logged(corpus))


def same_messages(ours: Any, theirs: Any) -> bool:
    return bool(
        ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    )


def test_the_corpus_against_its_truth(corpus: Path, files: list[tuple[Path, list[Graph]]]) -> None:
    seen = 0
    for path, graphs in files:
        truth = corpus / "expected" / f"{path.relative_to(corpus)}.json"
        expected = json.loads(truth.read_bytes())["events"]
        for form in ("graph_def", "meta_graph"):
            found = [one for one in graphs if one.form == form]
            wanted = expected.get(form if form == "graph_def" else "meta_graph_def", [])
            assert len(found) == len(wanted)
            for one, want in zip(found, wanted, strict=True):
                assert hashlib.sha256(one.encoded).hexdigest() == want["sha256"]
                seen += 1
                if form == "meta_graph":
                    continue
                names = "\n".join(node.name for node in one.nodes)
                assert len(one.nodes) == want["nodes"]
                assert hashlib.sha256(names.encode()).hexdigest() == want["names_sha256"]
                ops = [node.op for node in one.nodes]
                assert all(ops.count(op) == count for op, count in want["ops"])
    assert seen == 32


def test_the_corpus_against_tensorboards_plugin(files: list[tuple[Path, list[Graph]]]) -> None:
    seen = dict.fromkeys(("meta_graph", "run_metadata", "keras", "merged", "keras 2"), 0)
    for _, graphs in files:
        for one in graphs:
            if one.form == "meta_graph":
                meta = meta_graph_pb2.MetaGraphDef.FromString(one.encoded)
                assert same_messages(one.graph_def, meta.graph_def)
            elif one.form == "run_metadata":
                theirs = config_pb2.RunMetadata.FromString(one.encoded)
                drawn = [each.pre_optimization_graph for each in theirs.function_graphs]
                whole = graph_util.merge_graph_defs(drawn)
                seen["merged"] += len(drawn) > 1
                if drawn:
                    assert [node.name for node in one.nodes] == [node.name for node in whole.node]
                    assert edges(one.graph_def) == edges(whole)
            elif one.form == "keras":
                whole = keras_util.keras_model_to_graph_def(json.loads(one.encoded))
                # Of Keras 2 TensorBoard sees no edges.
                seen["keras 2"] += (old := not same_messages(one.graph_def, whole))
                assert [(node.name, str(node.attr)) for node in one.graph_def.node] == [
                    (node.name, str(node.attr)) for node in whole.node
                ]
                assert not old or not any(node.input for node in whole.node)
            if one.form in seen:
                seen[one.form] += 1
    assert seen == {"meta_graph": 11, "run_metadata": 61, "keras": 7, "merged": 1, "keras 2": 1}


def test_the_graph_of_a_run_is_tensorboards(files: list[tuple[Path, list[Graph]]]) -> None:
    seen = 0
    for path, graphs in files:
        accumulator = EventAccumulator(str(path))
        accumulator.Reload()
        chosen = of_run(graphs)
        if accumulator.Tags()["graph"]:
            assert chosen is not None
            assert same_messages(chosen.graph_def, accumulator.Graph())
            seen += 1
        elif chosen is not None:
            assert chosen.form in ("keras", "run_metadata")
    assert seen == 19  # files


# ------------------------------------------------------------------ written and read


@pytest.mark.full
def test_models_of_keras_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    inner = keras.Sequential([keras.layers.Dense(4, name="d")], name="inner")
    attend = keras.layers.MultiHeadAttention(2, 2, name="attend")
    h = keras.layers.Add(name="sum")([inner(x), inner(y)]) * 2.0
    h = keras.layers.Reshape((1, 4), name="rows")(h)
    h = attend(query=h, value=h, use_causal_mask=True)
    functional = keras.Model([x, y], keras.layers.Flatten(name="flat")(h), name="m")
    encoded = keras_graph.encode(functional)
    found = decode(encoded, encoded.metadata)
    names = {node.name for node in found.nodes}
    assert {name for node in found.nodes for name in node.inputs} <= names
    inputs = edges(found.graph_def)
    assert inputs["m/sum"] == ["m/inner/d"] * 2
    assert inputs["m/attend"] == ["m/rows"] * 2  # as it wrote them; none of them twice
    assert inputs["m/flat"] == ["m/attend"]
    assert found.keras is not None
    assert found.keras["config"]["name"] == "m"
    check_as_tensorboard(json.loads(keras.Sequential([keras.Input((4,)), inner]).to_json()))


def test_a_graph_written_by_tbio(tmp_path: Path) -> None:
    from tbio import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(graph_of("x", "y"))
    (path,) = tmp_path.iterdir()
    events = [stored.event for stored in EventFileReader(LocalFile(str(path)), "raise").events()]
    (found,) = (decode_event(event) for event in events if event.graph_def)
    assert found.graph_def == graph_of("x", "y")
    assert graph.of_run([found]) is found


PURE_PYTHON = """
from google.protobuf.internal import api_implementation
from tbio.errors import DecodeError
from tbio.kinds import graph, mesh
from tbio.proto.summary_pb2 import SummaryMetadata

assert api_implementation.Type() == "python"
metadata = SummaryMetadata(plugin_data={"content": b"\\x12\\x01\\xff"})
print(mesh.part_of("cube_FACE", metadata))
try:
    graph.Graph("graphs", "graph_def", b"\\x0a\\x03\\x0a\\x01\\xff").nodes
except DecodeError as error:
    print(error.what[:21])
"""


def test_bad_utf8_under_protobuf_without_compiled_code() -> None:
    """There it is no DecodeError of protobuf's, but a UnicodeDecodeError."""
    result = subprocess.run(
        [sys.executable, "-c", PURE_PYTHON],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.splitlines() == ["('cube', 'faces')", "5 bytes that are no G"], result
