"""Binary operators: arithmetic, comparisons, and their values where one side is a scalar."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pgwatch.promql.ast import COMPARISONS, SET_OPERATORS, BinaryExpr, VectorMatching
from pgwatch.promql.fill import filled
from pgwatch.promql.matching import joined
from pgwatch.promql.setops import combined
from pgwatch.promql.vector import Mask, Scalar, Value, Vector, without_name
from pgwatch.samples.block import Values

ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,  # C's: the sign is the dividend's
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARE: dict[str, Callable[[Values, Values], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}


def apply(expr: BinaryExpr, lhs: Value, rhs: Value, check_time: Callable[[], None]) -> Value:
    """Return the value of `expr` from the values of its sides (which the parser has type-checked).

    `check_time` is called now and then, and ends the evaluation by raising.
    """
    assert not isinstance(lhs, str)
    assert not isinstance(rhs, str)
    if isinstance(lhs, Vector) and isinstance(rhs, Vector):
        matching = expr.matching or VectorMatching()
        if expr.op in SET_OPERATORS:
            return combined(expr.op, lhs, rhs, matching)
        return _of_vectors(expr, *filled(lhs, rhs, matching), matching, check_time)
    if isinstance(lhs, Vector):
        assert not isinstance(rhs, Vector)
        return _of_vector_and_scalar(expr, lhs, lhs.values, rhs[:, None])
    if isinstance(rhs, Vector):
        return _of_vector_and_scalar(expr, rhs, lhs[:, None], rhs.values)
    return _of_scalars(expr.op, lhs, rhs)


def _of_scalars(op: str, lhs: Scalar, rhs: Scalar) -> Scalar:
    if op in COMPARISONS:
        return COMPARE[op](lhs, rhs).astype(np.float64)
    return ARITHMETIC[op](lhs, rhs)


def _of_vector_and_scalar(expr: BinaryExpr, vector: Vector, left: Values, right: Values) -> Vector:
    """Return the operation of a vector with a scalar; a filter keeps the vector's value on either side."""
    if expr.op not in COMPARISONS:
        values = ARITHMETIC[expr.op](left, right)
    else:
        holds = COMPARE[expr.op](left, right)
        if not expr.return_bool:
            return replace(vector.where(holds), order=None)
        values = holds.astype(np.float64)
    return without_name(replace(vector, values=values, order=None))


def _of_vectors(
    expr: BinaryExpr,
    lhs: Vector,
    rhs: Vector,
    matching: VectorMatching,
    check_time: Callable[[], None],
) -> Vector:
    filters = expr.op in COMPARISONS and not expr.return_bool

    def compute(left: Values, right: Values) -> tuple[Values, Mask | None]:
        if expr.op not in COMPARISONS:
            return ARITHMETIC[expr.op](left, right), None
        holds = COMPARE[expr.op](left, right)
        return (left, holds) if filters else (holds.astype(np.float64), None)

    return joined(lhs, rhs, matching, compute, check_time, keeps_name=filters)
