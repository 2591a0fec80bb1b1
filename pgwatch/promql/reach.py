"""How far back in time an expression reads."""

from datetime import timedelta

from pgwatch.promql.ast import At, Expr, MatrixSelector, SubqueryExpr, VectorSelector, children
from pgwatch.samples.labels import Matcher

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


def read_since(
    expr: Expr, start_ms: int, end_ms: int, lookback_ms: int
) -> dict[tuple[Matcher, ...], int]:
    """Return for the matchers of each selector in `expr` the time after which its samples are read.

    `expr` is evaluated from `start_ms` to `end_ms`.
    """
    since: dict[tuple[Matcher, ...], int] = {}

    def look(node: Expr, first_ms: int) -> None:
        match node:
            case VectorSelector():
                read_ms = moved(node.at, node.offset_ms, first_ms) - lookback_ms
                since[node.matchers] = min(read_ms, since.get(node.matchers, read_ms))
            case MatrixSelector(selector=selector):
                read_ms = moved(selector.at, selector.offset_ms, first_ms) - node.range_ms
                since[selector.matchers] = min(read_ms, since.get(selector.matchers, read_ms))
            case SubqueryExpr():
                look(node.expr, moved(node.at, node.offset_ms, first_ms) - node.range_ms)
            case _:
                for child in children(node):
                    look(child, first_ms)

    def moved(at: At | None, offset_ms: int, first_ms: int) -> int:
        fixed = {None: first_ms, "start": start_ms, "end": end_ms}
        return (at if isinstance(at, int) else fixed[at]) - offset_ms

    look(expr, start_ms)
    return since
