"""tbio.compat.summary_iterator gives the events of a file, and goes on behind damage."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from test_compat_event_accumulator import VERSION, encoded, log, paths, scalar

import tbio.compat
from tbio import TbioWarning
from tbio.compat import summary_iterator
from tbio.proto.event_pb2 import Event


@pytest.mark.parametrize("path", [path for path in paths(clean=True) if "tfevents" in path])
def test_the_events_of_a_file(corpus: Path, path: str) -> None:
    events = list(summary_iterator(str(corpus / path)))
    originals = list(LegacyEventFileLoader(str(corpus / path)).Load())
    assert [one.SerializeToString(deterministic=True) for one in events] == [
        one.SerializeToString(deterministic=True) for one in originals
    ]
    assert {type(one) for one in events} <= {Event}
    assert bool(events) == ("empty" not in path)


def test_damage_is_passed_over(tmp_path: Path) -> None:
    path = log(tmp_path, VERSION, scalar("a", 1, 0), scalar("a", 2, 0), scalar("a", 3, 0))
    data = bytearray(path.read_bytes())
    data[len(encoded([VERSION, scalar("a", 1, 0)])) + 14] ^= 1
    path.write_bytes(data)
    with pytest.warns(TbioWarning, match="1 damaged places"):
        assert [event.step for event in summary_iterator(path)] == [0, 1, 3]


def test_a_file_that_is_cut_off_ends_there(tmp_path: Path) -> None:
    path = log(tmp_path, VERSION, scalar("a", 1, 0), scalar("a", 2, 0))
    path.write_bytes(path.read_bytes()[:-1])
    assert [event.step for event in summary_iterator(path)] == [0, 1]


def test_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(encoded([VERSION, scalar("a", 1, 0)])))
    assert [event.step for event in summary_iterator(str(path))] == [0, 1]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        summary_iterator(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        summary_iterator(tmp_path)


# ---------------------------------------------------------------------- the package


def test_every_public_name() -> None:
    assert dir(tbio.compat) == sorted(tbio.compat.__all__)
    for name in tbio.compat.__all__:
        assert callable(getattr(tbio.compat, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tbio.compat.nothing  # noqa: B018


def test_the_function_is_not_hidden_by_its_module() -> None:
    """They share a name, and importing a module sets it in the package."""
    words = (
        "import tbio.compat.summary_iterator;"
        "from tbio.compat.summary_iterator import summary_iterator as one;"
        "from tbio.compat import summary_iterator;"
        "assert one is summary_iterator"
    )
    subprocess.run([sys.executable, "-c", words], cwd=ROOT, check=True)
    module = importlib.import_module("tbio.compat.summary_iterator")
    assert module.summary_iterator is summary_iterator


def test_what_the_import_loads() -> None:
    words = (
        "import sys; from tbio.compat import EventAccumulator, EventMultiplexer, summary_iterator;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", words], cwd=ROOT, check=True, capture_output=True, text=True
    )
    heavy = {"tensorboard", "tensorflow", "pandas", "PIL", "matplotlib", "rich"}
    assert not heavy & set(done.stdout.split())
    assert {"tbio", "numpy"} <= set(done.stdout.split())
