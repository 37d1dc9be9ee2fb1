"""`tbio reduce`, `tbio hparams` and `tbio best`, end to end."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet
import pytest
import tensorboard_readers
from test_cli import GOLDEN
from test_reduction import points, write

import tbio
from tbio import SummaryWriter, cli


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def command(*arguments: str | Path) -> Done:
    """A command line, carried out in this process: what a new one costs, `test_cli` has."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    try:
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            code = cli.main(list(map(str, arguments)))
    except SystemExit as error:
        code = int(error.code or 0)
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return Done(code, out, err)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("seeds"),
        {
            "a/s0": {"loss": points(4, 2), "=cmd()": points(1, -1)},
            "a/s1": {"loss": points(2, 4, 6)},
            "b/s0": {"loss": points(8, 0.1)},
        },
    )


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    for at, rate in enumerate((0.1, 0.2, 0.3)):
        with SummaryWriter(folder / f"t{at}") as writer:
            writer.set_hparams({"lr": rate, "opt": "adam"})
            for step, loss in enumerate((3.0, 2.0 - rate, 2.5)):
                writer.add_scalar("loss", loss, step)
                writer.add_scalar("speed", 7, step)
    return folder


# ------------------------------------------------------------------ reduce


def test_a_line_for_each_group_and_tag(seeds: Path) -> None:
    done = command("reduce", seeds, "--tags", "loss")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "group  tag   runs  step  count  mean  std",
        "a      loss     2     2      1     6  nan",
        "b      loss     1     1      1   0.1  nan",
    ]
    assert done.stderr == "tbio: 1 curve with steps that not all runs have (--align, --min-runs)\n"


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_text_tables(seeds: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"t.{suffix}"
    done = command("reduce", seeds, out, "--stats", "mean,max", "--group", "all", "--min-runs", "2")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"tbio: 2 rows written to {out}\n" in done.stderr
    with out.open(newline="") as file:
        rows = list(csv.reader(file, delimiter="," if suffix == "csv" else "\t"))
    assert rows == [
        ["group", "tag", "step", "relative_time", "count", "mean", "max"],
        ["all", "loss", "0", "0.0", "3", "4.666666666666667", "8.0"],
        ["all", "loss", "1", "1.0", "3", str((6 + float(np.float32(0.1))) / 3), "4.0"],
    ]


def test_formulas_get_an_apostrophe_and_negative_numbers_do_not(seeds: Path) -> None:
    done = command("reduce", seeds, "-", "--tags", "=*", "--stats", "min")
    assert done.stdout.splitlines()[1:] == ["a,'=cmd(),0,0.0,1,1.0", "a,'=cmd(),1,1.0,1,-1.0"]


def test_json_and_parquet(seeds: Path, tmp_path: Path) -> None:
    options = ["--group-regex", "(s.)$", "--stats", "mean,std", "--interval", "mean"]
    shown = json.loads(command("reduce", seeds, *options, "--json").stdout)
    reduction = tbio.reduce(
        tbio.open(seeds), group=lambda run: run[-2:], statistics=["mean", "std"], interval="mean"
    )
    expected = [
        {name: None if cell != cell else cell for name, cell in row.items()}
        for row in reduction.table
    ]
    assert shown == expected
    assert command("reduce", seeds, tmp_path / "t.json", *options).returncode == 0
    assert json.loads((tmp_path / "t.json").read_text()) == expected
    assert command("reduce", seeds, tmp_path / "t.parquet", *options).returncode == 0
    table = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == list(reduction.table.columns)
    for name in table.column_names:
        np.testing.assert_array_equal(table[name].to_numpy(), reduction.table[name])


def test_event_files(seeds: Path, tmp_path: Path) -> None:
    out = tmp_path / "averaged"
    done = command("reduce", seeds, out, "--tags", "loss", "--stats", "mean")
    assert done.returncode == 0
    assert f"tbio: 2 runs written to {out}\n" in done.stderr
    shown = tensorboard_readers.by_rustboard(out)
    assert [point.value for point in shown["a/mean"]["scalars"]["loss"]] == [3, 3, 6]
    again = command("reduce", seeds, out, "--tags", "loss")
    assert again.returncode == 1
    assert again.stderr == f"tbio: {out}: want a new or empty folder\n"
    tags = command("reduce", seeds, f"{tmp_path}/v1.0/", "--layout", "tags")
    assert tags.returncode == 0
    assert "loss/std" in tbio.open(tmp_path / "v1.0")["a"].scalars


def test_a_figure(seeds: Path, tmp_path: Path) -> None:
    for name, options in {"a.svg": ["--interval", "median"], "b.svg": ["--align", "bin"]}.items():
        done = command("reduce", seeds, tmp_path / name, "--tags", "loss", *options)
        assert done.returncode == 0, done.stderr
        assert "2 groups drawn to" in done.stderr
        assert (tmp_path / name).read_bytes().startswith(b"<?xml")


def test_by_hparam(search: Path) -> None:
    done = command("reduce", search, "--group-hparam", "opt", "--tags", "loss", "--stats", "count")
    assert done.stdout.splitlines()[1].split() == ["opt=adam", "loss", "3", "2", "3"]
    wrong = command("reduce", search, "--group-hparam", "optt")
    assert wrong.returncode == 1
    assert "nearest: 'opt'" in wrong.stderr


def test_what_is_told(tmp_path: Path) -> None:
    logs = write(tmp_path, {"a": {"x": [(0, 1), (0, 3), (1, 1)]}, "b": {"x": points(5, 6)}})
    done = command("reduce", logs, "--group-regex", "^(a)$", "--json")
    assert [row["mean"] for row in json.loads(done.stdout)] == [3, 1]
    assert done.stderr.splitlines() == [
        "tbio: 1 run of no group: b",
        "tbio: 1 point gave way to a later one of the same run, tag and step",
    ]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["x.docx"], 2, "want a name that ends in .csv"),
        (["x.csv", "--json"], 2, "want either OUT or --json"),
        (["--stats", "mean,mode"], 2, "want some of mean, median"),
        (["--group-regex", "("], 2, "no regular expression"),
        (["--min-runs", "0"], 2, 'want a number from 1 or "all"'),
        (["--group", "all", "--group-hparam", "lr"], 2, "not allowed with argument"),
        (["x.png", "--min-runs", "2", "--nan", "propagate"], 2, "--min-runs, --nan: no part of a"),
        (["--width", "3"], 1, 'align="exact" has none'),
        (["--level", "2", "--interval", "mean"], 1, "level: want a number between 0 and 1"),
        (["--group-regex", "zzz"], 1, "no run belongs to a group"),
        (["--tags", "los"], 1, "nearest: 'loss'"),
        (["--runs", "trein"], 1, "nearest: 'train'"),
        (["--min-runs", "3"], 1, "there is nothing to reduce"),
    ],
)
def test_reduce_used_wrongly(options: list[str], code: int, message: str) -> None:
    done = command("reduce", GOLDEN, *options)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------ hparams


