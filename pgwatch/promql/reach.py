"""How far back in time an expression reads."""

from datetime import timedelta

from pgwatch.promql.ast import Expr, MatrixSelector, SubqueryExpr, VectorSelector, children

LOOKBACK = timedelta(minutes=5)  # Prometheus's default, how old the sample of an instant may be


def reach(expr: Expr) -> timedelta:
    """Return the age of the oldest sample that `expr` may read, at least 0.

    An instant that `@` pins counts as now: how old it is depends on when it is asked.
    """
    return max(timedelta(0), timedelta(milliseconds=_reach_ms(expr)))


def _reach_ms(expr: Expr) -> int:
    match expr:
        case VectorSelector():
            return LOOKBACK // timedelta(milliseconds=1) + expr.offset_ms
        case MatrixSelector():
            return expr.range_ms + expr.selector.offset_ms
        case SubqueryExpr():
            return expr.range_ms + expr.offset_ms + _reach_ms(expr.expr)
        case _:
            return max(map(_reach_ms, children(expr)), default=0)
