"""Sums and means with Neumaier's compensation, as Prometheus computes them since 2.54.

Source: Prometheus `util/kahansum` and `promql/functions.go` (avg_over_time, linearRegression).
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def increment(value: Floats, total: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Return `total` with `value` added, and what rounding lost so far."""
    new = total + value
    lost = np.where(np.abs(total) >= np.abs(value), (total - new) + value, (value - new) + total)
    return new, np.where(np.isinf(new), 0.0, error + lost)


def sum_parts(values: Floats) -> tuple[Floats, Floats]:
    """Return the plain sum of each column, and the correction that rounding calls for.

    `accumulate` and `reduce` add row after row, so the digits are those of the loop they replace.
    """
    partial = np.add.accumulate(values, axis=0)
    before, added, after = partial[:-1], values[1:], partial[1:]
    lost = np.where(
        np.abs(before) >= np.abs(added), (before - after) + added, (added - after) + before
    )
    return partial[-1], np.add.reduce(lost, axis=0)


def column_sums(values: Floats) -> Floats:
    """Return the sum of each column."""
    total, error = sum_parts(values)
    return np.where(np.isfinite(total), total + error, total)


def column_means(values: Floats) -> Floats:
    """Return the mean of each column, also where the sum overflows."""
    count = float(len(values))
    total, error = sum_parts(values)
    means = total / count + error / count
    for column in np.flatnonzero(~np.isfinite(total)):
        means[column] = mean(values[:, column].tolist())
    return means


def total(values: Iterable[float]) -> float:
    """Return the sum; the same as `column_sums` of one column, in a loop that may overflow."""
    result, error = 0.0, 0.0
    for value in values:
        result, error = _increment(value, result, error)
    return result if math.isinf(result) else result + error


def mean(values: list[float]) -> float:
    """Return the mean, by way of a running mean once the sum would overflow."""
    result, error, running = values[0], 0.0, False
    for count, value in enumerate(values[1:], 2):
        if not running:
            new, new_error = _increment(value, result, error)
            if not math.isinf(new):
                result, error = new, new_error
                continue
            running = True
            result, error = result / (count - 1), error / (count - 1)
        share = (count - 1) / count
        result, error = _increment(value / count, share * result, share * error)
    return result + error if running else result / len(values) + error / len(values)


def variances(values: Floats) -> Floats:
    """Return the population variance of each column, by Welford's method."""
    average = average_error = spread = spread_error = np.zeros(values.shape[1])
    for count, row in enumerate(values, 1):
        delta = row - (average + average_error)
        average, average_error = increment(delta / count, average, average_error)
        step = delta * (row - (average + average_error))
        spread, spread_error = increment(step, spread, spread_error)
    result: Floats = (spread + spread_error) / len(values)
    return result


def _increment(value: float, total: float, error: float) -> tuple[float, float]:
    new = total + value
    if math.isinf(new):
        return new, 0.0
    if abs(total) >= abs(value):
        return new, error + ((total - new) + value)
    return new, error + ((value - new) + total)
