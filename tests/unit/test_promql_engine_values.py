"""The numbers that functions and histograms give, where the corpus and random queries do not look."""

import math
from collections.abc import Iterable

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.samples.labels import METRIC_NAME
from tests.series import STALE, Point, TestSeries, ask, same, series, store_of

MINUTE = 60_000
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("expr", "points", "expected"),
    [
        pytest.param("rate(m[4m])", (0, 60, 120, 180), 0.75, id="half a spacing before the first sample"),
        pytest.param("increase(m[4m])", (0, 60, 120, 180), 180.0, id="no further back than zero"),
        pytest.param("increase(m[4m])", (1000, 1060, 1120, 1180), 240.0, id="to the edge if near"),
        pytest.param("increase(m[4m])", (-60, 0, 60, 120), 240.0, id="no zero point for a negative start"),
        pytest.param("delta(m[4m])", (30, 60, 90, 120), 120.0, id="a gauge has no zero point"),
        pytest.param("increase(m[4m])", (1000, 1060, 5, 65), 166.66666666666669, id="a drop is a reset"),
        pytest.param("irate(m[4m])", (1000, 1060, 1120, 30), 0.5, id="irate: a reset counts in full"),
        pytest.param("idelta(m[4m])", (1000, 1060, 1120, 30), -1090.0, id="idelta: a drop is a drop"),
        pytest.param("resets(m[4m])", (1, 0, 1, 0), 2.0, id="resets"),
        pytest.param("changes(m[4m])", (1, NAN, NAN, 1), 2.0, id="NaN to NaN is no change"),
        pytest.param("rate(m[1m])", (1, 2, 3, 4), None, id="rate needs two samples"),
        pytest.param("deriv(m[4m])", (INF, INF, INF, INF), NAN, id="deriv of constant infinity"),
        pytest.param("deriv(m[4m])", (7, 7, 7, 7), 0.0, id="deriv of a constant"),
        pytest.param("deriv(m[4m]) == 0", (1.1, 1.1, 1.1, 1.1), 0.0, id="... without rounding"),
        pytest.param("predict_linear(m[4m], 60) == 1.1", (1.1, 1.1, 1.1, 1.1), 1.1, id="constant for ever"),
        pytest.param("predict_linear(m[4m], 60)", (INF, INF, INF, INF), NAN, id="... of constant infinity"),
        pytest.param("predict_linear(m[4m], 60)", (1, 2, 3, 4), 5.0, id="from the evaluation time"),
        pytest.param("sum_over_time(m[4m])", (1, 1e100, 1, -1e100), 2.0, id="compensated: value larger"),
        pytest.param("sum_over_time(m[4m])", (1e100, 1, -1e100, 1), 2.0, id="compensated: sum larger"),
        pytest.param("avg_over_time(m[4m])", (1, 1e100, 1, -1e100), 0.5, id="compensated mean"),
        pytest.param("avg_over_time(m[4m])", (1.5e308, 1.5e308, 1.5e308, 1.5e308), 1.5e308, id="overflow"),
        pytest.param("sum_over_time(m[4m])", (INF, 1, 2, 3), INF, id="infinite sum"),
        pytest.param("sum_over_time(m[4m])", (INF, -INF, 2, 3), NAN, id="opposite infinities"),
        pytest.param("max_over_time(m[4m])", (NAN, 1, NAN, -1), 1.0, id="max leaves NaN out"),
        pytest.param("min_over_time(m[4m])", (NAN, 1, NAN, -1), -1.0, id="so does min"),
        pytest.param("quantile_over_time(0, m[4m])", (NAN, 1, NAN, -1), NAN, id="lowest is NaN"),
        pytest.param("max_over_time(m[4m])", (NAN, NAN, NAN, NAN), NAN, id="... unless there is no other"),
        pytest.param("quantile_over_time(0.5, m[4m])", (NAN, 1, 2, 3), 1.5, id="NaN sorts first"),
        pytest.param("quantile_over_time(1, m[4m])", (1, 2, INF, 3), NAN, id="interpolating with 0 * Inf"),
        pytest.param("quantile_over_time(-1, m[4m])", (1, 2, 3, 4), -INF, id="below all quantiles"),
        pytest.param("stddev_over_time(m[4m])", (1e9, 1e9 + 1, 1e9, 1e9 + 1), 0.5, id="no cancellation"),
        pytest.param("sum_over_time(m[4m])", (1, STALE, None, 3), 4.0, id="stale is skipped in windows"),
        pytest.param("m % 3", (1, 2, 3, -7), -1.0, id="the dividend's sign"),
        pytest.param("-m ^ 2", (1, 2, 3, 4), -16.0, id="power binds tighter than a sign"),
        pytest.param("m / 0", (1, 2, 3, -4), -INF, id="division by zero"),
        pytest.param("round(m)", (1, 2, 3, -2.5), -2.0, id="halves go up"),
        pytest.param("round(m, 0.1)", (1, 2, 3, 0.35), 0.4, id="round to tenths"),
        pytest.param("sgn(m)", (1, 2, 3, NAN), NAN, id="no sign of NaN"),
        pytest.param("clamp_min(m, NaN)", (1, 2, 3, INF), INF, id="Go's max of Inf and NaN"),
        pytest.param("clamp_max(m, NaN)", (1, 2, 3, -INF), -INF, id="Go's min of -Inf and NaN"),
        pytest.param("clamp_min(m, 1)", (1, 2, 3, NAN), NAN, id="clamp leaves NaN"),
        pytest.param("clamp(m, 2, 2)", (1, 2, 3, 4), 2.0, id="clamp to one value"),
        pytest.param("clamp(m, 2, 1)", (1, 2, 3, 4), None, id="clamp with crossed limits"),
        pytest.param("m == m", (1, 2, 3, NAN), None, id="NaN equals nothing"),
        pytest.param("m != m", (1, 2, 3, NAN), NAN, id="NaN differs from itself"),
        pytest.param("3 < m", (1, 2, 3, 4), 4.0, id="a filter keeps the vector's value"),
        pytest.param("scalar(m) + vector(1)", (1, 2, 3, 4), 5.0, id="scalar and vector"),
        pytest.param("scalar(none) + vector(1)", (1, 2, 3, 4), NAN, id="scalar of nothing"),
        pytest.param("days_in_month(vector(-2205100800))", (1,), 28.0, id="1900 is no leap year"),
        pytest.param("days_in_month(vector(951782400))", (1,), 29.0, id="2000 is"),
        pytest.param("days_in_month(vector(4106332800))", (1,), 28.0, id="2100 is none"),
        pytest.param("day_of_year(vector(1735603200))", (1,), 366.0, id="the last day of a leap year"),
        pytest.param("year(vector(-1))", (1,), 1969.0, id="before 1970"),
        pytest.param("hour(vector(NaN))", (1,), NAN, id="no date"),
        pytest.param("day_of_week(vector(0))", (1,), 4.0, id="1970 began on a Thursday"),
    ],
)  # fmt: skip
def test_value(expr: str, points: Iterable[Point], expected: float | None) -> None:
    # The samples stand at 0 to 3 minutes; the windows end with the last one.
    found = list(ask(expr, 3 * MINUTE, series("m", *points)).values())
    if expected is None:
        assert found == []
    else:
        assert same({"": found[0]}, {"": expected}), found


