"""Functions of a range vector: one result per series from its samples in a window.

Source of the formulas: Prometheus 3 `promql/functions.go`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgwatch.promql.compensated import (
    Floats,
    column_means,
    column_sums,
    sum_parts,
    variances,
)
from pgwatch.promql.window import Ends, Window
from pgwatch.samples.block import Times

EXTRAPOLATION_THRESHOLD = 1.1  # of the average spacing: beyond it a series is taken to begin or end

Kernel = Callable[[Window, float], Floats]
# of a window with at least `least` samples and the function's scalar parameter (NaN if it has none)


@dataclass(frozen=True, slots=True)
class RangeFunction:
    """How to compute a function of a range vector."""

    kernel: Kernel
    least: int = 1  # samples below which a series has no result
    keeps_name: bool = False
    scalar: int | None = None  # which argument is the parameter
    vector: int = 0  # which argument is the range vector
    ends: Ends = Ends.NEVER  # where the first and the last sample are enough


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> Floats:
    """Return the change over the window, extrapolated to its edges as `extrapolatedRate` does."""
    values, first, last = window.values, window.clocks[0], window.clocks[-1]
    change = values[-1] - values[0]
    if counter and len(values) == len(window):  # else it is known to rise
        before = values[:-1]
        drops = values[1:] < before
        if drops.any():
            change = change + np.where(drops, before, 0.0).sum(axis=0)
    span = (last - first) / 1000.0
    spacing = span / (len(window) - 1)
    to_start = (first - window.start_ms) / 1000.0
    to_end = (window.end_ms - last) / 1000.0
    threshold = spacing * EXTRAPOLATION_THRESHOLD
    to_start = np.where(to_start >= threshold, spacing / 2, to_start)
    to_end = np.where(to_end >= threshold, spacing / 2, to_end)
    # Up to here one number for each source; from here on for each series, if it matters which.
    if counter and (values[0] < change * window.of_series(to_start / span)).any():
        # A counter was never negative: extrapolate no further back than to where it was zero.
        span, to_start, to_end = map(window.of_series, (span, to_start, to_end))
        growing = (change > 0) & (values[0] >= 0)
        to_zero = span * (values[0] / np.where(growing, change, 1.0))
        to_start = np.where(growing & (to_zero < to_start), to_zero, to_start)
        factor = (span + to_start + to_end) / span
    else:
        factor = (span + to_start + to_end) / span
    if per_second:
        factor = factor / ((window.end_ms - window.start_ms) / 1000.0)
    result: Floats = change * (window.of_series(factor) if len(factor) < len(change) else factor)
    return result


def _rate(window: Window, _: float) -> Floats:
    return _extrapolated(window, counter=True, per_second=True)


def _increase(window: Window, _: float) -> Floats:
    return _extrapolated(window, counter=True, per_second=False)


def _delta(window: Window, _: float) -> Floats:
    return _extrapolated(window, counter=False, per_second=False)


def _irate(window: Window, _: float) -> Floats:
    before, last = window.values[-2], window.values[-1]
    seconds = (window.time(-1) - window.time(-2)) / 1000.0
    result: Floats = np.where(last < before, last, last - before) / seconds
    return result


def _idelta(window: Window, _: float) -> Floats:
    result: Floats = window.values[-1] - window.values[-2]
    return result


def _changes(window: Window, _: float) -> Floats:
    before, after = window.values[:-1], window.values[1:]
    changed = (after != before) & ~(np.isnan(after) & np.isnan(before))
    result: Floats = np.add.reduce(changed, axis=0, dtype=np.float64)
    return result


def _resets(window: Window, _: float) -> Floats:
    drops = window.values[1:] < window.values[:-1]
    result: Floats = np.add.reduce(drops, axis=0, dtype=np.float64)
    return result


def _regression(window: Window, intercept_ms: Times | int) -> tuple[Floats, Floats]:
    """Return slope per second and value at `intercept_ms` of the least-squares line."""
    values = window.values
    x: Floats = (window.times - intercept_ms) / 1000.0
    n = float(len(window))
    sum_x, sum_y, sum_xy, sum_xx = (
        np.add(*sum_parts(each)) for each in (x, values, x * values, x * x)
    )
    covariance = sum_xy - sum_x * sum_y / n
    variance = sum_xx - sum_x * sum_x / n
    slope = covariance / variance
    intercept = sum_y / n - slope * sum_x / n
    constant = (values == values[0]).all(axis=0)
    infinite = np.isinf(values[0])
    slope = np.where(constant, np.where(infinite, np.nan, 0.0), slope)
    intercept = np.where(constant, np.where(infinite, np.nan, values[0]), intercept)
    return slope, intercept


def _deriv(window: Window, _: float) -> Floats:
    # Around the first sample's time: large Unix times would cost digits.
    return _regression(window, window.time(0))[0]


def _predict_linear(window: Window, seconds: float) -> Floats:
    slope, intercept = _regression(window, window.now_ms)
    result: Floats = slope * seconds + intercept
    return result


def quantiles(values: Floats, q: float) -> Floats:
    """Return the quantile of each column, interpolated; NaN counts as the smallest value."""
    count = len(values)
    if np.isnan(q) or count == 0:
        return np.full(values.shape[1], np.nan)
    if not 0 <= q <= 1:
        return np.full(values.shape[1], -np.inf if q < 0 else np.inf)
    ordered = np.sort(values, axis=0)  # NaN last
    unknown = np.isnan(values).sum(axis=0)
    rank = q * (count - 1)
    lower = int(max(0, np.floor(rank)))
    upper = min(count - 1, lower + 1)
    weight = rank - np.floor(rank)
    columns = np.arange(values.shape[1])
    # NaN is first: a place among them counts from the end, where they are.
    below, above = (ordered[place - unknown, columns] for place in (lower, upper))
    result: Floats = below * (1 - weight) + above * weight
    return result


def _min(window: Window, _: float) -> Floats:
    result: Floats = np.fmin.reduce(window.values, axis=0)
    return result


def _max(window: Window, _: float) -> Floats:
    result: Floats = np.fmax.reduce(window.values, axis=0)
    return result


RANGE_FUNCTIONS: dict[str, RangeFunction] = {
    "rate": RangeFunction(_rate, least=2, ends=Ends.RISING),
    "increase": RangeFunction(_increase, least=2, ends=Ends.RISING),
    "delta": RangeFunction(_delta, least=2, ends=Ends.ALWAYS),
    "irate": RangeFunction(_irate, least=2),
    "idelta": RangeFunction(_idelta, least=2),
    "changes": RangeFunction(_changes),
    "resets": RangeFunction(_resets),
    "deriv": RangeFunction(_deriv, least=2),
    "predict_linear": RangeFunction(_predict_linear, least=2, scalar=1),
    "avg_over_time": RangeFunction(lambda window, _: column_means(window.values)),
    "sum_over_time": RangeFunction(lambda window, _: column_sums(window.values)),
    "min_over_time": RangeFunction(_min),
    "max_over_time": RangeFunction(_max),
    "count_over_time": RangeFunction(
        lambda window, _: np.full(window.values.shape[1], float(len(window)))
    ),
    "present_over_time": RangeFunction(lambda window, _: np.ones(window.values.shape[1])),
    "last_over_time": RangeFunction(lambda window, _: window.values[-1], keeps_name=True),
    "first_over_time": RangeFunction(lambda window, _: window.values[0], keeps_name=True),
    "stddev_over_time": RangeFunction(lambda window, _: np.sqrt(variances(window.values))),
    "stdvar_over_time": RangeFunction(lambda window, _: variances(window.values)),
    "quantile_over_time": RangeFunction(
        lambda window, q: quantiles(window.values, q), scalar=0, vector=1
    ),
}
