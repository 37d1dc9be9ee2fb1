from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from generated_logs import LogRun, runs, write_run
from hypothesis import given, settings
from hypothesis import strategies as st

import tbio
from tbio import LogDir, SummaryWriter, TbioWarning
from tbio.proto.summary_pb2 import Summary
from tbio.rules import Restarts
from tbio.scalar_stream import ScalarBatch, ScalarStream, ValueTypeError

GOLDEN = Path(__file__).parent / "golden" / "digits"
COLUMNS = ("run", "tag", "step", "wall_time", "value")


def rows(batches: Iterable[ScalarBatch]) -> list[tuple[Any, ...]]:
    return [
        row
        for batch in batches
        for row in zip(*(getattr(batch, name).tolist() for name in COLUMNS), strict=True)
    ]


def rows_of_table(logs: LogDir) -> list[tuple[Any, ...]]:
    table = logs.scalar_table()
    return list(zip(*(getattr(table, name).tolist() for name in COLUMNS), strict=True))


def write(folder: Path, tags: int, points: int) -> None:
    """Scalars that differ in all columns; the last tag has the most points."""
    with SummaryWriter(folder) as writer:
        for step in range(points):
            for tag in range(tags):
                if tag == tags - 1 or step % 2 == 0:
                    writer.add_scalar(
                        f"train/losses/tag{tag}", step + tag / 8, step, 1e9 + step + tag / 8
                    )


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("batch_rows", [1, 7, 40, 80, 1000])
def test_batches_are_full(batch_rows: int) -> None:
    batches = list(tbio.open(GOLDEN).iter_scalars(batch_rows))
    assert [len(batch) for batch in batches[:-1]] == [batch_rows] * (len(batches) - 1)
    assert 0 < len(batches[-1]) <= batch_rows
    assert rows(batches) == rows_of_table(tbio.open(GOLDEN))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(runs(), min_size=1, max_size=3),
    st.sampled_from(["keep", "session", "tensorboard", "rustboard"]),
    st.sampled_from(["keep", "first", "mean"]),
    st.sampled_from([None, slice(1, 4)]),
    st.sampled_from([1, 200, 1000, 3000, 1 << 28]),
)
def test_the_rows_of_the_table_whatever_the_memory(
    written: list[LogRun], restarts: Restarts, duplicates: Any, steps: Any, memory: int
) -> None:
    with TemporaryDirectory() as folder:
        for at, run in enumerate(written):
            write_run(Path(folder) / str(at), run)
        logs = tbio.open(
            folder, kinds="scalars", restarts=restarts, duplicates=duplicates, steps=steps
        )
        stream = logs.iter_scalars(5, memory=memory)
        found = rows(stream)
        assert found == rows_of_table(logs)
        for name in logs:
            theirs, ours = logs[name].report, stream.reports[name]
            assert ours.superseded == theirs.superseded
            assert ours.hidden == theirs.hidden
            assert sorted(ours.problems) == sorted(theirs.problems)
            assert ours.events == theirs.events


@pytest.mark.parametrize("memory", [1, 6000, 20_000, 1 << 28])
def test_many_tags(tmp_path: Path, memory: int) -> None:
    write(tmp_path / "a", 5, 200)
    write(tmp_path / "b", 3, 20)
    logs = tbio.open(tmp_path)
    assert rows(logs.iter_scalars(memory=memory)) == rows_of_table(logs)


