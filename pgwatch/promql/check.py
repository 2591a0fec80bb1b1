"""Types of a parsed expression, checked in the order and with the words of Prometheus.

Source: `checkAST` of Prometheus 3's `promql/parser/parse.go`.
"""

import re

from pgwatch.promql.ast import (
    COMPARISONS,
    SET_OPERATORS,
    AggregateExpr,
    BinaryExpr,
    Call,
    Card,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    type_of,
)
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.lexer import go_quote, syntax_error
from pgwatch.promql.signature import AGGREGATIONS, FUNCTIONS, ValueType

_OPERANDS = (ValueType.SCALAR, ValueType.VECTOR)
_SPACE = re.compile(r"\s*")


def check(expr: Expr, text: str) -> ValueType:
    """Return the type of `expr`, which was parsed from `text`.

    Raises PromqlSyntaxError at the first operand, argument or modifier that does not fit.
    """
    match expr:
        case AggregateExpr():
            _check_aggregation(expr, text)
        case BinaryExpr():
            _check_binary(expr, text)
        case Call():
            _check_call(expr, text)
        case ParenExpr():
            check(expr.expr, text)
        case UnaryExpr():
            kind = check(expr.expr, text)
            if kind not in _OPERANDS:
                message = "unary expression only allowed on expressions of type scalar or instant vector, got"
                raise _error(expr, text, f"{message} {go_quote(kind)}")
        case SubqueryExpr():
            kind = check(expr.expr, text)
            if kind is not ValueType.VECTOR:
                message = f"subquery is only allowed on instant vector, got {_RAW[kind]} instead"
                raise _error(expr, text, message)
        case MatrixSelector():
            check(expr.selector, text)
        case VectorSelector():
            if all(matcher.predicate()("") for matcher in expr.matchers):
                message = "vector selector must contain at least one non-empty matcher"
                raise _error(expr, text, message)
    return type_of(expr)


_RAW = {
    ValueType.SCALAR: "scalar",
    ValueType.VECTOR: "vector",
    ValueType.MATRIX: "matrix",
    ValueType.STRING: "string",
}  # the one message of Prometheus that does not use the words of its documentation


def _error(expr: Expr, text: str, message: str) -> PromqlError:
    return syntax_error(text, expr.span[0], message)


def _expect(expr: Expr, text: str, want: ValueType, context: str) -> None:
    kind = check(expr, text)
    if kind is not want:
        raise _error(expr, text, f"expected type {want} in {context}, got {kind}")


def _check_aggregation(expr: AggregateExpr, text: str) -> None:
    _expect(expr.expr, text, ValueType.VECTOR, "aggregation expression")
    wanted = AGGREGATIONS[expr.op]
    if wanted is not None and expr.param is not None:
        _expect(expr.param, text, wanted, "aggregation parameter")


def _check_binary(expr: BinaryExpr, text: str) -> None:
    left, right = check(expr.lhs, text), check(expr.rhs, text)
    skipped = _SPACE.match(text, expr.lhs.span[1])
    operator_at = skipped.end() if skipped else expr.lhs.span[1]
    scalars = left is right is ValueType.SCALAR
    if expr.return_bool and expr.op not in COMPARISONS:
        message = "bool modifier can only be used on comparison operators"
        raise syntax_error(text, operator_at, message)
    if expr.op in COMPARISONS and not expr.return_bool and scalars:
        message = "comparisons between scalars must use BOOL modifier"
        raise syntax_error(text, operator_at, message)
    matching = expr.matching
    if matching is not None and matching.on:
        for name in matching.labels:
            if name in matching.include:
                message = f"label {go_quote(name)} must not occur in ON and GROUP clause at once"
                raise syntax_error(text, operator_at, message)
    for operand, kind in ((expr.lhs, left), (expr.rhs, right)):
        if kind not in _OPERANDS:
            message = "binary expression must contain only scalar and instant vector types"
            raise _error(operand, text, message)
    if not left is right is ValueType.VECTOR:
        if matching is not None:
            raise _error(expr, text, "vector matching only allowed between instant vectors")
        if expr.op in SET_OPERATORS:
            message = f"set operator {go_quote(expr.op)} not allowed in binary scalar expression"
            raise _error(expr, text, message)
    elif expr.op in SET_OPERATORS and matching and matching.card is not Card.MANY_TO_MANY:
        raise _error(expr, text, f"no grouping allowed for {go_quote(expr.op)} operation")


def _check_call(expr: Call, text: str) -> None:
    signature = FUNCTIONS[expr.func]
    most, given = len(signature.args), len(expr.args)
    least = most - signature.optional
    name = go_quote(expr.func)
    if least == most and given != most:
        message = f"expected {most} argument(s) in call to {name}, got {given}"
    elif given < least:
        message = f"expected at least {least} argument(s) in call to {name}, got {given}"
    elif given > most and not signature.repeats:
        message = f"expected at most {most} argument(s) in call to {name}, got {given}"
    else:
        for index, argument in enumerate(expr.args):
            want = signature.args[min(index, most - 1)]
            _expect(argument, text, want, f"call to function {name}")
        return
    raise _error(expr, text, message)
