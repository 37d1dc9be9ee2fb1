"""The readers of `tensorboard_readers` give all that TensorBoard has, and differ where it does."""

from __future__ import annotations

import os
from pathlib import Path

from generated_logs import Event, one_file, start, summary, version, write_run
from tensorboard_readers import (
    Point,
    Shown,
    by_event_accumulator,
    by_plugin_accumulator,
    by_rustboard,
)


def steps(shown: Shown, plugin: str, tag: str) -> list[int]:
    return [point.step for point in shown[plugin].get(tag, [])]


def test_nothing_is_sampled_away(tmp_path: Path) -> None:
    """11 000 scalars and 600 of the rest are more than any reader keeps if not told otherwise."""
    events = [summary(step, "a") for step in range(10_400)]
    events += [summary(step, "a", "h", "i") for step in range(10_400, 11_000)]
    events += [summary(step, "t", form="tensor") for step in range(600)]
    write_run(tmp_path, one_file(version(), *events))
    readers: dict[str, Shown] = {
        "event accumulator": by_event_accumulator(tmp_path),
        "plugin accumulator": by_plugin_accumulator(tmp_path)["."],
        "data server": by_rustboard(tmp_path)["."],
    }
    for name, shown in readers.items():
        assert steps(shown, "scalars", "a") == list(range(11_000)), name
        assert steps(shown, "histograms", "h") == list(range(10_400, 11_000)), name
        assert steps(shown, "images", "i") == list(range(10_400, 11_000)), name
        texts = "tensors" if name == "event accumulator" else "text"
        assert steps(shown, texts, "t") == list(range(600)), name


def test_runs_and_points(tmp_path: Path) -> None:
    write_run(tmp_path, one_file(summary(3, "a", wall_time=12.5)))
    write_run(tmp_path / "x" / "y", one_file(summary(-4, "a", "h", wall_time=13.0)))
    scalar = {"a": [Point(3, 12.5, 1.0)]}
    both: dict[str, Shown] = {
        ".": {"scalars": scalar},
        os.path.join("x", "y"): {
            "scalars": {"a": [Point(-4, 13.0, 1.0)]},
            "histograms": {"h": [Point(-4, 13.0, None)]},
        },
    }
    assert by_plugin_accumulator(tmp_path) == both
    assert by_rustboard(tmp_path) == both
    assert by_event_accumulator(tmp_path) == {"scalars": scalar}


def test_old_accumulator_purges_otherwise(tmp_path: Path) -> None:
    """At the first START too, and never tensors; where steps go back, it keeps the latest step."""
    write_run(
        tmp_path / "new",
        one_file(
            *(version(), *(summary(step, "a", "h") for step in range(4))),
            *(*(summary(step, "t", form="tensor") for step in range(4)), start(2)),
        ),
    )
    write_run(tmp_path / "old", one_file(*(summary(step, "a") for step in (0, 1, 2, 0, 1, 1))))
    write_run(
        tmp_path / "other",
        one_file(summary(5, "a"), Event(0, "log_message"), summary(3, "a")),
    )
    new = by_event_accumulator(tmp_path / "new")
    assert steps(new, "scalars", "a") == steps(new, "histograms", "h") == [0, 1]
    assert steps(new, "tensors", "t") == [0, 1, 2, 3]
    assert steps(by_event_accumulator(tmp_path / "old"), "scalars", "a") == [0, 1]
    # Whatever event it is, it has the latest step.
    assert steps(by_event_accumulator(tmp_path / "other"), "scalars", "a") == [5, 3]
    newer = by_plugin_accumulator(tmp_path)
    assert steps(newer["new"], "scalars", "a") == [0, 1, 2, 3]
    assert steps(newer["old"], "scalars", "a") == [0, 1, 1]
    assert steps(newer["other"], "scalars", "a") == [3]
