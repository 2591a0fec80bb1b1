"""Vector matching: which elements of two vectors meet, and the labels of what comes of it.

Source: Prometheus 3 `promql/engine.go` (VectorBinop, resultMetric), whose error texts these are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from pgwatch.promql.ast import Card, VectorMatching
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.vector import Indices, Mask, Vector, both, empty, relabelled
from pgwatch.samples.block import Values
from pgwatch.samples.labels import METRIC_NAME, Labels, quote
from pgwatch.samples.table import METADATA, LabelTable, project

Compute = Callable[[Values, Values], tuple[Values, Mask | None]]
# of the values that meet, left and right as written: the results, and which of them are kept


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns meet, as long as each match group has one element on the "one" side."""

    many: Indices  # columns of the "many" side (the left one of one-to-one) with a partner
    one: Indices  # the column of the "one" side that each of them meets
    table: LabelTable  # the labels of each pair's result
    is_static: bool  # no step can break the rules of matching, whatever is present


def signatures(table: LabelTable, matching: VectorMatching) -> LabelTable:
    """Return the labels by which the series of `table` are matched."""
    if matching.on:
        return table.only(matching.labels)
    return table.without((*matching.labels, METRIC_NAME))


def group_numbers(one: LabelTable, other: LabelTable, matching: VectorMatching) -> Indices:
    """Return for each series of `other` the number of its match group; -1 if `one` has no such group."""

    def make() -> Indices:
        numbers = own_numbers(one, matching)
        return np.array(
            [numbers.get(labels, -1) for labels in signatures(other, matching).labels],
            dtype=np.intp,
        )

    return one.remember_with(other, ("groups", matching.on, matching.labels), make)


def own_numbers(table: LabelTable, matching: VectorMatching) -> dict[Labels, int]:
    """Return the match groups of `table`, numbered in order of appearance."""

    def make() -> dict[Labels, int]:
        numbers: dict[Labels, int] = {}
        for labels in signatures(table, matching).labels:
            numbers.setdefault(labels, len(numbers))
        return numbers

    return table.remember(("numbers", matching.on, matching.labels), make)


def joined(
    lhs: Vector,
    rhs: Vector,
    matching: VectorMatching,
    compute: Compute,
    check_time: Callable[[], None],
    *,
    keeps_name: bool,
) -> Vector:
    """Return `compute` of all that match; raises PromqlError where matching is ambiguous."""
    swapped = matching.card is Card.ONE_TO_MANY
    many, one = (rhs, lhs) if swapped else (lhs, rhs)
    if not len(many.table) or not len(one.table):
        return empty(len(lhs.values))

    if len(own_numbers(one.table, matching)) < len(one.table):
        one = _of_what_is_there(one, matching)

    keeps_for_now = keeps_name or many.unnamed is not None

    def make() -> Plan:
        return _plan(many.table, one.table, matching, keeps_name=keeps_for_now)

    plan = many.table.remember_with(one.table, (matching, keeps_for_now), make)
    if not plan.is_static:
        _check_meetings(many, one, matching, plan, check_time)
    of_many, of_one = _columns(many.values, plan.many), _columns(one.values, plan.one)
    values, kept = compute(of_one, of_many) if swapped else compute(of_many, of_one)
    present = both(
        None if many.present is None else many.present[:, plan.many],
        None if one.present is None else one.present[:, plan.one],
    )
    unnamed = None if many.unnamed is None else many.unnamed[plan.many] | (not keeps_name)
    return relabelled(Vector(plan.table, values, both(present, kept), unnamed=unnamed), plan.table)


def _columns(values: Values, columns: Indices) -> Values:
    if len(columns) == values.shape[1] and (columns == np.arange(len(columns))).all():
        return values
    return values[:, columns]