def test_sessions_in_their_order(search: Path) -> None:
    done = command("hparams", search, "--by", "loss")
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head == [
        *("rank", "run", "status", "duration", "lr"),
        *("loss.best", "loss.best_step", "loss.last"),
    ]
    assert [(row[0], row[1], *row[4:]) for row in rows] == [
        ("1", "t2", "0.3", "1.7", "1", "2.5"),
        ("2", "t1", "0.2", "1.8", "1", "2.5"),
        ("3", "t0", "0.1", "1.9", "1", "2.5"),
    ]
    assert done.stderr.splitlines() == [
        "tbio: equal in all: opt=adam",
        "tbio: 1 more metric: in OUT and --json",
    ]
    worst = command(
        "hparams", search, "--by", "loss", "--mode", "max", "--metrics", "loss", "--json"
    )
    first = json.loads(worst.stdout)[0]
    assert (first["rank"], first["loss.best"], "speed.last" in first) == (1, 3.0, False)


def test_sessions_as_a_file_and_as_a_figure(search: Path, tmp_path: Path) -> None:
    assert command("hparams", search, tmp_path / "t.csv").returncode == 0
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["lr"], row["opt"], row["loss.min"]) for row in rows] == [
        ("t0", "0.1", "adam", "1.9"),
        ("t1", "0.2", "adam", "1.8"),
        ("t2", "0.3", "adam", "1.7"),
    ]
    done = command("hparams", search, tmp_path / "t.svg", "--by", "loss")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "t.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--by", "los"], 1, "nearest: 'loss'"),
        (["--by", "speed"], 1, "the tag 'speed' does not tell"),
        (["--by", "loss", "--metrics", "spped"], 1, "nearest: 'speed'"),
        (["--by", "los", "--mode", "min"], 1, "nearest: 'loss'"),
        (["x.png"], 2, "needs --by METRIC"),
        (["x.doc"], 2, "want a name that ends in"),
    ],
)
def test_hparams_used_wrongly(search: Path, options: list[str], code: int, message: str) -> None:
    done = command("hparams", search, *options)
    assert done.returncode == code
    assert message in done.stderr


def test_no_sessions() -> None:
    done = command("hparams", GOLDEN)
    assert done.returncode == 1
    assert "no run has hyperparameters (--all-runs lists others)" in done.stderr
    every = command("hparams", GOLDEN, "--all-runs", "--by", "loss", "--json")
    assert [row["run"] for row in json.loads(every.stdout)] == ["train", "test"]


# ------------------------------------------------------------------ best


