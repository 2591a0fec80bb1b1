"""Who gets which connection, and how long an unreachable database is left alone."""

from dataclasses import dataclass

import pytest

from pgwatch.collect.turns import Absence, assign


@dataclass
class FreeLine:
    database: str
    used: float = 0.0


@pytest.mark.parametrize(
    ("waiting", "free", "served"),
    [
        pytest.param("a", [""], {"a": ""}, id="an unconnected line"),
        pytest.param("ab", ["b", "a"], {"a": "a", "b": "b"}, id="each its own line"),
        pytest.param("ab", ["b", ""], {"a": "", "b": "b"}, id="nobody takes a line that is wanted"),
        pytest.param("a", ["b", ""], {"a": ""}, id="an unconnected one before another's"),
        pytest.param("c", ["a", "b"], {"c": "a"}, id="the one used longest ago"),
        pytest.param("dabc", ["a", "b", "c"], {"a": "a", "b": "b", "c": "c"}, id="no reconnecting in turn"),
        pytest.param("abc", [], {}, id="no line is free"),
    ],
)  # fmt: skip
def test_lines_are_assigned(waiting: str, free: list[str], served: dict[str, str]) -> None:
    lines = [FreeLine(database, used=float(number)) for number, database in enumerate(free)]
    assert {name: line.database for name, line in assign(waiting, lines)} == served


def test_the_delay_doubles_up_to_a_minute() -> None:
    absence, delays = None, []
    for _ in range(9):
        absence = Absence.after(absence, "refused", now=100.0, luck=0.0)
        delays.append(absence.until - 100)
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_luck_takes_up_to_half_of_the_delay() -> None:
    assert Absence.after(None, "refused", now=0.0, luck=0.999).until == pytest.approx(0.5, abs=0.01)
