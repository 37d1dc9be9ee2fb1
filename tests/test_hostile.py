"""Logs that mean ill: they give values or a `TbioError`, in bounded memory, and do no harm."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import builders
import numpy as np
import pytest
from hostile_files import (
    BOMBS,
    LOGS,
    NAMES,
    PICTURES,
    events_of,
    gif,
    model_of_many_edges,
    of_plugin,
    shaped,
    strings,
    text,
    wav,
    write_log,
)

import tbio
from tbio import DecodeError, TbioError, TbioWarning, projector, tables, tensor
from tbio.cli import main, source
from tbio.cli.render import Terminal, columns, short, terminal_at
from tbio.columns import Problem
from tbio.compat import EventAccumulator, SummaryReader, make_ndarray, summary_iterator
from tbio.exports.report import ExportReport
from tbio.kinds import audio, graph, image
from tbio.kinds.histogram_stored import of_rows
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.rules import Restarts
from tbio.run import RunReport
from tbio.tables import ScalarTable

NO_METADATA = SummaryMetadata()
Door = tuple[str, Callable[[], Any]]
#: No message of an error is longer, however long what it complains of.
LONGEST_MESSAGE = 3000


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Without what a log's damage and problems are told by; any other warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TbioWarning)
        yield


def run_command(*arguments: str | Path) -> tuple[int, str, str]:
    """A command in this process: its exit code, output and errors."""
    handler = signal.getsignal(signal.SIGTERM)
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            warnings.catch_warnings(),
        ):
            code = main(list(map(str, arguments)))
    finally:
        signal.signal(signal.SIGTERM, handler)
    return code, out.getvalue(), err.getvalue()


def assert_harmless(text: str) -> None:
    for line in text.split("\n"):
        assert line.isprintable(), line[:200]


# ------------------------------------------------------------------ every door


def log_doors(folder: Path) -> Iterator[Door]:
    """What can be asked of a whole log."""
    yield "events", lambda: list(tbio.read_events(folder))
    yield "records", lambda: list(tbio.read_records(folder))
    yield "check", lambda: tbio.check(folder)
    for restarts in get_args(Restarts):
        yield restarts, tbio.open(folder, restarts=restarts).to_arrow
    yield "by time", lambda: tbio.open(folder, order="time", duplicates="mean").to_pandas()
    logs = tbio.open(folder)
    makers: list[Callable[[], Any]] = [
        logs.tags,
        logs.scalar_table,
        partial(logs.hparams, all_runs=True),
        *(partial(wide_table, logs, index) for index in get_args(tables.Index)),
    ]
    for maker in makers:
        for name in ("__repr__", "to_pandas", "to_polars", "to_arrow"):
            yield name, partial(way_out, maker, name)
    yield "layout", logs.layout
    yield "embeddings", logs.embeddings
    yield "stream", lambda: list(logs.iter_scalars(10, dtype=object))
    for way in ("csv", "parquet", "arrow"):
        for wide in (False, True):
            yield way, partial(tbio.export, logs, io.BytesIO(), format=way, wide=wide)


def wide_table(logs: tbio.LogDir, index: tables.Index) -> tables.WideTable:
    return logs.scalar_table().wide(index)


def way_out(maker: Callable[[], Any], name: str) -> Any:
    """What a method of a table gives."""
    return getattr(maker(), name)()


def shown(thing: Any, name: str) -> str:
    """The repr of an attribute."""
    return repr(getattr(thing, name))


def run_doors(run: tbio.Run) -> Iterator[Door]:
    """What can be asked of a run, and of each of its values."""
    for one in (
        "graph",
        "layout",
        "hparams",
        "embeddings",
        "assets",
        "session_events",
        "log_lines",
    ):
        yield one, partial(shown, run, one)
    yield "report", partial(shown, run, "report")
    for scalars in run.scalars.values():
        yield "relative times", partial(shown, scalars, "relative_times")
        if scalars.values.dtype.kind != "c":
            yield "smooth", scalars.smooth
    blobs = (run.histograms, run.images, run.audio, run.texts, run.pr_curves, run.tensors)
    for mapping in (*blobs, run.graphs, run.meshes):
        repr(mapping)
        for tag in mapping:
            series: Any = mapping[tag]
            yield "repr", partial(repr, series)
            for at in range(len(series)):
                yield from value_doors(series, at)


def value_doors(series: Any, at: int) -> Iterator[Door]:
    for ask in ("raw", "tensor", "samples"):
        if hasattr(series, ask):
            yield ask, partial(getattr(series, ask), at)
    found: list[Any] = []
    yield "value", lambda: found.extend([series[at]])
    if not found or isinstance(found[0], (np.ndarray, str)):
        return
    (value,) = found
    yield "repr", partial(repr, value)
    for name in dir(type(value)):
        shows = name in ("_repr_html_", "_repr_mimebundle_")
        if (name.startswith("_") and not shows) or name in ("save", "count", "index"):
            continue
        yield name, partial(asked, value, name)


def asked(value: Any, name: str) -> Any:
    """An attribute; of a method what it gives."""
    attribute = getattr(value, name)
    arguments: dict[str, Any] = {"rebin": 10, "percentile": 50, "cdf": 0.5, "matches": "x"}
    if not callable(attribute):
        return attribute
    return attribute(arguments[name]) if name in arguments else attribute()


def compat_doors(folder: Path) -> Iterator[Door]:
    """What scripts for other libraries ask."""
    (file,) = folder.glob("*tfevents*")
    yield "summary_iterator", lambda: list(summary_iterator(os.fspath(file)))
    accumulator = EventAccumulator(os.fspath(folder)).Reload()
    tags = accumulator.Tags()
    for kind, items in {
        "scalars": accumulator.Scalars,
        "histograms": accumulator.Histograms,
        "distributions": accumulator.CompressedHistograms,
        "images": accumulator.Images,
        "audio": accumulator.Audio,
    }.items():
        for tag in tags[kind]:
            yield kind, partial(items, tag)
    for tag in tags["tensors"]:
        for event in accumulator.Tensors(tag):
            yield "make_ndarray", partial(make_ndarray, event.tensor_proto)
    for tag in tags["run_metadata"]:
        yield "RunMetadata", partial(accumulator.RunMetadata, tag)
    if tags["graph"]:
        yield "Graph", accumulator.Graph
    if tags["meta_graph"]:
        yield "MetaGraph", accumulator.MetaGraph
    for pivot in (False, True):
        reader = SummaryReader(os.fspath(folder), pivot=pivot, extra_columns={"dir_name"})
        for kind in ("scalars", "tensors", "histograms", "images", "audio", "hparams", "text"):
            yield kind, partial(reader.get_events, kind)


@pytest.mark.parametrize("name", LOGS)
def test_garbage_gives_a_value_or_a_tbio_error(name: str, tmp_path: Path) -> None:
    write_log(tmp_path, LOGS[name])
    doors_tried, messages = 0, []
    with unwarned():
        runs = tbio.open(tmp_path).values()
        doors = [log_doors(tmp_path), compat_doors(tmp_path), *map(run_doors, runs)]
        for door, ask in (one for some in doors for one in some):
            doors_tried += 1
            try:
                ask()
            except TbioError as error:
                messages.append((door, str(error)))
    assert doors_tried > 50
    assert not [one for one in messages if len(one[1]) > LONGEST_MESSAGE]


@pytest.mark.parametrize("name", LOGS)
def test_no_command_lets_a_log_steer_the_terminal(name: str, tmp_path: Path) -> None:
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    write_log(logs, LOGS[name])
    for arguments in (
        ("ls", logs),
        ("ls", logs, "--json"),
        ("check", logs),
        ("check", logs, "--json"),
        ("export", logs, tmp_path / "long.csv"),
        ("export", logs, tmp_path / "wide.csv", "--wide"),
        ("repair", logs, out),
    ):
        code, printed, told = run_command(*arguments)
        assert code in (0, 1, 3), arguments
        assert_harmless(printed)
        assert_harmless(told)
    assert {path.name for path in tmp_path.iterdir()} <= {"logs", "out", "long.csv", "wide.csv"}
    assert [path.name for path in out.rglob("*")] == ["events.out.tfevents.1.host"]


# ------------------------------------------------------------------ pictures


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("strict", [False, True])
def test_a_bomb_is_refused_by_its_header(name: str, strict: bool, tmp_path: Path) -> None:
    """Also where nobody makes an error of the warning that Pillow gives up to twice its limit."""
    picture = image.Image(BOMBS[name], 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore")
        other = ".gif" if picture.format != "gif" else ".png"
        for ask in (picture.to_array, picture.frames, picture.to_pil):
            with pytest.raises(DecodeError):
                ask()
        with pytest.raises(DecodeError):
            picture.save(tmp_path / f"x{other}")
    assert not list(tmp_path.iterdir())


def test_a_gif_that_grows_is_refused_where_it_does(tmp_path: Path) -> None:
    picture = image.Image(PICTURES["gif that grows"], 1, 1)
    assert picture.to_array().shape[:2] == (1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for ask in (partial(picture.to_array, 1), partial(picture.to_array, -1), picture.frames):
            with pytest.raises(DecodeError, match="13000 x 13000 pixels are more than"):
                ask()
        with pytest.raises(DecodeError, match="13000 x 13000 pixels are more than"):
            picture.save(tmp_path / "x.png")


def test_frames_on_the_way_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Thirty kilobytes of GIF: two thousand frames of 64 million pixels, at a second each."""
    whole = image.Image(gif(8000, 8000, *[(1, 1)] * 2000), 1, 1)
    for ask in (partial(whole.to_array, 1999), partial(whole.to_array, -1), whole.frames):
        with pytest.raises(DecodeError, match="2000 frames of 8000 x 8000 are too many"):
            ask()
    with pytest.raises(DecodeError, match="2000 frames of 8000 x 8000 are too many"):
        whole.save(tmp_path / "x.png")
    small = image.Image(gif(10, 10, *[(1, 1)] * 20), 1, 1)
    monkeypatch.setattr(image, "_MOST_ON_THE_WAY", 1000)
    assert small.to_array(9).shape == (10, 10, 3)
    with pytest.raises(DecodeError, match="11 frames of 10 x 10"):
        small.to_array(10)