class Counting(io.BytesIO):
    """An event file that counts what is read of it."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


class Pipe(io.BytesIO):
    """An event file that cannot be read again."""

    def seekable(self) -> bool:
        return False

    def seek(self, *place: int) -> int:
        raise io.UnsupportedOperation("seek")


def test_how_often_a_file_is_read(tmp_path: Path) -> None:
    write(tmp_path, 4, 2000)  # 5000 points
    (path,) = tmp_path.iterdir()
    size = path.stat().st_size

    def times_read(memory: int) -> int:
        file = Counting(path.read_bytes())
        assert len(rows(tbio.open(file).iter_scalars(memory=memory))) == 5000
        return round(file.read_bytes / size)

    assert times_read(size) == 1
    # The points fit a bound that the file exceeds: slices of it are read, each once.
    assert times_read(size - 1) == 1
    # 48 bytes a point: two tags of 1000 each at once, then the third, then that of 2000.
    assert times_read(2000 * 48) == 1 + 3


def test_nothing_is_kept_and_nothing_read_twice(tmp_path: Path) -> None:
    write(tmp_path / "a", 2, 10)
    write(tmp_path / "b", 2, 10)
    logs = tbio.open(tmp_path)
    stream = logs.iter_scalars()
    first = rows(stream)
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"")
    assert {row[0] for row in rows(stream)} == {"b"}

    logs = tbio.open(tmp_path)
    logs["b"].scalars["train/losses/tag0"]
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(b"")
    assert rows(logs.iter_scalars(memory=1)) == [row for row in first if row[0] == "b"]


@pytest.mark.parametrize("memory", [1, 20_000, 1 << 28])
def test_damage_is_told_once_and_reported(tmp_path: Path, memory: int) -> None:
    write(tmp_path, 3, 500)
    (path,) = tmp_path.iterdir()
    flip(path, path.stat().st_size // 2)
    logs = tbio.open(tmp_path)
    stream = logs.iter_scalars(memory=memory)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = rows(stream)
        assert rows(stream) == first
    assert [one.category for one in caught] == [TbioWarning]
    with pytest.warns(TbioWarning, match="1 damaged places"):
        assert stream.reports["."].damages == logs["."].report.damages
    assert first == rows_of_table(logs)


@pytest.mark.parametrize("memory", [1, 1 << 28])
def test_damage_raises_where_it_is_asked_to(tmp_path: Path, memory: int) -> None:
    write(tmp_path, 3, 100)
    (path,) = tmp_path.iterdir()
    flip(path, path.stat().st_size // 2)
    with pytest.raises(tbio.DamageError):
        rows(tbio.open(tmp_path, on_damage="raise").iter_scalars(memory=memory))


@pytest.mark.parametrize("memory", [1, 500, 1 << 28])
def test_problems_are_told_of_whatever_the_tag(tmp_path: Path, memory: int) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(20):
            for tag in ("b", "c", "d"):
                writer.add_scalar(tag, step, step, 1.0 + step)
        for at, tag in enumerate(("a", "c", "z")):
            holds_nothing = Summary(value=[Summary.Value(tag=tag)])
            writer._get_file_writer().add_summary(holds_nothing, at, 2.0)
    logs = tbio.open(tmp_path, kinds="scalars")
    stream = logs.iter_scalars(memory=memory)
    rows(stream)
    problems = stream.reports["."].problems
    assert sorted(one.tag for one in problems) == ["a", "c", "z"]
    assert sorted(problems) == sorted(logs["."].report.problems)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    write(tmp_path, 2, 5)
    (path,) = tmp_path.iterdir()

    stream = tbio.open(Pipe(path.read_bytes())).iter_scalars(memory=1)
    assert rows(stream) == rows(stream) == rows_of_table(tbio.open(tmp_path))


def test_progress_and_reports(tmp_path: Path) -> None:
    write(tmp_path / "a", 1, 5)
    write(tmp_path / "b", 1, 5)
    stream = tbio.open(tmp_path).iter_scalars()
    batches = iter(stream.series())
    next(batches)
    assert stream.reports == {}
    next(batches)
    assert list(stream.reports) == ["a"]
    rows(stream)
    assert list(stream.reports) == ["a", "b"]
    assert stream.reports["b"].complete


def test_what_is_selected_is_streamed() -> None:
    logs = tbio.open(GOLDEN, runs="t*n", tags="l*", steps=slice(3, 5))
    assert [row[:3] for row in rows(logs.iter_scalars())] == [
        ("train", "loss", 3),
        ("train", "loss", 4),
    ]
    assert rows(tbio.open(GOLDEN, kinds="images").iter_scalars()) == []


# ---------------------------------------------------------------------- values


def mixed(folder: Path) -> LogDir:
    with SummaryWriter(folder / "a") as writer:
        writer.add_scalar("x", 0.1, 0, 1.0)
        writer.add_scalar("x", 0.1, 1, 2.0, double_precision=True)
    with SummaryWriter(folder / "b") as writer:
        writer.add_scalar("x", 0.25, 0, 1.0)
    return tbio.open(folder)


def test_one_dtype_for_all(tmp_path: Path) -> None:
    batches = list(mixed(tmp_path).iter_scalars(1))
    assert {batch.value.dtype for batch in batches} == {np.dtype(np.float64)}
    assert [batch.value[0] for batch in batches] == [float(np.float32(0.1)), 0.1, 0.25]
    floats = list(tbio.open(GOLDEN).iter_scalars(9, dtype=np.float32))
    assert {batch.value.dtype for batch in floats} == {np.dtype(np.float32)}


def test_what_the_dtype_does_not_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueTypeError, match=r"run 'a', tag 'x': float64 .* dtype='float64'") as e:
        list(mixed(tmp_path).iter_scalars(dtype=np.float32))
    assert e.value.dtype == np.float64


def test_integers() -> None:
    def batch(values: Any, dtype: Any) -> ScalarBatch:
        count = len(values)
        steps = np.arange(count)
        series = tbio.ScalarSeries("r", "t", steps, steps.astype(float), np.array(values))
        return ScalarBatch([series], dtype)

    assert batch([2**53], np.float64).value.tolist() == [2.0**53]
    with pytest.raises(ValueTypeError, match="int64 values, which float64 does not hold") as caught:
        batch([2**53 + 1], np.float64)
    assert caught.value.dtype == object
    assert batch([2**53 + 1], np.int64).value.tolist() == [2**53 + 1]
    text = batch([2**53 + 1], object).to_arrow()
    assert text.column("value").to_pylist() == ["9007199254740993"]


# ---------------------------------------------------------------------- Arrow


def test_arrow_ready() -> None:
    logs = tbio.open(GOLDEN)
    stream = logs.iter_scalars(7, dtype=np.float32)
    names = [(field.name, str(field.type)) for field in stream.schema]
    assert names == [
        ("run", "string"),
        ("tag", "string"),
        ("step", "int64"),
        ("wall_time", "double"),
        ("value", "float"),
    ]
    reader = pa.RecordBatchReader.from_stream(stream)
    assert reader.schema == stream.schema
    whole = reader.read_all()
    table = logs.to_arrow()
    assert whole.equals(table.cast(whole.schema))
    assert pl.DataFrame(stream).equals(logs.to_polars())
    for batch in stream:
        assert batch.to_arrow().schema == stream.schema
        assert pa.record_batch(batch).equals(batch.to_arrow())


def test_no_scalars_at_all(tmp_path: Path) -> None:
    SummaryWriter(tmp_path).close()
    stream = tbio.open(tmp_path).iter_scalars()
    assert list(stream) == []
    assert pa.RecordBatchReader.from_stream(stream).read_all().num_rows == 0


def test_names_that_are_no_unicode() -> None:
    series = tbio.ScalarSeries("\udcff", "t", np.arange(1), np.zeros(1), np.zeros(1, np.float32))
    batch = ScalarBatch([series], np.float32)
    assert batch.run.tolist() == ["\udcff"]
    assert batch.to_arrow().column("run").to_pylist() == [r"\udcff"]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        tbio.open(GOLDEN).iter_scalars(0)
    with pytest.raises(ValueError, match="at least 1"):
        tbio.open(GOLDEN).iter_scalars(memory=0)


def test_repr() -> None:
    stream: ScalarStream = tbio.open(GOLDEN).iter_scalars()
    assert repr(stream) == "<ScalarStream of 2 runs, 65536 rows a batch>"
    assert repr(next(iter(stream))) == "<ScalarBatch: 80 rows>"
