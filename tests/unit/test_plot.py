"""Plots in characters."""

import math

import pytest

from pgwatch.cli.plot import plot, sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([1, None, 3], "▁ █"),
        ([5, 5], "▁▁"),
        ([0, math.nan, math.inf, 1], "▁  █"),  # what has no place is left out
        ([-1e308, 1e308], "▁█"),
        ([0, 9, 0, 1], "█▁"),  # too many for the width: no peak is lost
        ([], ""),
    ],
)
def test_sparkline(values: list[float | None], line: str) -> None:
    width = 2 if values == [0, 9, 0, 1] else 8
    assert sparkline(values, width=width) == line


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ([0, 1, 2, 3], ["⡠⠊"]),
        ([0, 0, 3, 3], ["⣀⠏"]),
        ([0, None, None, 3], ["⡀⠈"]),
        ([7, 7, 7, 7], ["⣀⣀"]),
    ],
)
def test_plot(values: list[float | None], lines: list[str]) -> None:
    assert plot(values, width=2, height=1) == lines


def test_plot_has_its_height_and_at_most_its_width() -> None:
    lines = plot([math.sin(i / 9) for i in range(500)], width=30, height=5)
    assert len(lines) == 5
    assert max(map(len, lines)) == 30
    assert all(line.strip() for line in lines)
