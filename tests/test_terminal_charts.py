"""Terminal charts: each dot and each height by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tbio.terminal_charts import Curve, chart, sparkline


def test_heights_are_proportional() -> None:
    assert sparkline(np.array([0, 7, 3.4, 3.6])) == "▁█▄▅"
    assert sparkline(np.array([5.0, 5.0])) == "▄▄"
    assert sparkline(np.array([])) == ""
    assert sparkline(np.array([np.nan, 1, 2, np.inf])) == " ▁█ "
    assert sparkline(np.array([np.nan])) == " "


def test_each_character_is_the_mean_of_its_part() -> None:
    assert sparkline(np.repeat([0.0, 7.0], 500), 2) == "▁█"
    assert sparkline(np.array([0.0, 14, 0, 0]), 2) == "█▁"
    assert len(sparkline(np.arange(1001.0), 24)) == 24


def test_huge_numbers_stay_finite() -> None:
    assert sparkline(np.array([-1e308, 1e308] * 50), 100) == "▁█" * 50
    assert "1e+308" in str(chart([Curve("x", np.arange(2), np.array([-1e308, 1e308]))]))


def dots(text: str) -> list[tuple[int, int]]:
    """Column and line of each dot of a chart, from the upper left corner."""
    bits = {0x01: (0, 0), 0x02: (0, 1), 0x04: (0, 2), 0x40: (0, 3)}
    bits |= {0x08: (1, 0), 0x10: (1, 1), 0x20: (1, 2), 0x80: (1, 3)}
    found = []
    for line, row in enumerate(text.split("\n")[:-2]):
        field = row[next(at for at, mark in enumerate(row) if mark in "┤│") + 1 :]
        for column, mark in enumerate(field):
            code = ord(mark) - 0x2800 if mark != " " else 0
            found += [(2 * column + x, 4 * line + y) for bit, (x, y) in bits.items() if code & bit]
    return sorted(found)


def test_a_straight_line_touches_both_corners() -> None:
    text = str(chart([Curve("x", np.array([0, 1]), np.array([0.0, 1.0]))], 32, 5))
    found = dots(text)
    assert found[0] == (0, 19)
    assert found[-1] == (39, 0)
    assert sorted({x for x, _ in found}) == list(range(40))  # 20 characters, without a gap
    assert [y for _, y in found] == sorted((y for _, y in found), reverse=True)


def test_a_constant_is_in_the_middle() -> None:
    found = dots(str(chart([Curve("x", np.array([0, 5, 9]), np.full(3, 2.5))], 30, 4)))
    assert {y for _, y in found} == {8}


def test_one_point() -> None:
    assert len(dots(str(chart([Curve("x", np.array([3]), np.array([1.0]))], 30, 4)))) == 1


def test_what_is_not_finite_is_left_out() -> None:
    curves = [Curve("x", np.array([0, 1, 2]), np.array([np.nan, np.inf, -np.inf]))]
    assert str(chart(curves)) == "no finite values"
    assert str(chart([])) == "no finite values"


def test_the_axis_tells_the_range() -> None:
    lines = str(chart([Curve("x", np.array([10, 2000]), np.array([-3.0, 0.125]))], 40, 3)).split(
        "\n"
    )
    assert lines[0].split()[0] == "0.125"
    assert lines[2].split()[0] == "-3"
    assert lines[-1].split() == ["10", "2000"]


def test_the_later_curve_is_on_top() -> None:
    same = np.array([0.0, 1.0])
    rows = chart([Curve("a", same, same), Curve("b", same, same)], 30, 4).rows
    assert {owner for row in rows for _, owner in row} == {None, 1}


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 3), (120, 40)])
def test_the_size(width: int, height: int) -> None:
    rows = chart([Curve("x", np.arange(100), np.sin(np.arange(100)))], width, height).rows
    lines = ["".join(text for text, _ in row) for row in rows]
    assert len(lines) == max(height, 2) + 2
    assert max(map(len, lines)) <= max(width, 21)
