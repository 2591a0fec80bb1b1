"""The modifiers `fill`, `fill_left` and `fill_right`: a value for what a side of an operation lacks.

Source: Prometheus 3 `promql/engine.go` (VectorBinop). With `group_right` it swaps the sides but not these
values, so `fill_left` then fills the "many" side, which stands on the right; its test scripts pin that down.
"""

import numpy as np

from pgwatch.promql.ast import Card, VectorMatching
from pgwatch.promql.matching import group_numbers, own_numbers
from pgwatch.promql.setops import has_partner, union
from pgwatch.promql.vector import Vector, relabelled
from pgwatch.samples.table import LabelTable


def filled(lhs: Vector, rhs: Vector, matching: VectorMatching) -> tuple[Vector, Vector]:
    """Return both sides with the elements that the other one has match groups for."""
    left, right = matching.fill
    if matching.card is Card.ONE_TO_MANY:
        left, right = right, left
    return (
        lhs if left is None else _filled(lhs, rhs, matching, left),
        rhs if right is None else _filled(rhs, lhs, matching, right),
    )


def _filled(side: Vector, other: Vector, matching: VectorMatching, value: float) -> Vector:
    groups = own_numbers(other.table, matching)
    present = np.zeros((len(other.values), len(groups)), dtype=np.bool_)
    steps, columns = np.nonzero(other.mask)
    present[steps, group_numbers(other.table, other.table, matching)[columns]] = True
    added = Vector(LabelTable(groups), np.full(present.shape, value), present)
    added = added.where(~has_partner(added, side, matching))
    table = union(side.table, added.table)
    values = np.concatenate([side.values, added.values], axis=1)
    return relabelled(Vector(table, values, np.concatenate([side.mask, added.mask], axis=1)), table)
