"""The real TensorBoard shows what tbio wrote: every point, by each of its two backends."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import SummaryWriter, TbioWarning

TAGS = "/data/plugin/scalars/tags"
SCALARS = "/data/plugin/scalars/scalars"
TIME_SERIES = "/data/plugin/timeseries/timeSeries"

#: run, relative to the case's folder -> tag -> points as TensorBoard shows them: [wall time, step,
#: value]. What is no JSON number comes as a string.
Shown: TypeAlias = dict[str, dict[str, list[list[Any]]]]

T = 1_700_000_000.25


def encodings(folder: Path) -> Shown:
    """The old and the new encoding, and the double beside the float32, show the same float32."""
    with SummaryWriter(folder) as writer:
        for step, value in enumerate((0.1, -2.5, 1e-30)):
            writer.add_scalar("old", value, step, T + step)
            writer.add_scalar("new", value, step, T + step, new_style=True)
            writer.add_scalar("double", value, step, T + step, double_precision=True)
    points: list[list[Any]]
    points = [[T, 0, 0.10000000149011612], [T + 1, 1, -2.5], [T + 2, 2, 1.0000000031710769e-30]]
    return {".": {"old": points, "new": points, "double": points}}


def not_finite(folder: Path) -> Shown:
    with SummaryWriter(folder) as writer:
        for step, value in enumerate((math.nan, math.inf, -math.inf)):
            writer.add_scalar("old", value, step, T)
            writer.add_scalar("new", value, step, T, new_style=True)
            writer.add_scalar("double", value, step, T, double_precision=True)
    points: list[list[Any]] = [[T, 0, "NaN"], [T, 1, "Infinity"], [T, 2, "-Infinity"]]
    return {".": {"old": points, "new": points, "double": points}}


def beyond_float32(folder: Path) -> Shown:
    """Values that change a tag's encoding midway, since only a double holds them."""
    with SummaryWriter(folder) as writer:
        writer.add_scalar("old", 3.4e38, 0, T)
        writer.add_scalar("new", 3.4e38, 0, T, new_style=True)
        for tag in ("old", "new", "first"):
            with pytest.warns(TbioWarning, match="1e\\+39 is beyond float32"):
                writer.add_scalar(tag, 1e39, 1, T)
            writer.add_scalar(tag, -1e300, 2, T)
            writer.add_scalar(tag, 0.5, 3, T)
    beyond: list[list[Any]] = [[T, 1, "Infinity"], [T, 2, "-Infinity"], [T, 3, 0.5]]
    points = [[T, 0, 3.3999999521443642e38], *beyond]
    return {".": {"old": points, "new": points, "first": beyond}}


def old_then_exact(folder: Path) -> Shown:
    with SummaryWriter(folder) as writer:
        writer.add_scalar("x", 0.1, 0, T)
        writer.add_scalar("x", 0.2, 1, T, double_precision=True)
        writer.add_scalar("x", 0.3, 2, T, new_style=True)
        writer.add_scalar("x", 0.4, 3, T)
    values = [0.10000000149011612, 0.20000000298023224, 0.30000001192092896, 0.4000000059604645]
    return {".": {"x": [[T, step, value] for step, value in enumerate(values)]}}


def steps(folder: Path) -> Shown:
    """The whole range of 64 bits."""
    all_steps = [-(2**63), -(2**53) - 1, -5, 0, 3, 2**31, 2**53 + 1, 2**63 - 1]
    with SummaryWriter(folder) as writer:
        for step in all_steps:
            writer.add_scalar("old", 1.5, step, T)
            writer.add_scalar("new", 1.5, step, T, new_style=True)
    points = [[T, step, 1.5] for step in all_steps]
    return {".": {"old": points, "new": points}}


def wall_times(folder: Path) -> Shown:
    """To the last bit, and of any order."""
    all_times = [T + 1e-6, 0.1, -1.5, 4e9 + 1 / 3]
    with SummaryWriter(folder) as writer:
        for step, wall_time in enumerate(all_times):
            writer.add_scalar("x", step, step, wall_time)
    return {".": {"x": [[wall_time, step, step] for step, wall_time in enumerate(all_times)]}}