def _plan(many: LabelTable, one: LabelTable, matching: VectorMatching, *, keeps_name: bool) -> Plan:
    """Pair every column with every column of its match group; static if each has exactly one."""
    numbers = own_numbers(one, matching)
    of_one = group_numbers(one, one, matching)
    of_many = group_numbers(one, many, matching)
    members: list[list[int]] = [[] for _ in numbers]
    for column, number in enumerate(of_one.tolist()):
        members[number].append(column)
    pairs = [
        (column, partner)
        for column, number in enumerate(of_many.tolist())
        if number >= 0
        for partner in members[number]
    ]
    left = np.array([pair[0] for pair in pairs], dtype=np.intp)
    right = np.array([pair[1] for pair in pairs], dtype=np.intp)
    table = _results(many, one, pairs, matching, keeps_name=keeps_name)
    is_static = len(numbers) == len(one) and table.is_unique()
    return Plan(left, right, table, is_static)


def _results(
    many: LabelTable,
    one: LabelTable,
    pairs: Iterable[tuple[int, int]],
    matching: VectorMatching,
    *,
    keeps_name: bool,
) -> LabelTable:
    dropped = set() if keeps_name else set(METADATA)
    if matching.card is not Card.ONE_TO_ONE:
        base = project(many.labels, lambda name: name not in dropped)
    elif matching.on:
        kept = set(matching.labels) - dropped
        base = project(many.labels, lambda name: name in kept)
    else:
        dropped.update(matching.labels)
        base = project(many.labels, lambda name: name not in dropped)
    if not matching.include:
        return LabelTable(base[column] for column, _ in pairs)
    return LabelTable(
        base[column].merged({name: one.labels[partner].label(name) for name in matching.include})
        for column, partner in pairs
    )


def _of_what_is_there(one: Vector, matching: VectorMatching) -> Vector:
    """Return the columns with an element at some step; raises PromqlError if two meet in a match group.

    `x > on() group_left () topk(1, y)` has one such column of many: pairing all would be a product.
    """
    columns = np.flatnonzero(one.mask.any(axis=0))
    table = LabelTable(one.table.labels[column] for column in columns.tolist())
    numbers = own_numbers(table, matching)
    groups = group_numbers(table, table, matching)
    present = one.mask[:, columns]
    for here in present:
        counts = np.bincount(groups[here], minlength=len(numbers))
        if (counts > 1).any():
            group = int(np.argmax(counts > 1))
            pair = np.flatnonzero(here & (groups == group))[:2].tolist()
            labels = next(labels for labels, number in numbers.items() if number == group)
            _refuse_many_to_many([table.labels[column] for column in pair], matching, labels)
    return Vector(table, one.values[:, columns], present)


def _check_meetings(
    many: Vector,
    one: Vector,
    matching: VectorMatching,
    plan: Plan,
    check_time: Callable[[], None],
) -> None:
    """Check at each step that what is present there meets unambiguously; raises PromqlError."""
    of_many = group_numbers(one.table, many.table, matching)
    for here, partners in zip(many.mask, one.mask, strict=True):
        check_time()
        pairs = np.flatnonzero(here[plan.many] & partners[plan.one])
        groups = of_many[plan.many[pairs]]
        if matching.card is Card.ONE_TO_ONE:
            _check_one_to_one(groups)
        else:
            _check_grouping(plan, pairs, groups)


def _refuse_many_to_many(
    pair: Iterable[Labels], matching: VectorMatching, match_group: Labels
) -> NoReturn:
    side = "left" if matching.card is Card.ONE_TO_MANY else "right"
    first, second = sorted(pair)
    raise PromqlError(
        f"found duplicate series for the match group {_braced(match_group)} on the {side} hand-side of the "
        f"operation: [{_braced(first)}, {_braced(second)}];many-to-many matching not allowed: matching labels"
        " must be unique on one side"
    )


def _check_one_to_one(groups: Indices) -> None:
    if len(np.unique(groups)) < len(groups):
        raise PromqlError(
            "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        )


def _check_grouping(plan: Plan, pairs: Indices, groups: Indices) -> None:
    """Refuse equal results within one match group (equal results of two groups are found later)."""
    found = {
        (plan.table.labels[pair], group)
        for pair, group in zip(pairs.tolist(), groups.tolist(), strict=True)
    }
    if len(found) < len(pairs):
        raise PromqlError("multiple matches for labels: grouping labels must ensure unique matches")


def _braced(labels: Labels) -> str:
    """Return a label set with the name among the others, as Go's `Labels.String` does."""
    return "{" + ", ".join(f"{name}={quote(value)}" for name, value in labels.items()) + "}"
