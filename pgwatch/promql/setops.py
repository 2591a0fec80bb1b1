"""The set operators `and`, `or` and `unless`."""

from dataclasses import replace

import numpy as np

from pgwatch.promql.ast import VectorMatching
from pgwatch.promql.matching import group_numbers, own_numbers
from pgwatch.promql.vector import Columns, Mask, Vector, relabelled
from pgwatch.samples.table import LabelTable


def combined(op: str, lhs: Vector, rhs: Vector, matching: VectorMatching) -> Vector:
    """Return `lhs op rhs`, by the match groups that are there at each step."""
    if op == "and":
        return replace(lhs.where(has_partner(lhs, rhs, matching)), order=None)
    if op == "unless":
        return replace(lhs.where(~has_partner(lhs, rhs, matching)), order=None)
    added = rhs.mask & ~has_partner(rhs, lhs, matching)
    columns = np.flatnonzero(added.any(axis=0))
    if not len(columns):
        return replace(lhs, order=None)
    table = union(lhs.table, rhs.table)
    values = np.concatenate([lhs.values, rhs.values], axis=1)
    present = np.concatenate([lhs.mask, added], axis=1)
    return relabelled(Vector(table, values, present, unnamed=_either(lhs, rhs)), table)


def _either(lhs: Vector, rhs: Vector) -> Columns | None:
    """Return which columns of both sides, one after the other, lose their names at the end."""
    if lhs.unnamed is None and rhs.unnamed is None:
        return None
    sides = ((side.unnamed, len(side.table)) for side in (lhs, rhs))
    return np.concatenate(
        [np.zeros(size, dtype=np.bool_) if due is None else due for due, size in sides]
    )


def has_partner(here: Vector, there: Vector, matching: VectorMatching) -> Mask:
    """Return where the match group of an element of `here` has an element in `there` at that step."""
    groups = group_numbers(there.table, here.table, matching)
    steps = len(here.values)
    count = len(own_numbers(there.table, matching))
    found = np.zeros((steps, count + 1), dtype=np.bool_)  # the last one is "no such group"
    own = group_numbers(there.table, there.table, matching)
    at, columns = np.nonzero(there.mask)
    found[at, own[columns]] = True
    return found[:, groups]


def union(left: LabelTable, right: LabelTable) -> LabelTable:
    """Return the label sets of both tables, one after the other."""
    return left.remember_with(right, "union", lambda: LabelTable((*left.labels, *right.labels)))
