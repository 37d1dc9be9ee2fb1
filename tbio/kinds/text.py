"""Text: Markdown, one string or a table of them, a step.

A string tensor with plugin "text" on the tag's first value (tensorboard/plugins/text/). TensorBoard
draws rank 0 as the Markdown it is, rank 1 as a column, rank 2 as a table, and of a higher rank the
first slice.

torch and tensorboardX write a string as an array of one, which is drawn as a table of one cell;
here it is rank 0, as in TF 2, and both are read as a ``str``. They also put `TAG_SUFFIX` behind the
tag.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

#: What torch and tensorboardX put behind the tag of a text.
TAG_SUFFIX = "/text_summary"


def prepare(text: Any) -> npt.NDArray[Any]:
    """Text as an array of UTF-8 ``bytes``, read-only, of the same shape.

    Args:
        text: a string, as ``str`` or as ``bytes`` in UTF-8; a (nested) list of strings, or a numpy
            array of them, of any rank.

    Raises:
        TypeError: something that is no string.
        ValueError: rows of differing lengths, nothing at all, or a string that is not UTF-8.

    >>> prepare([["größe", "1"], ["color", "red"]]).shape
    (2, 2)
    >>> prepare("# Title").item()
    b'# Title'
    """
    if isinstance(text, str):  # the usual case, whose UTF-8 needs no second look
        return _frozen([_as_bytes(text)], ())
    array = strings(text)
    if not array.size:
        raise ValueError(f"want text, got an array of shape {list(array.shape)}")
    for item in array.flat:
        try:
            item.decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"text that is not UTF-8: {item[:40]!r}: {error.reason}") from error
    return array


def strings(value: Any) -> npt.NDArray[Any]:
    """A string, or a list or array of them, as an array of ``bytes``, read-only.

    ``str`` becomes UTF-8; ``bytes`` may be anything.

    Raises:
        TypeError: something that is no string.
        ValueError: rows of differing lengths, or a ``str`` with a lone surrogate.

    >>> strings(["a", b"\\xff"])
    array([b'a', b'\\xff'], dtype=object)
    """
    if isinstance(value, np.ndarray):
        shape: tuple[int, ...] = value.shape
        leaves = value.ravel().tolist()
    else:
        shape, leaves = _unnest(value)
    return _frozen([_as_bytes(leaf) for leaf in leaves], shape)


def _frozen(leaves: list[bytes], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.empty(len(leaves), object)
    array[:] = leaves
    array = array.reshape(shape)
    array.flags.writeable = False
    return array


def _unnest(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and what they hold. (numpy would cut zero bytes off.)"""
    shape: tuple[int, ...] = ()
    leaves = [value]
    while any(isinstance(leaf, (list, tuple)) for leaf in leaves):
        lengths = {len(leaf) if isinstance(leaf, (list, tuple)) else None for leaf in leaves}
        if len(lengths) != 1:
            raise ValueError("a table of text with rows of differing lengths")
        shape += (len(leaves[0]),)
        leaves = [item for leaf in leaves for item in leaf]
    return shape, leaves


def _as_bytes(leaf: object) -> bytes:
    if isinstance(leaf, bytes):
        return leaf
    if not isinstance(leaf, str):
        raise TypeError(f"want text, got {type(leaf).__name__} {leaf!r:.80}")
    try:
        return leaf.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{leaf!r:.80} cannot be stored as UTF-8") from error


def encode(tag: str, text: npt.NDArray[Any]) -> Summary.Value:
    """A text as `prepare` leaves it; the tag's first value needs `metadata`.

    >>> encode("note", prepare("*hi*")).tensor.string_val
    [b'*hi*']
    """
    return Summary.Value(tag=tag, tensor=tensor.encode(text))


def decode(value: Summary.Value, metadata: SummaryMetadata) -> str | npt.NDArray[Any]:
    """A text as ``str``; a list or a table of texts as a read-only object array of ``str``.

    Rank 0 and shape [1], which is how torch and tensorboardX write a string, are a ``str``;
    anything else is an array of the tensor's shape. Bytes that are not UTF-8 are shown as
    ``\\xff``.

    Args:
        metadata: of the tag, of no effect here.

    Raises:
        DecodeError: no strings.

    >>> decode(encode("note", prepare(["*hi*"])), metadata())
    '*hi*'
    >>> decode(encode("note", prepare(["a", "b"])), metadata())
    array(['a', 'b'], dtype=object)
    """
    texts = tensor.decode_text(tensor.of_value(value, "a text"))
    if texts.shape in ((), (1,)):
        return str(texts.item())
    texts.flags.writeable = False
    return texts


def metadata(display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of a text tag, for its first value."""
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.TEXT),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_TENSOR,
    )