def test_an_animation_that_lies_of_its_frames() -> None:
    for name in ("apng of 2**31 frames", "apng of 2**28 frames"):
        picture = image.Image(PICTURES[name], 1, 1)
        assert picture.to_array().shape == (1, 1, 3)
        for frame in (1, 2**27, -1):
            with pytest.raises((DecodeError, IndexError)):
                picture.to_array(frame)


# ------------------------------------------------------------------ memory

_BOUNDED = """
    import resource, sys, warnings
    sys.path.insert(0, {tests!r})
    import tbio
    from hostile_files import PICTURES
    from tbio.kinds import image
    image.Image(PICTURES["gif of many frames"], 1, 1).to_array()  # loads what it takes
    warnings.simplefilter("ignore")
    (pages, *_) = open("/proc/self/statm").read().split()
    limit = int(pages) * resource.getpagesize() + (700 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    messages = []
    def ask(what):
        try:
            what()
        except tbio.TbioError as error:
            messages.append(str(error))
    for name, data in PICTURES.items():
        if "2**28" not in name and not name.startswith("webp"):  # which reserve, and do not use it
            picture = image.Image(data, 1, 1)
            for decode in (picture.to_array, picture.frames, picture.to_pil):
                ask(decode)
    run = tbio.open(sys.argv[1])["."]
    for series in (*run.graphs.values(), *run.tensors.values(), *run.audio.values()):
        for at in range(len(series)):
            ask(lambda: getattr(series[at], "nodes", None))
    assert not [message for message in messages if "alloc" in message or "emory" in message]
    print(len(messages) > 50)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
def test_memory_is_bounded(tmp_path: Path) -> None:
    """In a process that gets 700 MB beyond its code: an image of Pillow's limit takes 360."""
    model = text("graph_keras_model", model_of_many_edges(5000).encode(), content=b"1", tag="wide")
    sound = Summary.Value(tag="sound", metadata=of_plugin("audio"))
    sound.tensor.CopyFrom(strings(wav(1, 1, 8, 2, 16), shape=[1 << 16, 1]))
    tensors = [
        Summary.Value(tag="tensor", tensor=shaped(shape, dtype=dtype))
        for shape in ([1 << 24], [1 << 40], [2**62, 0], [2**32, 2**32], [1] * 100_000)
        for dtype in (2, 7, 9, 18)
    ]
    write_log(tmp_path, [*LOGS["Keras models"], *events_of(model, sound, *tensors)])
    script = textwrap.dedent(_BOUNDED).format(tests=os.fspath(Path(__file__).parent))
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.stdout == "True\n", done.stderr[-2000:]