def test_the_best_step(search: Path) -> None:
    done = command("best", search, "--patience", "1")
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head == [
        *("run", "tag", "mode", "step", "value", "points", "last_step"),
        *("stop_step", "kept_step", "kept_value"),
    ]
    assert rows[0] == ["t2", "loss", "min", "1", "1.7", "3", "2", "2", "1", "1.7"]
    assert [row[0] for row in rows] == ["t2", "t1", "t0"]
    assert done.stderr == "tbio: 1 tag left out whose name does not tell what is best (--mode)\n"
    shown = json.loads(command("best", search, "--tags", "loss", "--json").stdout)
    assert (shown[0]["run"], shown[0]["step"], shown[0]["value"]) == ("t2", 1, 1.7)


def test_the_best_step_as_a_file(search: Path, tmp_path: Path) -> None:
    done = command("best", search, tmp_path / "t.csv", "--tags", "loss", "--smooth", "0.5")
    assert done.returncode == 0
    with (tmp_path / "t.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["value"] == "1.7"
    assert float(row["smoothed"]) == pytest.approx((3 * 0.25 + float(np.float32(1.7)) * 0.5) / 0.75)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--tags", "speed"], 1, 'want mode "min" or "max"'),
        (["--tags", "spped"], 1, "nearest: 'speed'"),
        (["--smooth", "1.5"], 2, "want a number from 0 to 1, got '1.5'"),
        (["--patience", "2.5"], 2, "want a whole number"),
        (["--min-delta", "-1"], 2, "want a number from 0 on"),
        (["x.docx"], 2, "want a name that ends in .csv"),
    ],
)
def test_best_used_wrongly(search: Path, options: list[str], code: int, message: str) -> None:
    done = command("best", search, *options)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["reduce", "hparams", "best"])
def test_damage_is_told_of(search: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(search, tmp_path / "logs")
    file = next((tmp_path / "logs" / "t1").iterdir())
    data = bytearray(file.read_bytes())
    data[-30] ^= 1
    file.write_bytes(data)
    done = command(name, tmp_path / "logs", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)
    assert str(file) in done.stderr


# ------------------------------------------------------------------ the corpus


def test_real_runs_as_tensorboard_reads_them(corpus: Path) -> None:
    """Three agents of tianshou, whose steps differ, against NumPy on what TensorBoard has."""
    logs = corpus / "real" / "thu-ml+tianshou" / "examples" / "atari" / "PongNoFrameskip-v4"
    options = ["--tags", "t*", "--group", "all", "--align", "interpolate", "--min-runs", "2"]
    done = command("reduce", logs, *options, "--stats", "mean,max", "--json")
    found: dict[str, dict[int, tuple[int, float, float]]] = {}
    for row in json.loads(done.stdout):
        found.setdefault(row["tag"], {})[row["step"]] = row["count"], row["mean"], row["max"]
    runs = [shown["scalars"] for shown in tensorboard_readers.by_plugin_accumulator(logs).values()]
    assert len(runs) == 3
    assert len(found) >= 4
    for tag, rows in found.items():
        curves = [{point.step: point.value for point in run[tag]} for run in runs if tag in run]
        steps = np.unique(np.concatenate([list(curve) for curve in curves]))
        values = []
        for curve in curves:
            own = sorted(curve)
            values.append(
                np.interp(steps, own, [curve[step] or 0.0 for step in own], np.nan, np.nan)
            )
        kept = np.isfinite(values).sum(axis=0) >= 2
        assert list(rows) == steps[kept].tolist()
        expected = np.array(values)[:, kept]
        numbers = np.array(list(rows.values()))
        np.testing.assert_array_equal(numbers[:, 0], np.isfinite(expected).sum(axis=0))
        np.testing.assert_allclose(numbers[:, 1], np.nanmean(expected, axis=0), rtol=1e-9)
        np.testing.assert_allclose(numbers[:, 2], np.nanmax(expected, axis=0), rtol=1e-12)


def test_real_searches(corpus: Path) -> None:
    """Keras's hyperparameter search: its accuracy, as its own tutorial's log has it."""
    logs = corpus / "real" / "Alwaysproblem+tensorboard-review"
    done = command("hparams", logs, "--runs", "logs/hparam_tuning/*", "--by", "accuracy", "--json")
    rows = json.loads(done.stdout)
    runs = [row["run"].rpartition("/")[2] for row in rows]
    assert runs == ["run-0", "run-2", "run-3", "run-1"]
    shown = tensorboard_readers.by_plugin_accumulator(logs / "logs" / "hparam_tuning")
    accuracies = [shown[run]["scalars"]["accuracy"][-1].value for run in runs]
    assert [np.float32(row["accuracy.best"]) for row in rows] == accuracies
    assert accuracies == sorted(accuracies, key=lambda value: -(value or 0))
    assert [(row["optimizer"], row["dropout"]) for row in rows] == [
        ("adam", 0.1),
        ("adam", 0.2),
        ("sgd", 0.2),
        ("sgd", 0.1),
    ]
