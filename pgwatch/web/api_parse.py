"""`parse_query`: the tree of an expression as JSON, for the tree view of other programs.

Source of the shape: Prometheus 3 `web/api/v1/translate_ast.go`.
"""

from collections.abc import Sequence
from typing import Any

from pgwatch.promql import ast
from pgwatch.promql.format import plain_number
from pgwatch.promql.signature import FUNCTIONS, ValueType
from pgwatch.samples.labels import METRIC_NAME, Matcher
from pgwatch.web.api_answer import Answer, to_json
from pgwatch.web.api_parameters import Parameters

_TYPES = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "vector",
    ValueType.MATRIX: "matrix",
    ValueType.STRING: "string",
}


def parsed(parameters: Parameters) -> Answer:
    """Answer `parse_query`."""
    return Answer(data=to_json(tree(parameters.expr())))


def tree(expr: ast.Expr) -> dict[str, Any]:
    """Return `expr` and all that is in it; durations and times are milliseconds."""
    match expr:
        case ast.NumberLiteral():
            node: dict[str, Any] = {"type": "numberLiteral", "val": plain_number(expr.value)}
        case ast.StringLiteral():
            node = {"type": "stringLiteral", "val": expr.value}
        case ast.ParenExpr():
            node = {"type": "parenExpr", "expr": tree(expr.expr)}
        case ast.UnaryExpr():
            node = {"type": "unaryExpr", "op": expr.op, "expr": tree(expr.expr)}
        case ast.BinaryExpr():
            node = _binary(expr)
        case ast.AggregateExpr():
            node = _aggregation(expr)
        case ast.Call():
            arguments = [tree(each) for each in expr.args]
            node = {"type": "call", "func": _function(expr.func), "args": arguments}
        case ast.VectorSelector():
            node = {"type": "vectorSelector", **_selector(expr)}
        case ast.MatrixSelector():
            selector = _selector(expr.selector)
            node = {"type": "matrixSelector", "range": expr.range_ms, **selector}
        case ast.SubqueryExpr():
            window = {"range": expr.range_ms, "step": expr.step_ms or 0}
            at = _when(expr.at, expr.offset_ms)
            node = {"type": "subquery", "expr": tree(expr.expr), **window, **at}
        case _:
            raise TypeError(f"an expression of an unknown kind: {expr}")
    return node


def _binary(expr: ast.BinaryExpr) -> dict[str, Any]:
    matching: dict[str, Any] | None = None
    if (found := expr.matching) is not None:
        matching = {
            "card": str(found.card),
            "labels": list(found.labels),
            "on": found.on,
            "include": list(found.include),
            "fillValues": {"lhs": found.fill[0], "rhs": found.fill[1]},
        }
    return {
        "type": "binaryExpr",
        "op": expr.op,
        "lhs": tree(expr.lhs),
        "rhs": tree(expr.rhs),
        "matching": matching,
        "bool": expr.return_bool,
    }


def _aggregation(expr: ast.AggregateExpr) -> dict[str, Any]:
    return {
        "type": "aggregation",
        "op": expr.op,
        "expr": tree(expr.expr),
        "param": None if expr.param is None else tree(expr.param),
        "grouping": list(expr.grouping),
        "without": expr.without,
    }


def _function(name: str) -> dict[str, Any]:
    signature = FUNCTIONS[name]
    return {
        "name": name,
        "argTypes": [_TYPES[each] for each in signature.args],
        "variadic": -1 if signature.repeats else signature.optional,
        "returnType": _TYPES[signature.returns],
    }


def _selector(selector: ast.VectorSelector) -> dict[str, Any]:
    return {
        "name": selector.name,
        "matchers": _matchers(selector.matchers),
        **_when(selector.at, selector.offset_ms),
        "anchored": False,
        "smoothed": False,
    }


def _matchers(matchers: Sequence[Matcher]) -> list[dict[str, str]]:
    matchers = sorted(
        matchers, key=lambda one: one.name == METRIC_NAME
    )  # the name stands last there
    return [{"name": one.name, "value": one.value, "type": str(one.type)} for one in matchers]


def _when(at: ast.At | None, offset_ms: int) -> dict[str, Any]:
    return {
        "offset": offset_ms,
        "timestamp": at if isinstance(at, int) else None,
        "startOrEnd": at if isinstance(at, str) else None,
    }
