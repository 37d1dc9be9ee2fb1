"""Every folder of event files of the corpus, kind by kind, against the plugin accumulator.

That is what TensorBoard itself reads logs with where its data server is not in use. It tells each
run's tags by plugin, and each value as the tensor that its loader makes of it.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CORPUS
from tensorboard.backend.event_processing import event_file_loader, plugin_event_accumulator
from tensorboard.compat.proto import types_pb2
from tensorboard.util import tensor_util
from test_corpus import CLEAN, UNCLEAN

import tbio
from tbio import plugins
from tbio.run import Run
from tbio.series import ScalarSeries, ValueSeries

#: Folders with event files that nothing is wrong with.
FOLDERS = sorted(
    {
        str(Path(path).parent)
        for path in CLEAN
        # TensorBoard lists a folder with nothing but the profiler's marker as a run; tbio does not.
        if not path.startswith("damaged/") and not path.endswith(".profile-empty")
    }
    - {str(Path(path).parent) for path in UNCLEAN}
)


def accumulator(folder: Path) -> Any:
    """TensorBoard's, with every point kept."""
    found = plugin_event_accumulator.EventAccumulator(
        str(folder), size_guidance={plugin_event_accumulator.TENSORS: 0}
    )
    found.Reload()
    return found


@functools.cache
def runs_of(folder: str) -> tuple[Run, Any]:
    path = CORPUS / folder
    logs = tbio.open(path, restarts="tensorboard", on_damage="raise", runs=".")
    return logs["."], accumulator(path)


@pytest.mark.parametrize("folder", FOLDERS)
def test_tags_by_plugin(corpus: Path, folder: str) -> None:
    run, truth = runs_of(folder)
    expected = {
        (plugin, tag)
        for plugin in truth.ActivePlugins()
        for tag in truth.PluginTagToContent(plugin)
        if tag in truth.Tags()["tensors"] or plugin == plugins.HPARAMS
    }
    got = {
        (info.plugin, info.tag)
        for info in run.tag_infos()
        # Without these, tbio's own: numbers and tensors without any metadata, meta graphs.
        if info.plugin and info.tag in truth.summary_metadata
    }
    purged = {(plugin, tag) for plugin, tag in expected if tag in points_purged(truth)}
    assert got == expected - purged


def points_purged(truth: Any) -> set[str]:
    """Tags that TensorBoard lists, and has no point left of."""
    return {tag for tag in truth.Tags()["tensors"] if not truth.Tensors(tag)}


def same(got: Any, expected: Any) -> bool:
    """Whether two arrays are equal in shape and every bit of value; NaN is NaN."""
    got, expected = np.asarray(got), np.asarray(expected)
    if got.shape != expected.shape:
        return False
    if expected.dtype == object:
        return bool((got == expected).all())
    return np.array_equal(got, expected, equal_nan=expected.dtype.kind in "fc")


@pytest.mark.parametrize("folder", FOLDERS)
def test_values(corpus: Path, folder: str) -> None:
    """Steps, wall times, and each value as TensorBoard's tensor, to the bit."""
    run, truth = runs_of(folder)
    compared = 0
    for info in run.tag_infos():
        if info.tag not in truth.Tags()["tensors"]:
            assert info.kind == "graphs" or info.kind == "hparams" or info.plugin == "greeter"
            continue
        events = truth.Tensors(info.tag)
        if info.kind == "hparams":
            continue  # the loader puts an empty tensor in the place of nothing
        series = run.series(info.kind, info.tag)
        assert series.steps.tolist() == [event.step for event in events]
        assert series.wall_times.tolist() == [event.wall_time for event in events]
        for index, event in enumerate(events):
            compared += 1
            if isinstance(series, ScalarSeries):
                assert same(series.values[index], as_array(event.tensor_proto)), (info, index)
                continue
            assert isinstance(series, ValueSeries)
            expected = as_array(event.tensor_proto)
            if expected is None:
                assert series.tensor(index).dtype == np.float32
            elif info.kind == "graphs":
                assert [series[index].encoded] == expected.ravel().tolist()
            elif info.kind == "audio" and expected.ndim == 1:
                stored = series.tensor(index)  # the loader leaves the labels out
                assert same(stored[:, 0] if stored.ndim == 2 else stored, expected)
            else:
                assert same(series.tensor(index), expected), (info, index)
    assert compared or {info.kind for info in run.tag_infos()} <= {"hparams"}


def as_array(proto: Any) -> Any:
    """By TensorBoard; None for bfloat16, which it cannot decode without TensorFlow."""
    return None if proto.dtype == types_pb2.DT_BFLOAT16 else tensor_util.make_ndarray(proto)


# ------------------------------------------------------------------ decoded values


def migrated(path: Path) -> dict[str, list[Any]]:
    """Tag -> the tensors of TensorBoard's loader, of one file."""
    found: dict[str, list[Any]] = {}
    for event in event_file_loader.EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.HasField("tensor"):
                array = as_array(value.tensor)
                found.setdefault(value.tag or value.node_name, []).append(array)
    return found


def as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value


@pytest.mark.parametrize("path", [path for path in CLEAN if not path.startswith("damaged/")])
def test_decoded_values(corpus: Path, path: str) -> None:
    """What each kind's type says of a value, against the loader's tensor."""
    truth = migrated(corpus / path)
    run = tbio.open(str(corpus / path), restarts="keep")["."]
    for tag, histograms in run.histograms.items():
        for histogram, rows in zip(histograms, truth[tag], strict=True):
            assert same(histogram.rows, rows)
            columns = np.stack([histogram.lefts, histogram.rights, histogram.counts], axis=1)
            assert same(columns.astype(rows.dtype).reshape(-1, 3), rows.reshape(-1, 3))
    for tag, images in run.images.items():
        for index, strings in enumerate(truth[tag]):
            pictures = images.samples(index)
            assert [picture.encoded for picture in pictures] == strings[2:].tolist()
            for picture in pictures:
                assert (picture.width, picture.height) == (int(strings[0]), int(strings[1]))
                assert picture.to_array().shape[-3:-1] == (picture.height, picture.width)
    for tag, clips in run.audio.items():
        for index, encoded in enumerate(truth[tag]):
            samples = clips.samples(index)
            assert [sample.encoded for sample in samples] == encoded.ravel().tolist()
            for sample in samples:
                assert sample.to_array().shape == (sample.frames, sample.channels)
    for tag, texts in run.texts.items():
        for text, strings in zip(texts, truth.get(tag) or truth[""], strict=True):
            if isinstance(text, str):
                assert text == as_text(strings.ravel()[0])
            else:
                assert same(text, np.vectorize(as_text, otypes=[object])(strings))
    for tag, curves in run.pr_curves.items():
        for curve, rows in zip(curves, truth[tag], strict=True):
            assert same(curve.precision, rows[4])
            assert same(curve.rows, rows)
    for tag, tensors in run.tensors.items():
        if tag in truth:
            for array, expected in zip(tensors, truth[tag], strict=True):
                assert expected is None or same(array, expected)
    for tag, graphs in run.graphs.items():
        for index, graph in enumerate(graphs):
            if graphs.places.indexes[index] >= 0:
                assert graph.encoded == truth[tag][index].ravel()[0]
    for name, meshes in run.meshes.items():
        for index, one in enumerate(meshes):
            expected = truth[meshes.vertices.tag][index]
            assert same(one.vertices, expected)
            assert math.isfinite(float(one.vertices.sum())), name