def test_a_series_that_ends_far_from_the_edge_is_extrapolated_by_half_a_spacing() -> None:
    """The threshold is 1.1 times the average spacing."""
    near, far = series("m", 1000, 1060, 1120, step_ms=60_000), "increase(m[10m])"
    assert ask(far, 2 * MINUTE + 65_000, near)["{}"] == pytest.approx(120 * (120 + 30 + 65) / 120)
    assert ask(far, 2 * MINUTE + 67_000, near)["{}"] == pytest.approx(120 * (120 + 30 + 30) / 120)


def _buckets(*pairs: tuple[str, float]) -> list[TestSeries]:
    return [TestSeries(labels={METRIC_NAME: "h", "le": le}, points=[count]) for le, count in pairs]


@pytest.mark.parametrize(
    ("expr", "buckets", "expected"),
    [
        pytest.param("histogram_quantile(0.5, h)", [("1", 5), ("2", 10), ("+Inf", 10)], 1.0, id="plain"),
        pytest.param("histogram_quantile(0.75, h)", [("1", 5), ("2", 10), ("+Inf", 10)], 1.5, id="between"),
        pytest.param("histogram_quantile(0.5, h)", [("1", 5), ("2", 10)], NAN, id="no +Inf bucket"),
        pytest.param("histogram_quantile(0.5, h)", [("+Inf", 10)], NAN, id="one bucket"),
        pytest.param("histogram_quantile(0.5, h)", [("1", 0), ("+Inf", 0)], NAN, id="no observations"),
        pytest.param("histogram_quantile(0.99, h)", [("1", 5), ("2", 6), ("+Inf", 10)], 2.0, id="last one"),
        pytest.param("histogram_quantile(0.1, h)", [("-1", 5), ("2", 6), ("+Inf", 10)], -1.0, id="negative"),
        pytest.param("histogram_quantile(0.5, h)", [("1", 2), ("1.0", 3), ("2", 10), ("+Inf", 10)], 1.0,
                     id="equal bounds are added"),
        pytest.param("histogram_quantile(0.5, h)", [("1", 5), ("2", 5 - 1e-12), ("+Inf", 10)], 1.0,
                     id="rounding is no fall"),
        pytest.param("histogram_quantile(0.7, h)", [("1", 6), ("2", 5), ("4", 8), ("+Inf", 10)], 3.0,
                     id="a fall is mended"),
        pytest.param("histogram_quantile(-1, h)", [("1", 5), ("+Inf", 10)], -INF, id="below all"),
        pytest.param("histogram_quantile(2, h)", [("1", 5), ("+Inf", 10)], INF, id="above all"),
        pytest.param("histogram_fraction(0, 1.5, h)", [("1", 5), ("2", 10), ("+Inf", 20)], 0.375, id="part"),
        pytest.param("histogram_fraction(1, 1, h)", [("1", 5), ("2", 10), ("+Inf", 20)], 0.0, id="nothing"),
        pytest.param("histogram_fraction(-5, -2, h)", [("-1", 5), ("+Inf", 20)], 0.0, id="below"),
        pytest.param("histogram_fraction(-Inf, +Inf, h)", [("1", 5), ("+Inf", 20)], 1.0, id="of all"),
    ],
)  # fmt: skip
def test_histograms(expr: str, buckets: list[tuple[str, float]], expected: float) -> None:
    assert same(got := ask(expr, 0, *_buckets(*buckets)), {"{}": expected}), got


def test_a_fall_in_a_histogram_is_told_and_rounding_is_not() -> None:
    fall = Engine(store_of(_buckets(("1", 6), ("2", 5), ("+Inf", 10))))
    rounding = Engine(store_of(_buckets(("1", 5), ("2", 5 - 1e-12), ("+Inf", 10))))
    assert "monotonicity" in fall.instant("histogram_quantile(0.5, h)", 0).warnings[0]
    assert rounding.instant("histogram_quantile(0.5, h)", 0).warnings == ()
