"""Values of every kind as targets: they are asked for everything."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

import PIL.Image

import tbio
from fuzzing.oracle import attempt, strict
from tbio import plugins, tensor
from tbio.kinds.audio import Audio
from tbio.kinds.graph import Graph
from tbio.kinds.histogram_stored import Histogram
from tbio.kinds.image import Image
from tbio.kinds.layout import Layout
from tbio.kinds.pr_curve import PrCurve
from tbio.logdir import LogDir
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record import encode_record
from tbio.run import Run
from tbio.series import SampledSeries, ValueSeries

_MOST_VALUES = 5  # of a series are looked at
_MOST_PIXELS = 1 << 18


def event(data: bytes) -> None:
    """An event: all that is in it is decoded, as the values of a run twice as long."""
    start = Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString()
    file = b"".join(map(encode_record, (start, data, data)))
    with strict():
        look_at(tbio.open(io.BytesIO(file), on_damage="ignore"))


def tensors(data: bytes) -> None:
    """A TensorProto."""
    try:
        proto = TensorProto.FromString(data)
    except PARSE_ERRORS:
        return
    with strict():
        array = attempt(lambda: tensor.decode(proto))
        attempt(lambda: tensor.decode_text(proto))
        if array is not None:
            assert array.shape == tuple(dim.size for dim in proto.tensor_shape.dim)


def images(data: bytes) -> None:
    """An image file in a log; what Pillow takes for too large begins earlier, for speed."""
    most = PIL.Image.MAX_IMAGE_PIXELS
    PIL.Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    try:
        with strict():
            look_at_value(Image(data, 5, 7))
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = most


def sounds(data: bytes) -> None:
    """A sound file in a log."""
    value = Summary.Value(tag="beep")
    value.audio.encoded_audio_string = data
    holder = Event(step=1, wall_time=1.0, summary=Summary(value=[value]))
    event(holder.SerializeToString())


def look_at(logs: LogDir) -> None:
    """Ask a log folder for everything."""
    repr(logs)
    repr(logs.tags())
    repr(logs.layout())
    attempt(logs.hparams)
    repr(logs.scalar_table())
    for run in logs.values():
        look_at_run(run)


def look_at_run(run: Run) -> None:
    repr(run)
    repr(run.report)
    repr((run.session_events, run.log_lines, run.first_time, run.last_time))
    for one in ("hparams", "graph", "layout"):
        look_at_value(attempt(functools.partial(getattr, run, one)))
    for tag, series in run.scalars.items():
        repr((tag, series))
        assert len(series.relative_times) == len(series)
        if series.values.dtype.kind != "c":
            assert len(series.smooth()) == len(series)
    tags = run.tags
    for kind in plugins.KINDS[1:]:
        for tag in tags.get(kind, ()):
            found: Any = run.series(kind, tag)
            repr(found)
            for index in range(min(len(found), _MOST_VALUES)):
                _look_at_point(found, index)
    for mesh in run.meshes.values():
        repr(mesh)
        for index in range(min(len(mesh), _MOST_VALUES)):
            repr(attempt(functools.partial(mesh.__getitem__, index)))


def _look_at_point(series: ValueSeries[Any], index: int) -> None:
    repr((series.display_name, series.description))
    series.event(index)
    attempt(lambda: series.raw(index))
    attempt(lambda: series.tensor(index))
    if isinstance(series, SampledSeries):
        for sample in attempt(lambda: series.samples(index)) or ():
            look_at_value(sample)
    look_at_value(attempt(lambda: series[index]))


def look_at_value(value: Any) -> None:
    """Ask a value for everything that it can tell."""
    repr(value)
    asked: Sequence[Callable[[], Any]] = ()
    if isinstance(value, Histogram):
        asked = (
            *(lambda: value.edges, lambda: value.mean, lambda: value.std, lambda: value.count),
            *(lambda: value.cdf(), lambda: value.cdf(0.5), lambda: value.percentile([0, 50, 100])),
            *(lambda: value.rebin([0, 1, 2]), lambda: value.compressed()),
        )
    elif isinstance(value, Image):
        asked = (
            *(lambda: value.to_array(), lambda: value.to_array(-1), lambda: value.frames()),
            *(lambda: value.to_pil(), lambda: value._repr_mimebundle_()),
        )
    elif isinstance(value, Audio):
        asked = (
            *(lambda: value.duration, lambda: value.to_array(), lambda: value.to_array(raw=True)),
            lambda: value._repr_html_(),
        )
    elif isinstance(value, PrCurve):
        asked = (
            *(lambda: value.thresholds, lambda: value.true_positives, lambda: value.precision),
            *(lambda: value.recall, lambda: value.average_precision),
        )
    elif isinstance(value, Graph):
        asked = (
            *(lambda: value.nodes, lambda: value.graph_def, lambda: value.keras),
            *(lambda: value.run_metadata, lambda: value.meta_graph),
        )
    elif isinstance(value, Layout):
        charts = [chart for category in value.categories for chart in category.charts]
        asked = (
            *(lambda: value.to_dict(), lambda: value.to_proto()),
            lambda: [chart.matches("loss") for chart in charts],
        )
    for ask in asked:
        attempt(ask)
