"""Aggregations over the series of an instant vector.

Source of the semantics: Prometheus 3 `promql/engine.go` (aggregation, aggregationK, aggregationCountValues).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pgwatch.promql.ast import AggregateExpr
from pgwatch.promql.compensated import Floats, mean, sum_parts, total
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.format import plain_number
from pgwatch.promql.ranges import quantiles
from pgwatch.promql.vector import Indices, Scalar, Vector, any_of
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.table import LabelTable

_MOST_HOLES = 4  # times as many places as elements: then adding up group by group is faster


@dataclass(frozen=True, slots=True)
class Groups:
    """Which series are aggregated together."""

    table: LabelTable  # the labels of the groups
    of: Indices  # the group of each series
    order: Indices  # the series, those of a group together
    counts: Indices  # how many series each group has
    starts: Indices  # where each group begins in `order`
    every: Indices  # the numbers of all groups
    grid: Indices | None
    # [place in the group, group] of the elements in `order`, one behind them where a group has none;
    # None where groups differ so much in size that it would be mostly holes


@dataclass(frozen=True, slots=True)
class Step:
    """The elements of one step, sorted by group."""

    values: Floats
    columns: Indices  # the series each value belongs to
    groups: Indices  # the groups that have elements
    starts: Indices  # where each of those begins in `values`
    counts: Indices  # how many elements it has
    grid: Indices | None = None  # as in `Groups`, if all elements are there

    def segments(self) -> Iterator[tuple[int, int, int]]:
        """Yield each group's number, and its first and last place in `values`."""
        ends = (self.starts + self.counts).tolist()
        yield from zip(self.groups.tolist(), self.starts.tolist(), ends, strict=True)


Reduction = Callable[[Step, float], Floats]  # of a step and the parameter: one value for each group


def aggregated(
    expr: AggregateExpr,
    vector: Vector,
    parameter: Scalar | str | None,
    check_time: Callable[[], None],
) -> Vector:
    """Return the value of `expr` from the values of its operand and of its parameter.

    `check_time` is called at each step, and ends the evaluation by raising.
    """
    if expr.op == "count_values":
        assert isinstance(parameter, str)
        return _count_values(expr, vector, parameter, check_time)
    assert not isinstance(parameter, str)
    ranks = expr.op in ("topk", "bottomk")
    groups = grouped(vector.table, expr.grouping, without=expr.without, in_order=ranks)
    if ranks:
        assert parameter is not None
        largest = expr.op == "topk"
        return _extremes(vector, groups, parameter, check_time, largest=largest)
    reduce = REDUCTIONS[expr.op]
    shape = (len(vector.values), len(groups.table))
    if vector.present is None and len(vector.table):
        present, values = None, np.full(shape, np.nan)
    else:
        present, values = np.zeros(shape, dtype=np.bool_), np.full(shape, np.nan)
    for number in range(len(values)):
        check_time()
        step = _step(vector, groups, number)
        if len(step.values):
            argument = math.nan if parameter is None else float(parameter[number])
            if present is None:
                values[number] = reduce(step, argument)
            else:
                values[number, step.groups] = reduce(step, argument)
                present[number, step.groups] = True
    unnamed = any_of(vector.unnamed, groups.of, len(groups.table))
    there = None if present is None or present.all() else present
    return Vector(groups.table, values, there, unnamed=unnamed)


def grouped(table: LabelTable, names: tuple[str, ...], *, without: bool, in_order: bool) -> Groups:
    """Return the groups `by (names)` or `without (names)`, remembered on `table`.

    `in_order` puts the series of a group into label order, which decides between equals.
    """

    def make() -> Groups:
        keys = table.without((*names, METRIC_NAME)) if without else table.only(names)
        numbers: dict[Labels, int] = {}
        if len(table) and not keys.names():  # all of them, whatever they are
            numbers, of = {Labels(): 0}, np.zeros(len(table), dtype=np.intp)
        else:
            each = [numbers.setdefault(key, len(numbers)) for key in keys.labels]
            of = np.array(each, dtype=np.intp)
        if in_order:
            columns = np.array(table.order(), dtype=np.intp)
            order = columns[np.argsort(of[columns], kind="stable")]
        else:
            order = np.argsort(of, kind="stable")
        counts = np.bincount(of, minlength=len(numbers))
        starts = np.cumsum(counts) - counts
        return Groups(
            LabelTable(numbers),
            of,
            order,
            counts,
            starts,
            np.arange(len(numbers)),
            _grid(starts, counts),
        )

    return table.remember(("groups", names, without, in_order), make)


def _grid(starts: Indices, counts: Indices) -> Indices | None:
    size, total = int(counts.max(initial=0)), int(counts.sum())
    if size * len(counts) > _MOST_HOLES * total:
        return None
    places = np.arange(size)[:, None]
    return np.where(places < counts, starts + places, total)


def _step(vector: Vector, groups: Groups, number: int) -> Step:
    columns = groups.order
    if vector.present is None:
        values = vector.values[number, columns]
        return Step(values, columns, groups.every, groups.starts, groups.counts, groups.grid)
    columns = columns[vector.present[number, columns]]
    counts = np.bincount(groups.of[columns], minlength=len(groups.table))
    some = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[some]
    return Step(vector.values[number, columns], columns, some, starts, counts[some])


