"""`histogram_quantile` and `histogram_fraction` over classic histograms (`_bucket` series with `le`).

Source: Prometheus 3 `promql/quantile.go` (BucketQuantile, BucketFraction).
"""

import math
import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pgwatch.promql.functions import Arguments, check_quantile
from pgwatch.promql.vector import Value, Vector, without_name
from pgwatch.samples.labels import Labels
from pgwatch.samples.table import LabelTable

TOLERANCE = 1e-12  # relative difference below which two counts are the same
_BOUND = "le"
_MIN_NORMAL = 2.0**-1022
_NUMBER = re.compile(
    r"[+-]?(?:inf(?:inity)?|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)",
    re.ASCII | re.IGNORECASE,
)

Buckets = tuple[
    list[float], list[float]
]  # rising upper bounds, and the cumulative counts below them


@dataclass(frozen=True, slots=True)
class Histograms:
    """How the series of a table make histograms."""

    table: LabelTable  # labels without `le`
    members: tuple[tuple[tuple[float, int], ...], ...]
    # of each histogram: upper bound and column of its buckets, by rising bound
    bad: tuple[Labels, ...]  # series whose `le` is no number


def histogram_quantile(arguments: Arguments) -> Value:
    """Return the estimated quantile of each histogram."""
    quantiles = arguments.scalar(0)
    check_quantile(quantiles, lambda text: arguments.warn(text, 0))

    def compute(buckets: Buckets, step: int) -> float:
        bounds, counts, forced = monotonic(*buckets)
        if forced:
            arguments.warn(
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity", 1
            )
        return quantile(float(quantiles[step]), bounds, counts)

    return _of_histograms(arguments, 1, compute)


def histogram_fraction(arguments: Arguments) -> Value:
    """Return the estimated fraction of observations between two values of each histogram."""
    lower, upper = arguments.scalar(0), arguments.scalar(1)

    def compute(buckets: Buckets, step: int) -> float:
        return fraction(float(lower[step]), float(upper[step]), *buckets)

    return _of_histograms(arguments, 2, compute)


def quantile(q: float, bounds: list[float], counts: list[float]) -> float:
    """Return the value below which the fraction `q` of the observations is, interpolated in its bucket."""
    if math.isnan(q) or not 0 <= q <= 1:
        return q if math.isnan(q) else math.copysign(math.inf, q)
    if bounds[-1] != math.inf or len(bounds) < 2 or not counts[-1] or math.isnan(counts[-1]):
        return math.nan
    rank = q * counts[-1]
    place = bisect_left(counts, rank, 0, len(counts) - 1)
    if place == len(counts) - 1:
        return bounds[-2]
    if place == 0 and bounds[0] <= 0:
        return bounds[0]
    start, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    inside = counts[place] - below
    share = (rank - below) / inside if inside else math.nan
    return start + (bounds[place] - start) * share


def fraction(lower: float, upper: float, bounds: list[float], counts: list[float]) -> float:
    """Return the fraction of the observations in (lower, upper], interpolated in their buckets."""
    if bounds[-1] != math.inf or not counts[-1] or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    below_upper, below_lower = (_rank(value, bounds, counts) for value in (upper, lower))
    return (below_upper - below_lower) / counts[-1]


def _rank(value: float, bounds: list[float], counts: list[float]) -> float:
    """Return the estimated number of observations that are at most `value`."""
    place = bisect_left(bounds, value)
    if place < len(bounds) and bounds[place] == value:
        return min(counts[place], counts[-1])
    below = counts[place - 1] if place else 0.0
    start = bounds[place - 1] if place else 0.0
    if bounds[place] == math.inf or (not place and value <= start):
        return below
    share = (value - start) / (bounds[place] - start)
    return min(below + (counts[place] - below) * share, counts[-1])


def monotonic(bounds: list[float], counts: list[float]) -> tuple[list[float], list[float], bool]:
    """Return the buckets with counts that never fall, and whether more than rounding was mended."""
    fixed, forced = counts[:1], False
    for count in counts[1:]:
        before = fixed[-1]
        if count == before or _almost_equal(before, count):
            fixed.append(before)
        elif count < before:
            fixed.append(before)
            forced = True
        else:
            fixed.append(count)
    return bounds, fixed, forced


def _almost_equal(a: float, b: float) -> bool:
    both, difference = abs(a) + abs(b), abs(a - b)
    if a == 0 or b == 0 or both < _MIN_NORMAL:
        return difference < TOLERANCE * _MIN_NORMAL
    return difference / min(both, 1.7976931348623157e308) < TOLERANCE


def _of_histograms(
    arguments: Arguments, place: int, compute: Callable[[Buckets, int], float]
) -> Vector:
    vector = arguments.vector(place)
    histograms = vector.table.remember("histograms", lambda: _histograms(vector.table))
    named = vector.unnamed is not None  # only then does Prometheus know the name here
    for labels in histograms.bad:
        arguments.warn(
            f'PromQL warning: bucket label "{_BOUND}" is missing or has a malformed value of '
            f'"{labels.label(_BOUND)}"' + (f' for metric name "{labels.name}"' if named else ""),
            place,
        )
    values = np.full((len(vector.values), len(histograms.table)), np.nan)
    present = np.zeros(values.shape, dtype=np.bool_)
    for step, (row, mask) in enumerate(zip(vector.values, vector.mask, strict=True)):
        arguments.check_time()
        counts, there = row.tolist(), mask.tolist()
        for number, members in enumerate(histograms.members):
            buckets = _buckets(members, counts, there)
            if buckets[0]:
                values[step, number] = compute(buckets, step)
                present[step, number] = True
    unnamed = None if vector.unnamed is None else np.ones(len(histograms.table), dtype=np.bool_)
    return without_name(Vector(histograms.table, values, present, unnamed=unnamed))


def _buckets(
    members: tuple[tuple[float, int], ...], counts: list[float], there: list[bool]
) -> Buckets:
    """Return the buckets that are there; those with equal bounds (`1` and `1.0`) are added up."""
    bounds: list[float] = []
    sums: list[float] = []
    for bound, column in members:
        if not there[column]:
            continue
        if bounds and bounds[-1] == bound:
            sums[-1] += counts[column]
        else:
            bounds.append(bound)
            sums.append(counts[column])
    return bounds, sums


def _histograms(table: LabelTable) -> Histograms:
    keys = table.without((_BOUND,)).labels
    members: dict[Labels, list[tuple[float, int]]] = {}
    bad: list[Labels] = []
    for column, labels in enumerate(table.labels):
        bound = _go_float(labels.label(_BOUND))
        if bound is None:
            bad.append(labels)
        else:
            members.setdefault(keys[column], []).append((bound, column))
    return Histograms(
        LabelTable(members), tuple(tuple(sorted(each)) for each in members.values()), tuple(bad)
    )


def _go_float(text: str) -> float | None:
    """Return the number that Go's `strconv.ParseFloat` reads, None if it reads none."""
    return float(text) if _NUMBER.fullmatch(text) else None