def names(folder: Path) -> Shown:
    tags = [
        "loss/train/deep",
        "with  spaces ",
        "Größe 学习率 🦉",
        "100%41&run=.#+?",
        "../../etc/passwd",
        "<b>bold</b>",
        "line\nbreak\ttab",
        "x" * 2000,
        "",
    ]
    with SummaryWriter(folder) as writer:
        for tag in tags:
            writer.add_scalar(tag, 0.25, 1, T)
            writer.add_scalar(tag, 0.5, 2, T)
    return {".": {tag: [[T, 1, 0.25], [T, 2, 0.5]] for tag in tags}}


def runs_and_sub_runs(folder: Path) -> Shown:
    """A folder in a folder is a run of its own, whatever lies between."""
    for number, run in enumerate((".", "a", "a/b", "a/b/c d/Größe", "10", "9")):
        with SummaryWriter(folder / run) as writer:
            writer.add_scalar("x", number, 7, T)
    return {
        ".": {"x": [[T, 7, 0]]},
        "a": {"x": [[T, 7, 1]]},
        "a/b": {"x": [[T, 7, 2]]},
        "a/b/c d/Größe": {"x": [[T, 7, 3]]},
        "10": {"x": [[T, 7, 4]]},
        "9": {"x": [[T, 7, 5]]},
    }


def add_scalars(folder: Path) -> Shown:
    """Each curve is a run, with the chart's name for a tag."""
    with SummaryWriter(folder) as writer:
        writer.add_scalar("other", 0.5, 1, T)
        for step in (1, 2):
            writer.add_scalars("loss/all", {"train": step, "my val": -step}, step, T)
    return {
        ".": {"other": [[T, 1, 0.5]]},
        "loss_all_train": {"loss/all": [[T, 1, 1], [T, 2, 2]]},
        "loss_all_my val": {"loss/all": [[T, 1, -1], [T, 2, -2]]},
    }


def descriptions(folder: Path) -> Shown:
    with SummaryWriter(folder) as writer:
        for step in (1, 2):
            writer.add_scalar("old", 1, step, T, display_name="Old", summary_description="*old*")
            writer.add_scalar(
                "new", 1, step, T, True, display_name="New", summary_description="# new"
            )
            writer.add_scalar("tensorboardX", 1, step, T, "X's Name", "`X`")
            writer.add_scalar("plain old", 1, step, T)
            writer.add_scalar("plain new", 1, step, T, new_style=True)
    points = [[T, 1, 1], [T, 2, 1]]
    tags = ("old", "new", "tensorboardX", "plain old", "plain new")
    return {".": dict.fromkeys(tags, points)}


def two_writers(folder: Path) -> Shown:
    """Made in the same second in one folder, and open at the same time: two files, one run."""
    with SummaryWriter(folder) as first, SummaryWriter(folder) as second:
        for step in range(3):
            first.add_scalar("first", 1, step, T)
            first.add_scalar("both", 1, step, T)
            second.add_scalar("second", 2, step, T)
            second.add_scalar("both", 2, step + 3, T)
    ones, twos = ([[T, step, value] for step in range(3)] for value in (1, 2))
    both = [*ones, [T, 3, 2], [T, 4, 2], [T, 5, 2]]
    return {".": {"first": ones, "second": twos, "both": both}}


def rotated(folder: Path) -> Shown:
    """More files than digits of a counter that is not padded would keep in order."""
    for step in range(12):
        with SummaryWriter(folder) as writer:
            writer.add_scalar("x", step, step, T)
    return {".": {"x": [[T, step, step] for step in range(12)]}}


def ten_thousand(folder: Path) -> Shown:
    """More than TensorBoard's default samples; nothing is lost on the way."""
    with SummaryWriter(folder) as writer:
        for step in range(10_000):
            writer.add_scalar("x", step * 0.5, step, T + step)
    return {".": {"x": [[T + step, step, step * 0.5] for step in range(10_000)]}}


CASES: tuple[Callable[[Path], Shown], ...] = (
    encodings,
    not_finite,
    beyond_float32,
    old_then_exact,
    steps,
    wall_times,
    names,
    runs_and_sub_runs,
    add_scalars,
    descriptions,
    two_writers,
    rotated,
    ten_thousand,
)


