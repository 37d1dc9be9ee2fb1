"""The graph of an OpenVINO model, from the XML file of its intermediate representation.

The format is that of
https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets.html: layers with
numbered ports, and edges from port to port. What stands inside of a layer (the bodies of loops) is
not looked at.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from typing import Any

from tbio.graphs.graph_def import GraphBuilder, Output, output

#: Names of OpenVINO's element types, and of older files' precisions.
_DTYPES = {
    **{"f16": "float16", "f32": "float32", "f64": "float64", "bf16": "bfloat16"},
    **{f"i{bits}": f"int{bits}" for bits in (4, 8, 16, 32, 64)},
    **{f"u{bits}": f"uint{bits}" for bits in (4, 8, 16, 32, 64)},
    **{"boolean": "bool", "bool": "bool", "string": "string"},
    **{"fp16": "float16", "fp32": "float32", "fp64": "float64"},
}


def encode(source: str | os.PathLike[str] | Any) -> bytes:
    """The GraphDef of an OpenVINO model, serialized.

    Args:
        source: path of the XML file, or an open file.

    Raises:
        ValueError: no XML, or not that of a model; or one that declares a document type, as no
            model does, since that could bring entities without end.
        OSError: the file cannot be read.
    """
    parser = ElementTree.XMLParser(target=_Tree())
    try:
        root = ElementTree.parse(source, parser).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"no OpenVINO model: {error}") from error
    if root is None or root.tag != "net" or root.find("layers") is None:
        raise ValueError("no OpenVINO model: want a net with layers")
    try:
        return _graph(root)
    except KeyError as error:
        raise ValueError(f"no OpenVINO model: a layer or an edge lacks {error}") from error


class _Tree(ElementTree.TreeBuilder):
    """Builds the tree, but of no document that has a type."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("no OpenVINO model: it declares a document type")


def _graph(root: ElementTree.Element) -> bytes:
    builder = GraphBuilder()
    layers = root.findall("./layers/layer")
    names = {layer.attrib["id"]: builder.unique(layer.attrib["name"]) for layer in layers}
    outputs = {layer.attrib["id"]: layer.findall("./output/port") for layer in layers}
    sources = {  # what a port is as an input of nodes
        (layer, port.attrib["id"]): output(names[layer], index)
        for layer, ports in outputs.items()
        for index, port in enumerate(ports)
    }
    edges: dict[str, list[tuple[int, str]]] = {}  # into each layer
    for edge in root.findall("./edges/edge"):
        source = sources[edge.attrib["from-layer"], edge.attrib["from-port"]]
        into = edges.setdefault(edge.attrib["to-layer"], [])
        into.append((_integer(edge.attrib["to-port"]), source))
    for layer in layers:
        number = layer.attrib["id"]
        data = layer.find("data")
        builder.put(
            names[number],
            layer.attrib["type"],
            [source for _, source in sorted(edges.get(number, ()))],
            outputs=[_output(port) for port in outputs[number]],
            attributes=None if data is None else data.attrib,
        )
    return builder.serialized()


def _output(port: ElementTree.Element) -> Output:
    shape = [_integer(dim.text or "") for dim in port.findall("dim")]
    return Output(shape, _DTYPES.get(port.get("precision", "").lower(), ""))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"no OpenVINO model: {text!r} where a number should be") from None
