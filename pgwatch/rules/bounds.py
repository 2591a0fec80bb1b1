"""Between which bounds the values of an expression are, as far as can be known without data. Pure.

NaN is left out: no comparison but `!=` holds for it.
"""

import math
from dataclasses import dataclass

from pgwatch.promql import ast
from pgwatch.promql.signature import ValueType
from pgwatch.rules.knowledge import Knowledge

LOOKBACK = 300.0  # seconds that a sample stands at most
_FIRST_TIME = 1e9  # evaluations are later than the year 2001
_GROWTH = 1.2  # of an age, a second: what the extrapolation of rate() adds is less

_RATES = frozenset({"increase", "irate", "rate"})
_AT_LEAST_ZERO = {"abs", "changes", "exp", "resets", "sqrt"} | {
    "stddev_over_time",
    "stdvar_over_time",
}
_FIXED = {
    "absent": (1, 1),
    "absent_over_time": (1, 1),
    "count_over_time": (1, math.inf),
    "present_over_time": (1, 1),
    "sgn": (-1, 1),
    "hour": (0, 23),
    "minute": (0, 59),
    "month": (1, 12),
    "day_of_week": (0, 6),
    "day_of_month": (1, 31),
    "day_of_year": (1, 366),
    "days_in_month": (28, 31),
}
_KEEPING = {f"{name}_over_time" for name in ("avg", "first", "last", "max", "min")} | {
    *("label_join", "label_replace", "scalar", "sort", "sort_desc", "vector")
}
_KEEPING_AGGREGATIONS = frozenset({"avg", "bottomk", "max", "min", "topk"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the greatest value."""

    low: float = -math.inf
    high: float = math.inf
    of_now: bool = False  # both are seconds after the time of the evaluation

    def __str__(self) -> str:
        """Return the bounds as a person says it."""
        if self.low == self.high:
            return f"is {self.low:g}"
        if self.low == -math.inf:
            return f"is at most {self.high:g}"
        if self.high == math.inf:
            return f"is at least {self.low:g}"
        return f"is between {self.low:g} and {self.high:g}"


ANY = Bounds()


def bounds(expr: ast.Expr, knowledge: Knowledge) -> Bounds:  # noqa: PLR0911 - one for each kind
    """Return the bounds of the values of `expr`."""
    match expr:
        case ast.NumberLiteral():
            return Bounds(expr.value, expr.value)
        case ast.ParenExpr():
            return bounds(expr.expr, knowledge)
        case ast.UnaryExpr():
            inner = bounds(expr.expr, knowledge)
            if expr.op == "+" or inner.of_now:
                return inner if expr.op == "+" else ANY
            return Bounds(-inner.high, -inner.low)
        case ast.VectorSelector():
            facts = knowledge.of(expr.name)
            return Bounds(0) if facts and facts.is_counter else ANY
        case ast.MatrixSelector():
            return bounds(expr.selector, knowledge)
        case ast.SubqueryExpr():
            inner = bounds(expr.expr, knowledge)
            return ANY if inner.of_now else inner  # the times inside are others
        case ast.Call():
            return _called(expr, knowledge)
        case ast.AggregateExpr():
            return _aggregated(expr, knowledge)
        case ast.BinaryExpr():
            return _combined(expr, bounds(expr.lhs, knowledge), bounds(expr.rhs, knowledge))
        case _:
            return ANY


def never(op: str, left: Bounds, right: Bounds) -> bool:
    """Return whether `left op right` holds for no values within the bounds."""
    left, right = _alike(left, right)
    match op:
        case ">":
            return left.high <= right.low
        case ">=":
            return left.high < right.low
        case "<":
            return left.low >= right.high
        case "<=":
            return left.low > right.high
        case "==":
            return left.high < right.low or left.low > right.high
    return False


def always(op: str, left: Bounds, right: Bounds) -> bool:
    """Return whether `left op right` holds for all values within the bounds."""
    opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "!=": "=="}
    return op in opposite and never(opposite[op], left, right)


def _alike(left: Bounds, right: Bounds) -> tuple[Bounds, Bounds]:
    """Return both relative to now, or both absolute."""
    if left.of_now and right.of_now:
        return left, right

    def absolute(one: Bounds) -> Bounds:
        return Bounds(one.low + _FIRST_TIME) if one.of_now else one

    return absolute(left), absolute(right)


def _called(call: ast.Call, knowledge: Knowledge) -> Bounds:  # noqa: PLR0911 - one for each kind
    name = call.func
    if name == "time":
        return Bounds(0, 0, of_now=True)
    if name == "timestamp":
        return _timestamp(ast.unwrapped(call.args[0]))
    if name in _FIXED:
        return Bounds(*_FIXED[name])
    if name in _RATES | {"deriv", "delta"} and _of_age(call, knowledge):
        low = 0.0 if name in _RATES else -math.inf
        return Bounds(low, _GROWTH * (_seconds(call) if name in ("increase", "delta") else 1))
    if name in _AT_LEAST_ZERO or (name in _RATES and bounds(call.args[0], knowledge).low >= 0):
        return Bounds(0)
    if name in _KEEPING and call.args:
        return bounds(call.args[0], knowledge)
    if name in ("clamp", "clamp_min", "clamp_max"):
        return _clamped(call, knowledge)
    if name == "sum_over_time":
        return _summed(bounds(call.args[0], knowledge))
    return ANY


def _timestamp(arg: ast.Expr) -> Bounds:
    """Return the bounds of the time of samples: that of the evaluation unless it is a selector's."""
    if not isinstance(arg, ast.VectorSelector):
        return Bounds(0, 0, of_now=True)
    if arg.offset_ms or arg.at is not None:
        return ANY
    return Bounds(-LOOKBACK, 0, of_now=True)


def _of_age(call: ast.Call, knowledge: Knowledge) -> bool:
    arg = ast.unwrapped(call.args[0])
    return isinstance(arg, ast.MatrixSelector) and knowledge.is_age(arg.selector.name)


def _seconds(call: ast.Call) -> float:
    arg = ast.unwrapped(call.args[0])
    assert isinstance(arg, ast.MatrixSelector)
    return arg.range_ms / 1000


def _clamped(call: ast.Call, knowledge: Knowledge) -> Bounds:
    inner, *limits = (bounds(arg, knowledge) for arg in call.args)
    if any(one.of_now for one in (inner, *limits)):
        return ANY
    low, high = inner.low, inner.high
    if call.func != "clamp_max":
        low, high = max(low, limits[0].low), max(high, limits[0].high)
    if call.func != "clamp_min":
        low, high = min(low, limits[-1].low), min(high, limits[-1].high)
    return Bounds(low, high)


def _aggregated(expr: ast.AggregateExpr, knowledge: Knowledge) -> Bounds:
    if expr.op in _KEEPING_AGGREGATIONS:
        return bounds(expr.expr, knowledge)
    match expr.op:
        case "sum":
            return _summed(bounds(expr.expr, knowledge))
        case "count" | "count_values":
            return Bounds(1)
        case "group":
            return Bounds(1, 1)
        case "stddev" | "stdvar":
            return Bounds(0)
    return ANY


def _summed(one: Bounds) -> Bounds:
    """Return the bounds of the sum of one or more values."""
    if one.of_now:
        return ANY
    low = one.low if one.low >= 0 else -math.inf
    return Bounds(low, one.high if one.high <= 0 else math.inf)


def _combined(node: ast.BinaryExpr, left: Bounds, right: Bounds) -> Bounds:  # noqa: PLR0911 - one for each kind
    if node.return_bool:
        return Bounds(0, 1)
    if node.op in ast.COMPARISONS:
        return right if ast.type_of(node.lhs) is ValueType.SCALAR else left
    match node.op:
        case "and" | "unless":
            return left
        case "or" if left.of_now == right.of_now:
            return Bounds(min(left.low, right.low), max(left.high, right.high), left.of_now)
        case "+" if not (left.of_now and right.of_now):
            relative = left.of_now or right.of_now
            return _sum(left.low + right.low, left.high + right.high, relative)
        case "-" if left.of_now or not right.of_now:
            relative = left.of_now and not right.of_now
            return _sum(left.low - right.high, left.high - right.low, relative)
        case "*" | "/" if not (left.of_now or right.of_now):
            return _scaled(node.op, left, right)
    return ANY


def _sum(low: float, high: float, of_now: bool) -> Bounds:
    """Return the bounds; a sum of opposite infinities is any number."""
    return Bounds(
        -math.inf if math.isnan(low) else low, math.inf if math.isnan(high) else high, of_now
    )


def _scaled(op: str, left: Bounds, right: Bounds) -> Bounds:
    """Return the bounds of a product, or of a quotient whose divisor is one number or not negative."""
    if op == "/":
        if right.low == right.high and right.low != 0 and math.isfinite(right.low):
            right = Bounds(1 / right.low, 1 / right.low)
        elif left.low >= 0 and right.low >= 0:
            return Bounds(0)
        else:
            return ANY
    corners = [
        0.0 if 0 in (one, two) else one * two
        for one in (left.low, left.high)
        for two in (right.low, right.high)
    ]
    return Bounds(min(corners), max(corners))
