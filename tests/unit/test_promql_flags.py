"""What Prometheus has behind feature flags: off unless a setting asks for it."""

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from tests.series import series, store_of

GIVEN = (series('m{env="1"}', 1), series('m{env="2"}', 2), series('n{env="2"}', 10))


def _ask(expr: str, *, delayed_names: bool = False) -> dict[str, float]:
    result = Engine(store_of(GIVEN), delayed_names=delayed_names).instant(expr, 0)
    return {repr(labels): value for labels, value in result.vector}


def _ask_filled(expr: str) -> dict[str, float]:
    result = Engine(store_of(GIVEN)).instant(parse(expr, fill=True), 0)
    return {repr(labels): value for labels, value in result.vector}


def test_names_go_at_once_by_default() -> None:
    assert _ask("sum by (__name__) (-m)") == {"{}": -3}


def test_names_go_last_when_asked() -> None:
    moved = 'label_replace(-n, "was", "$1", "__name__", "(.*)")'
    assert _ask(moved, delayed_names=True) == {'{env="2", was="n"}': -10}
    assert _ask(moved) == {'{env="2"}': -10}


def test_results_that_are_equal_without_their_names_are_refused_at_the_end() -> None:
    expr = '-{env="2"}'
    with pytest.raises(PromqlError, match="same labelset"):
        _ask(expr, delayed_names=True)
    assert _ask(f"count({expr})", delayed_names=True) == {"{}": 2}


def test_fill_is_refused_by_default() -> None:
    with pytest.raises(PromqlError, match=r"fill\(\) is experimental"):
        parse("m + fill(0) n")


def test_fill_gives_a_side_what_it_lacks() -> None:
    assert _ask_filled("m + fill_right(0) n") == {'{env="1"}': 1, '{env="2"}': 12}
    assert _ask_filled("n - fill_left(5) m") == {'{env="1"}': 4, '{env="2"}': 8}
    assert _ask_filled("n - fill_right(5) m") == {'{env="2"}': 8}


@pytest.mark.parametrize(
    "text",
    ["a + fill_left (-1.5) b", "a / on (x) group_left (y) fill_left (0) fill_right (+Inf) b"],
)
def test_fill_is_printed_as_it_is_read(text: str) -> None:
    assert str(parse(text, fill=True)) == text


def test_a_metric_may_be_called_fill() -> None:
    assert str(parse("fill + fill_left", fill=True)) == "fill + fill_left"


@pytest.mark.parametrize(
    "text", ["a + fill() b", "a + fill(b) c", "a + fill(1, 2) b", "1 + fill(1) 2"]
)
def test_a_fill_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(PromqlError):
        parse(text, fill=True)
