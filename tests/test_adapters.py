"""What all adapters have in common."""

from __future__ import annotations

import contextlib
import doctest
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard_server import TensorBoardServer
from tensorboard_values import Log, Session

import tbio.adapters
from tbio.adapters.datasets import DatasetRuns
from tbio.errors import MissingExtraError
from tbio.extras import require

HERE = Path(__file__).parent
FOLDER = Path(str(tbio.adapters.__file__)).parent

#: What is imported with an adapter, and the name of the extra that installs it.
LIBRARIES = {
    "accelerate": (["accelerate"], "accelerate"),
    "ignite": (["ignite"], "ignite"),
    "lightning": (["lightning", "pytorch_lightning"], "lightning"),
    "ray": (["ray"], "ray"),
    "stable_baselines3": (["stable_baselines3"], "stable-baselines3"),
    "transformers": (["transformers"], "transformers"),
    "xgboost": (["xgboost"], "xgboost"),
}
#: Those that look at nothing but what they are given.
FREE = {
    *("clu", "datasets", "flax", "lightgbm", "optuna", "skrl", "sklearn"),
    *("summaries", "trials"),
}


def test_every_adapter_is_known() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert modules == FREE | set(LIBRARIES)
    assert all(f"`{name}`" in str(tbio.adapters.__doc__) for name in LIBRARIES)


@pytest.mark.parametrize("name", sorted(FREE))
def test_the_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"tbio.adapters.{name}")).failed == 0


def test_free_modules_load_no_library() -> None:
    code = f"""
import importlib, sys
for name in {sorted(FREE)!r}:
    importlib.import_module("tbio.adapters." + name)
print(*{{name.partition(".")[0] for name in sys.modules}})
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(loaded.stdout.split()) & {"lightgbm", "optuna", "sklearn", "skrl", "torch"}


def test_a_library_that_is_not_installed() -> None:
    code = f"""
import hidden_packages, importlib, tbio
hidden_packages.hide(*{[module for modules, _ in LIBRARIES.values() for module in modules]!r})
for name in {sorted(LIBRARIES)!r}:
    try:
        importlib.import_module("tbio.adapters." + name)
    except tbio.MissingExtraError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)])},
    )
    assert done.stdout.splitlines() == [
        f"{modules[0]} is not installed; install it by: pip install 'tbio[{extra}]'"
        for _, (modules, extra) in sorted(LIBRARIES.items())
    ]


def test_require(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "half_there.py").write_text("import what_it_needs")
    (tmp_path / "all_there.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs") as raised:
        require("half_there")
    assert not isinstance(raised.value, MissingExtraError)
    with pytest.raises(MissingExtraError, match=r"pip install 'tbio\[not-there\]'"):
        require("not_there.inside", "nor_this")
    # one that is loaded already comes first
    assert require("all_there", "json").__name__ == "json"
    assert require("all_there").__name__ == "all_there"
    monkeypatch.delitem(sys.modules, "all_there")


def test_hidden_packages_are_not_to_be_found() -> None:
    code = """
import hidden_packages, importlib.metadata, importlib.util
assert importlib.util.find_spec("tensorboard") and importlib.metadata.version("tensorboard")
hidden_packages.hide("tensorboard")
assert importlib.util.find_spec("tensorboard") is None
try:
    importlib.metadata.version("tensorboard")
except importlib.metadata.PackageNotFoundError:
    import tensorboard
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    assert "ModuleNotFoundError: No module named 'tensorboard'\n" in done.stderr


def test_data_sets(tmp_path: Path) -> None:
    runs = DatasetRuns(tmp_path, filename_suffix=".x")
    runs.set_hparams({"a": 1})
    runs.log("train", "loss", 0.5, 3)
    runs.log("../out", "loss", 0.25, 3)
    runs.close(failed=True)
    log = Log(tmp_path)
    assert log.scalars() == {"train": {"loss": [(3, 0.5)]}, "..%2fout": {"loss": [(3, 0.25)]}}
    assert log.sessions() == {".": Session({"a": 1}, "FAILURE")}
    assert len(list(tmp_path.rglob("*.x"))) == 3


def test_data_sets_on_the_hparams_page(tmp_path: Path) -> None:
    for name, rate in (("a", 0.5), ("b", 0.25)):
        with contextlib.closing(DatasetRuns(tmp_path / name)) as runs:
            runs.set_hparams({"rate": rate})
            for dataset in ("train", "test"):
                runs.log(dataset, "loss", rate, 3)
    request = {"allowedStatuses": ["STATUS_SUCCESS"], "colParams": [], "sliceSize": 9}
    with TensorBoardServer(tmp_path, "rustboard") as server:
        server.wait_for("/data/runs", lambda runs: len(runs) == 6)
        columns = server.json("/data/plugin/hparams/experiment", request="{}")
        rows = server.json("/data/plugin/hparams/session_groups", request=json.dumps(request))
    assert {(one["name"]["group"], one["name"]["tag"]) for one in columns["metricInfos"]} == {
        ("train", "loss"),
        ("test", "loss"),
    }
    assert {row["hparams"]["rate"] for row in rows["sessionGroups"]} == {0.5, 0.25}


def test_data_sets_stay_inside_and_apart(tmp_path: Path) -> None:
    with contextlib.closing(DatasetRuns(tmp_path / "log")) as runs:
        for at, name in enumerate(("..", ".", "a/b", "a_b", "")):
            runs.log(name, "x", at, at)
    assert os.listdir(tmp_path) == ["log"]
    found = {
        name: run.scalars["x"].values.tolist() for name, run in tbio.open(tmp_path / "log").items()
    }
    assert sorted(found.values()) == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    assert (found["."], found["a_b"]) == ([4.0], [3.0])
