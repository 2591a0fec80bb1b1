"""What a rule compares, now that it finds nothing: the value at recovery."""

from collections.abc import Mapping

from pgwatch.promql.ast import BinaryExpr, Expr, type_of, unwrapped
from pgwatch.promql.engine import Engine, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.signature import ValueType
from pgwatch.rules.evaluate import ALERT_NAME
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import METRIC_NAME, Labels

_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})


def values_now(rule: AlertingRule, engine: Engine, at_ms: int) -> Mapping[Labels, float]:
    """Return by the labels of alerts what `rule` compares at `at_ms`; empty where that is not known.

    Of `a > 80` it is `a`; of `a > 80 and b` too. A rule that compares nothing has no such value, and so has
    an alert one of whose labels a template writes.
    """
    compared = _compared(rule.expr)
    if compared is None:
        return {}
    try:
        result = engine.instant(compared, at_ms)
    except PromqlError:
        return {}
    if result.kind is not Kind.VECTOR:
        return {}
    own = {**rule.labels, METRIC_NAME: "", ALERT_NAME: rule.name}
    return {labels.merged(own): value for labels, value in result.vector}


def _compared(expr: Expr) -> Expr | None:
    """Return the part of `expr` whose value a finding has, without the comparison that filters it."""
    expr = unwrapped(expr)
    if not isinstance(expr, BinaryExpr):
        return None
    if expr.op in ("and", "unless"):
        return _compared(expr.lhs)
    if expr.op not in _COMPARISONS or expr.return_bool:
        return None
    side = expr.lhs if type_of(expr.lhs) is ValueType.VECTOR else expr.rhs
    return side if type_of(side) is ValueType.VECTOR else None