def resumed_once(folder: Path) -> None:
    """Steps 0 to 9 of two tags; then a run that goes on from 5 and logs one of them."""
    with SummaryWriter(folder) as writer:
        for step in range(10):
            writer.add_scalar("a", 1, step, T)
            writer.add_scalar("b", 1, step, T)
    with SummaryWriter(folder, purge_step=5) as writer:
        writer.add_scalar("a", 2, 5, T)
        writer.add_scalar("a", 2, 6, T)


def resumed_twice(folder: Path) -> None:
    resumed_once(folder)
    with SummaryWriter(folder, purge_step=3) as writer:
        writer.add_scalar("a", 3, 3, T)


def steps_go_back(folder: Path) -> None:
    with pytest.warns(TbioWarning, match="step 5 after step 10"), SummaryWriter(folder) as writer:
        for step in (0, 10, 5, 11):
            writer.add_scalar("back", step, step, T)
        for value in range(3):
            writer.add_scalar("no step", value, walltime=T)


#: Logs that the backends show differently; a tag, and its last point in both: [step, value].
DISPUTED = (
    (resumed_once, "a", [6, 2]),
    (resumed_twice, "a", [3, 3]),
    (steps_go_back, "no step", [0, 2]),
)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def shown(logdir: Path) -> dict[str, Shown]:
    """The logs, written, and what is to be shown of them: case -> run -> tag -> points."""
    expected = {}
    for write in CASES:
        by_run = write(logdir / write.__name__)
        expected[write.__name__] = {
            os.path.normpath(f"{write.__name__}/{run}"): tags for run, tags in by_run.items()
        }
    for case, *_ in DISPUTED:
        case(logdir / case.__name__)
    return expected


def at_least(count: int) -> Callable[[Any], bool]:
    return lambda points: len(points) >= count


def ends_with(last: list[int]) -> Callable[[Any], bool]:
    return lambda points: bool(points) and points[-1][1:] == last


@pytest.fixture(scope="module", params=BACKENDS)
def server(
    request: pytest.FixtureRequest, logdir: Path, shown: dict[str, Shown]
) -> Iterator[TensorBoardServer]:
    """A server that has loaded everything."""
    with TensorBoardServer(logdir, request.param) as server:
        # The backends read run by run, but in no order that they promise.
        for case in shown.values():
            for run, tags in case.items():
                for tag, points in tags.items():
                    server.wait_for(SCALARS, at_least(len(points)), run=run, tag=tag)
        for write, tag, last in DISPUTED:
            server.wait_for(SCALARS, ends_with(last), run=write.__name__, tag=tag)
        yield server