def test_a_wide_table_of_hardly_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty thousand tags, each with a step of its own: 600 kB of log, 400 million cells."""
    monkeypatch.setattr(tables, "_MOST_CELLS", 10_000)

    def table(tags: int, points: int) -> ScalarTable:
        steps = [range(at, at + points) for at in range(0, tags * points, points)]
        return ScalarTable(builders.series(one, tag=f"{one[0]}", steps=one) for one in steps)

    assert table(100, 1).wide().to_arrow().shape == (100, 102)
    assert table(64, 3).wide().to_arrow().shape == (192, 66)
    with pytest.raises(TbioError, match="101 points in 101 rows of 101 tags are too few"):
        table(101, 1).wide()


def test_columns_of_one_name_each() -> None:
    tags = ["run", "tag:run", "step", "tag:step", "tag:tag:run"]
    names = ScalarTable(builders.series([1.0], tag=tag) for tag in tags).wide().names()
    assert len(set(names)) == len(names) == 7


# ------------------------------------------------------------------ messages


def test_a_shape_in_a_message_is_short() -> None:
    proto = shaped([1] * 100_000, dtype=7)
    assert tensor.shape_text(proto) == "[1, 1, 1, 1, 1, 1, 1, 1, ... (100000 dimensions)]"
    metadata = of_plugin("graph_keras_model", b"1")
    with pytest.raises(DecodeError, match=r"\(100000 dimensions\)") as caught:
        graph.decode(Summary.Value(tensor=proto), metadata)
    assert len(str(caught.value)) < 200


def test_a_histogram_that_makes_no_sense_is_an_error_of_tbio() -> None:
    overlap = of_rows(np.array([[0.0, 2.0, 1.0], [1.0, 3.0, 1.0]]))
    negative = of_rows(np.array([[0.0, 1.0, -1.0]]))
    nowhere = of_rows(np.array([[np.nan, 1.0, 1.0]]))
    for histogram, ask in (
        (overlap, "edges"),
        (overlap, "mean"),
        (negative, "mean"),
        (negative, "std"),
    ):
        with pytest.raises(DecodeError):
            getattr(histogram, ask)
    for histogram in (overlap, negative, nowhere):
        with pytest.raises(DecodeError):
            histogram.rebin(3)


def test_few_bytes_of_json_make_no_million_edges() -> None:
    def nodes(number: int) -> int:
        encoded = model_of_many_edges(number).encode()
        return len(graph.Graph("graph_keras_model", "keras", encoded).nodes)

    assert nodes(200) == 201
    with pytest.raises(DecodeError, match="names of more than"):
        nodes(1000)


def test_a_sound_behind_many_chunks() -> None:
    def behind(chunks: int) -> audio.Audio:
        sound = wav(1, 1, 8, 2, 16)
        file = sound[:12] + b"junk\0\0\0\0" * chunks + sound[12:]
        (one,) = audio.decode(Summary.Value(audio={"encoded_audio_string": file}), NO_METADATA)
        return one

    assert behind(1000).to_array().shape == (12, 1)
    with pytest.raises(DecodeError, match="without samples"):
        behind(2000).to_array()


def test_a_sound_repeated_by_its_shape_is_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bytes] = []
    plain = audio._read_header

    def counted(file: bytes) -> audio._Header:
        looks.append(file)
        return plain(file)

    monkeypatch.setattr(audio, "_read_header", counted)
    proto = strings(wav(1, 1, 8, 2, 16), b"", shape=[60_000])
    clips = audio.decode(Summary.Value(tensor=proto), NO_METADATA)
    assert len(clips) == 60_000
    assert clips[0].frames == 12
    assert len(looks) == 2


# ------------------------------------------------------------------ the projector's files

SECRET = "1\t2\n"


@pytest.mark.parametrize(
    "path",
    [
        *("../secret", "sub/../../secret", "link", "up/secret", "{root}/secret", "/etc/passwd"),
        *("file://{root}/secret", "http://127.0.0.1:1/x", "memory://x", "a\\000b", "\\033[31m"),
        *("..", ".", "sub", "fifo", "loop", "/dev/zero", "C:\\\\secret", "x" * 5000),
    ],
)
@pytest.mark.parametrize("url", [False, True])
def test_a_config_reads_nothing_outside(path: str, url: bool, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    run = tmp_path / "run"
    (run / "sub").mkdir(parents=True)
    (run / "link").symlink_to("../secret")
    (run / "up").symlink_to("..")
    (run / "loop").symlink_to("loop")
    os.mkfifo(run / "fifo")
    path = path.replace("{root}", os.fspath(tmp_path))
    files = " ".join(f"{what}_path: '{path}'" for what in ("tensor", "metadata", "bookmarks"))
    (run / projector.CONFIG_NAME).write_text(
        f"embeddings {{ {files} sprite {{ image_path: '{path}' single_image_dim: [1, 1] }} }}"
    )
    folder = f"file://{run}" if url else os.fspath(run)
    (embedding,) = projector.read(folder).values()
    assert repr(embedding).isprintable()
    assert len(repr(embedding)) < 600
    for one in ("tensor", "metadata", "labels", "bookmarks", "sprite"):
        with pytest.raises(DecodeError) as caught:
            getattr(embedding, one)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1500
        assert "1\t2" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        *("\x1b[2J{}", "a" * 3_000_000, "embeddings { tensor_shape: " + "9" * 100_000 + " }"),
        *("embeddings { tensor_name: '" + "\\\\" * 300_000, "embeddings {" * 100_000),
        *("x" * (1 << 23), "a {" * 100_000, "[type.googleapis.com/x] { a: 1 }"),
        "embeddings { tensor_name: '\\ud800' }",
    ],
    ids=["ESC", "name", "integer", "string", "deep", "size", "unknown", "any", "surrogate"],
)
def test_a_config_that_is_none(config: str, tmp_path: Path) -> None:
    (tmp_path / projector.CONFIG_NAME).write_text(config)
    with pytest.raises(DecodeError) as caught:
        projector.read(tmp_path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", BOMBS)
def test_a_sprite_that_is_a_bomb(name: str, tmp_path: Path) -> None:
    (tmp_path / "sprite").write_bytes(BOMBS[name])
    (tmp_path / projector.CONFIG_NAME).write_text(
        "embeddings { tensor_name: 'x' sprite { image_path: 'sprite' single_image_dim: [1, 1] } }"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DecodeError, match="image_path 'sprite'"):
            _ = projector.read(tmp_path)["x"].sprite
        with pytest.raises(DecodeError, match="image_path 'sprite'"):
            projector.read(tmp_path)["x"].thumbnails()


# ------------------------------------------------------------------ a tree of ill names

ILL_NAMES = [
    *(b"\x1b[2J\x1b]0;title\x07", b"a\nb", "\u202eright to left".encode(), b"\xc2\x9b31m", b"\r"),
    *(b"=cmd()", b"-rf", b"<script>", b"..x", b"C:", b"a\\b", b"~", b"$(id)", b"x" * 200),
]
#: Which Linux has, and others refuse.
NO_TEXT = [b"\xff\xfe\x1b"]


def ill_tree(root: Path) -> Path:
    """A log folder with a run of each name, one file of each damaged, and links to all sides."""
    logs = root / "logs"
    logs.mkdir()
    (root / "secret").write_text(SECRET)
    sound = write_log(logs, [*events_of(Summary.Value(tag="\x1b[2J", simple_value=1))])
    data = sound.read_bytes()
    for ill in [*ILL_NAMES, *(NO_TEXT if sys.platform.startswith("linux") else [])]:
        folder = os.path.join(os.fsencode(logs), ill)
        os.mkdir(folder)
        for end, content in ((b"1", data), (b"2\x1b[31m\n", data + b"\x1b[31mgarbage" * 5 + data)):
            with open(os.path.join(folder, b"events.out.tfevents." + end), "wb") as file:
                file.write(content)
    for name, target in {
        "around": ".",
        "outside": "..",
        "events.out.tfevents.secret": "../secret",
        "events.out.tfevents.nowhere": "nowhere",
        "events.out.tfevents.itself": "events.out.tfevents.itself",
    }.items():
        (logs / name).symlink_to(target)
    os.mkfifo(logs / "events.out.tfevents.fifo")
    return logs


def test_a_tree_of_ill_names(tmp_path: Path) -> None:
    logs = ill_tree(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    for arguments in (
        ("ls", logs),
        ("ls", logs, "--runs", "none of them"),
        ("ls", logs, "--tags", "none of them"),
        ("ls", logs, "--json"),
        ("check", logs),
        ("check", logs, "--json"),
        ("export", logs, out / "long.csv"),
        ("export", logs, out / "wide.csv", "--wide"),
        ("export", logs, out / "long.parquet"),
        ("repair", logs, out / "repaired"),
        ("repair", logs, out / "again", "--json"),
    ):
        code, printed, told = run_command(*arguments)
        assert code == (1 if "none of them" in arguments else 3), (arguments, told)
        assert printed + told
        assert_harmless(printed)
        assert_harmless(told)
    assert {path.name for path in tmp_path.iterdir()} == {"logs", "out", "secret"}
    assert (tmp_path / "secret").read_text() == SECRET
    repaired = out / "repaired"
    inside = os.path.realpath(repaired)
    for path in repaired.rglob("*"):
        assert os.path.realpath(path).startswith(inside)
    assert not (repaired / "outside").exists()
    assert len(tbio.open(repaired)) >= len(ILL_NAMES)


def test_a_log_in_pandas_whatever_its_folders_are_called(tmp_path: Path) -> None:
    with unwarned():
        logs = tbio.open(ill_tree(tmp_path))
        frame, table = logs.to_pandas(), logs.to_arrow()
    assert len(frame) == len(table) > len(ILL_NAMES)


# ------------------------------------------------------------------ what people see


def shown_by_a_terminal(*arguments: str | Path) -> tuple[int, str]:
    """The exit code of a command whose output and errors are a terminal, and what that shows."""
    head, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tbio", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    )
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError), open(head, "rb", buffering=0) as file:
        while piece := file.read(1 << 16):
            shown += piece
    return process.wait(timeout=60), shown.decode().replace("\r\n", "\n")


def test_a_terminal_is_not_steered_by_an_export(tmp_path: Path) -> None:
    write_log(tmp_path, LOGS["names"])
    code, shown = shown_by_a_terminal("export", tmp_path, "-")
    assert code == 0
    assert_harmless(shown)
    assert r"\x1b[2J\x1b]0;title\x07" in shown
    assert r"\u202eright to left" in shown
    assert shown.count("\n") > 2 * len(NAMES)


def test_a_terminal_by_its_path(tmp_path: Path) -> None:
    head, terminal = pty.openpty()
    name = os.ttyname(terminal)
    write_log(tmp_path, LOGS["names"])
    code, _, told = run_command("export", tmp_path, name, "--format", "parquet")
    assert code == 2
    assert told.startswith(f"tbio: {name} is a terminal")
    with terminal_at(name) as found:
        assert found is not None
        assert found.write("é\x1b\u202e\n".encode()) == 7
    assert os.read(head, 100).decode() == "é\\x1b\\u202e\r\n"
    os.close(terminal)
    os.close(head)


@pytest.mark.parametrize("name", ["-", "/dev/null", "no such file", "fifo", "plain"])
def test_what_is_no_terminal(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("plain").write_text("as it was")
    with terminal_at(name) as found:
        assert found is None
    assert Path("plain").read_text() == "as it was"


def test_a_terminal_is_told_nothing_in_halves() -> None:
    """Of a character that comes in two pieces, and of bytes that are none."""
    shown = io.StringIO()
    terminal = Terminal(shown)
    for piece in (b"\xc3", b"\xa9\xe2\x80", b"\xae\xff", b"\n"):
        terminal.write(piece)
    assert shown.getvalue() == "é\\u202e\\xff\n"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "\"'\r'=1\""),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1", "a;'=1"),
        ("a\n@1", '"a\n\'@1"'),
        ('"=1"', '"""=1"""'),
        ("a=1", "a=1"),
        ("lr-1e-3", "lr-1e-3"),
        ("a;b", "a;b"),
    ],
)
def test_formulas(name: str, cell: str) -> None:
    report = ExportReport()
    assert report.cell(name) == cell
    assert report.guarded == ("'" in cell)
    unguarded = next(csv.reader([ExportReport(keep_formulas=True).cell(name)]))
    assert unguarded == [name] or set("\r\n") & set(name)


def test_every_name_of_an_export_is_guarded(tmp_path: Path) -> None:
    write_log(tmp_path, LOGS["names"])
    file = io.BytesIO()
    tbio.export(tbio.open(tmp_path), file)
    rows = list(csv.reader(io.StringIO(file.getvalue().decode().replace("\0", "?"), newline="")))
    assert len(rows) == 1 + 2 * len(NAMES)
    assert not [tag for _, tag, *_ in rows if tag.lstrip(" ").startswith(("=", "+", "-", "@"))]


def test_one_long_name_does_not_make_all_lines_long(tmp_path: Path) -> None:
    assert [len(line) for line in columns([("a", "b"), ("c" * 1000, "d")])] == [4, 1003]
    assert short("x" * 501) == "x" * 500 + "... (501 characters)"
    write_log(tmp_path, LOGS["names"])
    _, printed, _ = run_command("ls", tmp_path)
    assert len(printed) < 10_000
    assert "a" * 500 + "... (100,000 characters)" in printed
    listed = json.loads(run_command("ls", tmp_path, "--json")[1])["runs"][0]["tags"]
    assert {one["tag"] for one in listed} == set(NAMES)


def test_a_million_problems_are_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = Problem("a\x1b/events", 7, "\x1b" * 100_000, 3, "a wall time that is no number")
    source.tell({"x\x1b": RunReport(problems=[problem] * 1_000_000)}, tbio.open(tmp_path))
    told = capsys.readouterr().err
    assert told.count("\n") == 21
    assert len(told) < 10_000
    assert_harmless(told)
    assert r"tbio: run x\x1b: 999,980 more problems" in told


def test_memory_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(tbio, "open", greedy)
    assert run_command("ls", "logs") == (1, "", "tbio: out of memory\n")