def _sum(step: Step, _: float) -> Floats:
    if step.grid is not None:
        values = step.values
        if step.grid.size > len(values):
            values = np.append(values, 0.0)
        sums: Floats = np.add(*sum_parts(values[step.grid]))
        if np.isfinite(sums).all():
            return sums
    elements = step.values.tolist()
    return np.array([_exact_sum(elements[first:last]) for _, first, last in step.segments()])


def _exact_sum(values: list[float]) -> float:
    """Return the correctly rounded sum; the compensated one differs only in pathological cases."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # too large on the way, or of opposite infinities
        return total(values)


def _avg(step: Step, _: float) -> Floats:
    values = step.values.tolist()
    sums = _sum(step, math.nan)
    means: Floats = sums / step.counts
    if not np.isfinite(sums).all():
        for place, (_, first, last) in enumerate(step.segments()):
            if not math.isfinite(sums[place]):
                means[place] = mean(values[first:last])
    return means


def _min(step: Step, _: float) -> Floats:
    result: Floats = np.fmin.reduceat(step.values, step.starts)
    return result


def _max(step: Step, _: float) -> Floats:
    result: Floats = np.fmax.reduceat(step.values, step.starts)
    return result


def _count(step: Step, _: float) -> Floats:
    return step.counts.astype(np.float64)


def _group(step: Step, _: float) -> Floats:
    return np.ones(len(step.groups))


def _stdvar(step: Step, _: float) -> Floats:
    values = step.values.tolist()
    return np.array([_variance(values[first:last]) for _, first, last in step.segments()])


def _variance(values: list[float]) -> float:
    """Return the population variance, by Welford's method, which gives 0 for equal values."""
    average = spread = 0.0
    for count, value in enumerate(values, 1):
        delta = value - average
        average += delta / count
        spread += delta * (value - average)
    return spread / len(values)


def _stddev(step: Step, _: float) -> Floats:
    return np.sqrt(_stdvar(step, math.nan))


def _quantile(step: Step, q: float) -> Floats:
    return np.array(
        [quantiles(step.values[first:last, None], q)[0] for _, first, last in step.segments()]
    )


REDUCTIONS: dict[str, Reduction] = {
    "sum": _sum,
    "avg": _avg,
    "min": _min,
    "max": _max,
    "count": _count,
    "group": _group,
    "stdvar": _stdvar,
    "stddev": _stddev,
    "quantile": _quantile,
}


def _extremes(
    vector: Vector,
    groups: Groups,
    counts: Scalar,
    check_time: Callable[[], None],
    *,
    largest: bool,
) -> Vector:
    """Return the k largest or smallest elements of each group; NaN counts as neither."""
    present = np.zeros(vector.values.shape, dtype=np.bool_)
    order: list[int] = []
    for number, wanted in enumerate(counts.tolist()):
        check_time()
        if math.isnan(wanted):
            raise PromqlError("Parameter value is NaN")
        if abs(wanted) >= 2**63:
            raise PromqlError(f"Scalar value {plain_number(wanted)} overflows int64")
        k = int(wanted)
        step = _step(vector, groups, number)
        if k < 1:
            continue
        for _, first, last in step.segments():
            values = step.values[first:last]
            # Stable, so equal values stay in label order; argsort puts NaN last.
            ranked = np.argsort(-values if largest else values, kind="stable")[:k]
            chosen = step.columns[first:last][ranked]
            present[number, chosen] = True
            if len(counts) == 1:
                order.extend(chosen.tolist())
    return replace(vector, present=present, order=tuple(order) if len(counts) == 1 else None)


def _count_values(
    expr: AggregateExpr, vector: Vector, label: str, check_time: Callable[[], None]
) -> Vector:
    """Return how many elements of each group have each value, which becomes the label `label`."""
    if not label:
        raise PromqlError('invalid label name ""')
    found: list[dict[Labels, int]] = []
    keys = [_count_key(expr, labels, label) for labels in vector.table.labels]
    for values, mask in zip(vector.values, vector.mask, strict=True):
        check_time()
        counts: dict[Labels, int] = {}
        for column in np.flatnonzero(mask).tolist():
            labels = keys[column](plain_number(values[column]))
            counts[labels] = counts.get(labels, 0) + 1
        found.append(counts)
    table = LabelTable(sorted({labels for counts in found for labels in counts}))
    columns = {labels: column for column, labels in enumerate(table.labels)}
    result = np.full((len(found), len(table)), np.nan)
    for number, counts in enumerate(found):
        for labels, count in counts.items():
            result[number, columns[labels]] = count
    return Vector(table, result, ~np.isnan(result))


def _count_key(expr: AggregateExpr, labels: Labels, label: str) -> Callable[[str], Labels]:
    """Return what makes the result's labels from a value: the label is set first, then grouped."""
    if expr.without:
        dropped = {*expr.grouping, METRIC_NAME}
        base = labels.without(dropped)
        return lambda value: base if label in dropped else base.merged({label: value})
    base = labels.only(expr.grouping)
    return lambda value: base.merged({label: value})
