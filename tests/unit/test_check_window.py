"""Which rules two looks can tell, and over which time they are then asked."""

from datetime import timedelta

import pytest

from pgwatch.check.window import fit, lacks_of_count
from pgwatch.promql.parser import parse

WINDOW = timedelta(seconds=10)
SPAN = timedelta(seconds=10.5)


@pytest.mark.parametrize(
    ("text", "fitted", "note", "partial"),
    [
        pytest.param("m > 1", "m > 1", "", False, id="asks for no history"),
        pytest.param(
            "rate(m[5m]) > 1", "rate(m[10s501ms]) > 1", "10s instead of 5m", False, id="rate"
        ),
        pytest.param(
            "rate(m[5s]) > 1", "rate(m[10s501ms]) > 1", "10s instead of 5s", False, id="shorter rate"
        ),
        pytest.param("increase(m[10s]) == 0", "increase(m[10s501ms]) == 0", "", False, id="fits"),
        pytest.param("max_over_time(m[10s])", "max_over_time(m[10s501ms])", "", False, id="any"),
        pytest.param(
            "increase(m[5m]) > 0", "increase(m[10s501ms]) > 0", "10s instead of 5m", True, id="count"
        ),
        pytest.param(
            "3 < sum by (a) (increase(m[5m]))",
            "3 < sum by (a) (increase(m[10s501ms]))",
            "10s instead of 5m",
            True,
            id="count on the right",
        ),
        pytest.param(
            "(rate(m[5m]) / rate(n[1h])) > 1 and on (t) up",
            "(rate(m[10s501ms]) / rate(n[10s501ms])) > 1 and on (t) up",
            "10s instead of 5m, 1h",
            False,
            id="several ranges",
        ),
        pytest.param("m - m offset 10s > 1", "m - m offset 10s > 1", "", False, id="offset"),
        pytest.param("m > 0 or rate(n[1m]) > 1", "m > 0 or rate(n[10s501ms]) > 1", "10s instead of 1m",
            False, id="or"),
    ],
)  # fmt: skip
def test_what_can_be_judged(text: str, fitted: str, note: str, partial: bool) -> None:
    found = fit(parse(text), window=WINDOW, span=SPAN)
    assert (str(found.expr), found.lacks, found.partial) == (str(parse(fitted)), "", partial)
    assert found.note == (f"judged over {note}" if note else "")


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("m offset 5m", "5m"),
        ("max_over_time(m[1h]) == min_over_time(m[1h])", "1h"),
        ("increase(m[5m]) == 0", "5m"),  # nothing in the last 10 s is not nothing in 5 minutes
        ("increase(m[5m]) < 1", "5m"),
        ("m > 0 unless increase(n[5m]) > 0", "5m"),  # what is not found would make a finding
        ("-increase(m[5m]) > -1", "5m"),
        ("count(increase(m[5m])) > 1", "5m"),
        ("quantile_over_time(0.9, m[5m]) > 1", "5m"),
        ("max_over_time(rate(m[5m])[30m:]) > 1", "30m20s"),
        ("rate(m[5m] offset 5m) > 1", "10m"),
    ],
)
def test_what_needs_more_than_the_window(text: str, needs: str) -> None:
    assert fit(parse(text), window=WINDOW).lacks == f"needs {needs} of history, and --window is 10s"


@pytest.mark.parametrize("text", ["m @ 1", "m @ end()", "rate(m[5m] @ 1)"])
def test_what_is_pinned_is_never_judged(text: str) -> None:
    assert fit(parse(text), window=WINDOW).lacks


def test_samples_closer_together_than_the_window() -> None:
    lacks = fit(parse("changes(m[1s]) > 0"), window=WINDOW).lacks
    assert lacks == "asks for less time than there is between the two looks"


def test_count_that_found_nothing_says_what_it_would_need() -> None:
    expr = parse("increase(m[5m]) > 0 or increase(n[1h]) > 0")
    assert lacks_of_count(expr, WINDOW) == "needs 1h of history, and --window is 10s"
