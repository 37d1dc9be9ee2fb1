"""What TensorBoard's own three readers leave of a log's points, nothing of it sampled away.

- `by_plugin_accumulator`: the plugin accumulator, behind ``--load_fast=false``.
- `by_rustboard`: the data server of the package tensorboard-data-server, asked by way of
  TensorBoard's gRPC data provider.
- `by_event_accumulator`: the old EventAccumulator, which scripts use.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import grpc
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.data import grpc_provider, server_ingester
from tensorboard.util import tensor_util

PLUGINS = (
    *("scalars", "histograms", "images", "audio", "text", "pr_curves", "mesh", "hparams"),
    *("custom_scalars", "graphs", "graph_run_metadata", "graph_run_metadata_graph"),
    *("graph_keras_model", "graph_tagged_run_metadata"),
)
_ALL_SAMPLES = ",".join(f"{plugin}=all" for plugin in PLUGINS)
#: More points than any test writes: each request is sampled too.
_PLENTY = 10_000_000


class Point(NamedTuple):
    """One point; of what is no scalar the value is None."""

    step: int
    wall_time: float
    value: float | None = None


# They warn of every restart.
logging.getLogger("tensorboard").setLevel(logging.ERROR)

#: plugin ("" for none) -> tag -> points, as the reader shows them; without tags that have no point
Shown: TypeAlias = dict[str, dict[str, list[Point]]]


def _shown(series: Iterable[tuple[str, str, list[Point]]]) -> Shown:
    shown: Shown = {}
    for plugin, tag, points in series:
        if points:
            shown.setdefault(plugin, {})[tag] = points
    return shown


def by_plugin_accumulator(logdir: str | os.PathLike[str]) -> dict[str, Shown]:
    """Run -> what TensorBoard's Python backend has after its first load."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer(size_guidance={"tensors": 0})
    multiplexer.AddRunsFromDirectory(os.fspath(logdir))
    multiplexer.Reload()
    return {
        run: _shown(_accumulated(multiplexer.GetAccumulator(run))) for run in multiplexer.Runs()
    }


def _accumulated(accumulator: Any) -> Iterator[tuple[str, str, list[Point]]]:
    metadata = accumulator.AllSummaryMetadata()
    for tag in accumulator.Tags()["tensors"]:
        plugin = metadata[tag].plugin_data.plugin_name if tag in metadata else ""
        yield (
            plugin,
            tag,
            [
                Point(
                    event.step,
                    event.wall_time,
                    tensor_util.make_ndarray(event.tensor_proto).item()
                    if plugin == "scalars"
                    else None,
                )
                for event in accumulator.Tensors(tag)
            ],
        )


def by_event_accumulator(folder: str | os.PathLike[str]) -> Shown:
    """What the old EventAccumulator has of one run's folder.

    In place of plugins it has the fields of a value: "tensors" beside "scalars", "histograms",
    "images" and "audio".
    """
    accumulator = event_accumulator.EventAccumulator(
        os.fspath(folder), size_guidance=event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE
    ).Reload()
    read = {
        "scalars": accumulator.Scalars,
        "histograms": accumulator.Histograms,
        "images": accumulator.Images,
        "audio": accumulator.Audio,
        "tensors": accumulator.Tensors,
    }
    return _shown(
        (
            field,
            tag,
            [Point(e.step, e.wall_time, getattr(e, "value", None)) for e in read[field](tag)],
        )
        for field in read
        for tag in accumulator.Tags()[field]
    )


def by_rustboard(logdir: str | os.PathLike[str]) -> dict[str, Shown]:
    """Run -> what the data server shows after its first load; a run without points is left out."""
    with _data_server(Path(logdir)) as address, _provider(address) as provider:
        series = [
            (
                run,
                plugin,
                tag,
                [Point(d.step, d.wall_time, getattr(d, "value", None)) for d in data],
            )
            for plugin in provider.list_plugins(None, experiment_id="")
            for read in (
                provider.read_scalars,
                provider.read_tensors,
                provider.read_blob_sequences,
            )
            for run, tags in read(
                None, experiment_id="", plugin_name=plugin, downsample=_PLENTY
            ).items()
            for tag, data in tags.items()
        ]
    return {run: _shown(s[1:] for s in series if s[0] == run) for run, *_ in series}


@contextlib.contextmanager
def _provider(address: str) -> Iterator[Any]:
    # Never by a proxy, whatever the environment says.
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        yield grpc_provider.GrpcDataProvider(address, grpc_provider.make_stub(channel))


@contextlib.contextmanager
def _data_server(logdir: Path) -> Iterator[str]:
    """The address of a data server that has loaded a folder once; it ends with the block."""
    command = [
        server_ingester.get_server_binary().path,
        *(f"--logdir={logdir}", "--reload=once", f"--samples-per-plugin={_ALL_SAMPLES}"),
        *("--host=127.0.0.1", "--port=0", "--die-after-stdin"),
    ]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RUST_LOG": "info"},
    ) as server:
        assert server.stdin is not None
        assert server.stderr is not None
        try:
            printed = ""
            for line in server.stderr:
                printed += line
                if "Finished load cycle" in line:
                    break
            else:
                raise AssertionError(f"the data server did not load {logdir}: {printed}")
            # "listening on 127.0.0.1:41234"
            yield printed.partition("listening on ")[2].split()[0]
        finally:
            server.stdin.close()  # what the server ends with