def numbers_of(server: TensorBoardServer, run: str, tag: str) -> list[tuple[int, float]]:
    """(step, value) of each point that is shown."""
    return [(step, value) for _, step, value in server.json(SCALARS, run=run, tag=tag)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_scalars_page_shows_our_points(
    server: TensorBoardServer, shown: dict[str, Shown], case: Callable[[Path], Shown]
) -> None:
    for run, tags in shown[case.__name__].items():
        for tag, points in tags.items():
            assert server.json(SCALARS, run=run, tag=tag) == points


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_time_series_page_shows_our_points(
    server: TensorBoardServer, shown: dict[str, Shown], case: Callable[[Path], Shown]
) -> None:
    for run, tags in shown[case.__name__].items():
        requests = [{"plugin": "scalars", "tag": tag, "run": run} for tag in tags]
        answers = server.post(TIME_SERIES, requests=json.dumps(requests))
        found = {
            answer["tag"]: [
                [point["wallTime"], point["step"], point["value"]]
                for point in answer["runToSeries"][run]
            ]
            for answer in answers
        }
        assert found == tags


def test_lists_our_runs_and_tags_and_no_others(
    server: TensorBoardServer, shown: dict[str, Shown]
) -> None:
    wanted = {run: set(tags) for case in shown.values() for run, tags in case.items()}
    wanted |= {"resumed_once": {"a", "b"}, "resumed_twice": {"a", "b"}}
    wanted |= {"steps_go_back": {"back", "no step"}}
    assert {run: set(tags) for run, tags in server.json(TAGS).items()} == wanted
    assert sorted(server.json("/data/runs")) == sorted(wanted)


def test_shows_names_and_descriptions(server: TensorBoardServer) -> None:
    tags = server.json(TAGS)["descriptions"]
    # The Python backend fills in the tag where the old encoding has no name; the page does it too.
    plain = "plain old" if server.backend == "python" else ""
    assert tags == {
        "old": {"displayName": "Old", "description": "<p><em>old</em></p>"},
        "new": {"displayName": "New", "description": "<h1>new</h1>"},
        "tensorboardX": {"displayName": "X's Name", "description": "<p><code>X</code></p>"},
        "plain old": {"displayName": plain, "description": ""},
        "plain new": {"displayName": "", "description": ""},
    }


def test_purge_step_of_the_first_resume(server: TensorBoardServer) -> None:
    """The Python backend does what the log asks for, since the fresh run began with a START.

    The data server knows no session logs; a step that goes back replaces what it passed, in its own
    tag only.
    """
    before = [(step, 1) for step in range(10)]
    goes_on = [(5, 2), (6, 2)]
    assert numbers_of(server, "resumed_once", "a") == before[:5] + goes_on
    before = before[:5] if server.backend == "python" else before
    assert numbers_of(server, "resumed_once", "b") == before


def test_purge_step_of_the_second_resume_is_heeded_by_the_python_backend_only(
    server: TensorBoardServer,
) -> None:
    assert numbers_of(server, "resumed_twice", "a") == [(0, 1), (1, 1), (2, 1), (3, 3)]
    last = 3 if server.backend == "python" else 10
    assert numbers_of(server, "resumed_twice", "b") == [(step, 1) for step in range(last)]


def test_the_data_server_keeps_increasing_steps_only(server: TensorBoardServer) -> None:
    if server.backend == "python":
        back, no_step = [(0, 0), (10, 10), (5, 5), (11, 11)], [(0, 0), (0, 1), (0, 2)]
    else:
        back, no_step = [(0, 0), (5, 5), (11, 11)], [(0, 2)]
    assert numbers_of(server, "steps_go_back", "back") == back
    assert numbers_of(server, "steps_go_back", "no step") == no_step


@pytest.mark.parametrize("backend", BACKENDS)
def test_shows_points_while_they_are_logged(backend: Any, tmp_path: Path) -> None:
    """No flush, no close: each point is there by itself, soon."""
    with TensorBoardServer(tmp_path, backend) as server:
        writer = SummaryWriter(tmp_path / "live")
        for step in range(3):
            before = time.time()
            writer.add_scalar("loss", 0.5 * step, step)
            after = time.time()
            points = server.wait_for(
                SCALARS, at_least(step + 1), seconds=15, run="live", tag="loss"
            )
            wall_time, *rest = points[-1]
            assert rest == [step, 0.5 * step]
            assert before <= wall_time <= after
        assert len(points) == 3
        writer.close()


def test_the_helper_refuses_the_other_backend(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"not the backend rustboard: .* MultiplexerData"),
        TensorBoardServer(tmp_path, "rustboard", arguments=["--load_fast=false"]),
    ):
        pass


def test_the_helper_tells_why_nothing_comes(tmp_path: Path) -> None:
    with (
        TensorBoardServer(tmp_path, "python") as server,
        pytest.raises(AssertionError, match=r"waited in vain on .*'run': 'x'.*404.*No scalar data"),
    ):
        server.wait_for(SCALARS, bool, seconds=0.1, run="x", tag="y")
    with (
        pytest.raises(AssertionError, match=r"has ended, with code 2\n.*\n(?s:.*)unrecognized"),
        TensorBoardServer(tmp_path, "python", arguments=["--no-such-option"]),
    ):
        pass


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_the_helper_leaves_no_process_behind(tmp_path: Path) -> None:
    with TensorBoardServer(tmp_path, "rustboard") as server:
        group = server.pid
        assert group_exists(group)
    deadline = time.monotonic() + 10
    while group_exists(group):  # init reaps the data server when it likes
        assert time.monotonic() < deadline
        time.sleep(0.01)
