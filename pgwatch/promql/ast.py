"""The tree of a PromQL expression; `str(node)` prints it as PromQL that parses to an equal tree."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pgwatch.promql.signature import FUNCTIONS, ValueType
from pgwatch.samples.labels import METRIC_NAME, Matcher, MatchType, quote
from pgwatch.units import format_duration

SET_OPERATORS = frozenset({"and", "or", "unless"})
COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})

At = int | Literal["start", "end"]
# an evaluation time pinned by `@`: Unix milliseconds, or the start or end of the outermost query

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expr:
    """Base of all expressions; equality ignores where they stand."""

    span: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)
    # start and end offset in the text, in characters


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberLiteral(Expr):
    """A number; a duration such as `5m` is its seconds."""

    value: float

    def __str__(self) -> str:
        return format_number(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class StringLiteral(Expr):
    """A string, without its quotes and escapes."""

    value: str

    def __str__(self) -> str:
        return quote(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParenExpr(Expr):
    """An expression in parentheses."""

    expr: Expr

    def __str__(self) -> str:
        return f"({self.expr})"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnaryExpr(Expr):
    """A sign before a scalar or an instant vector."""

    op: str  # + or -
    expr: Expr

    def __str__(self) -> str:
        return f"{self.op}{self.expr}"


class Card(StrEnum):
    """How many elements of each side may meet."""

    ONE_TO_ONE = "one-to-one"
    MANY_TO_ONE = "many-to-one"  # group_left
    ONE_TO_MANY = "one-to-many"  # group_right
    MANY_TO_MANY = "many-to-many"  # the set operators


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorMatching:
    """Which elements of two vectors meet."""

    card: Card = Card.ONE_TO_ONE
    labels: tuple[str, ...] = ()  # that `on` or `ignoring` names
    on: bool = False  # False: ignoring
    include: tuple[str, ...] = ()  # that group_left or group_right copies from the "one" side
    fill: tuple[float | None, float | None] = (None, None)
    # the values of elements that the left and the right side lack; None: what lacks a partner is left out

    def __str__(self) -> str:
        if not self.on and not self.labels and self.card in (Card.ONE_TO_ONE, Card.MANY_TO_MANY):
            return self._fills()
        text = f" {'on' if self.on else 'ignoring'} ({_names(self.labels)})"
        if self.card is Card.MANY_TO_ONE:
            text += f" group_left ({_names(self.include)})"
        elif self.card is Card.ONE_TO_MANY:
            text += f" group_right ({_names(self.include)})"
        return text + self._fills()

    def _fills(self) -> str:
        sides = zip(("left", "right"), self.fill, strict=True)
        return "".join(
            f" fill_{side} ({format_number(value)})" for side, value in sides if value is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryExpr(Expr):
    """Two operands and an operator."""

    op: str  # + - * / % ^ atan2 == != > < >= <= and or unless
    lhs: Expr
    rhs: Expr
    return_bool: bool = False  # a comparison gives 0 or 1 instead of filtering
    matching: VectorMatching | None = None  # None unless both sides are vectors

    def __str__(self) -> str:
        modifier = " bool" if self.return_bool else ""
        left = str(self.lhs)
        if self.op == "^" and isinstance(self.lhs, NumberLiteral):
            left = left.removeprefix("+")  # of +Inf: a sign would be that of the power
        return f"{left} {self.op}{modifier}{self.matching or ''} {self.rhs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSelector(Expr):
    """The newest sample of each matching series."""

    name: str  # as written before or in the braces; empty if only matchers name the metric
    matchers: tuple[Matcher, ...]  # with the one for `__name__`; regexes are compiled
    offset_ms: int = 0
    at: At | None = None

    def __str__(self) -> str:
        return _selector(self) + _modifiers(self.at, self.offset_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixSelector(Expr):
    """The samples of each matching series in a window; offset and `@` are the selector's."""

    selector: VectorSelector
    range_ms: int

    def __str__(self) -> str:
        window = f"[{_duration(self.range_ms)}]"
        return (
            _selector(self.selector)
            + window
            + _modifiers(self.selector.at, self.selector.offset_ms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubqueryExpr(Expr):
    """An instant expression evaluated at the steps of a window."""

    expr: Expr
    range_ms: int
    step_ms: int | None = None  # None: the evaluator's default resolution
    offset_ms: int = 0
    at: At | None = None

    def __str__(self) -> str:
        step = "" if self.step_ms is None else _duration(self.step_ms)
        window = f"[{_duration(self.range_ms)}:{step}]"
        return f"{self.expr}{window}{_modifiers(self.at, self.offset_ms)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Expr):
    """A function and its arguments, checked against `signature.FUNCTIONS`."""

    func: str
    args: tuple[Expr, ...] = ()

    def __str__(self) -> str:
        return f"{self.func}({', '.join(str(arg) for arg in self.args)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateExpr(Expr):
    """An aggregation over an instant vector."""

    op: str
    expr: Expr
    param: Expr | None = None  # of topk, bottomk, quantile (scalar) and count_values (string)
    grouping: tuple[str, ...] = ()
    without: bool = False  # group by all labels but `grouping`

    def __str__(self) -> str:
        by = ""
        if self.without:
            by = f" without ({_names(self.grouping)}) "
        elif self.grouping:
            by = f" by ({_names(self.grouping)}) "
        param = "" if self.param is None else f"{self.param}, "
        return f"{self.op}{by}({param}{self.expr})"


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the direct operands of `expr` from left to right; a matrix selector has its selector."""
    match expr:
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return (expr.expr,)
        case BinaryExpr():
            return (expr.lhs, expr.rhs)
        case MatrixSelector():
            return (expr.selector,)
        case Call():
            return expr.args
        case AggregateExpr():
            return (expr.expr,) if expr.param is None else (expr.param, expr.expr)
        case _:
            return ()


def walk(expr: Expr) -> Iterator[Expr]:
    """Iterate over `expr` and everything in it, parents first, left to right."""
    left = [expr]
    while left:
        node = left.pop()
        yield node
        left.extend(reversed(children(node)))


def selectors(expr: Expr) -> tuple[VectorSelector, ...]:
    """Return every selector in `expr`, those of range vectors too, from left to right."""
    return tuple(node for node in walk(expr) if isinstance(node, VectorSelector))


def needs_history(expr: Expr) -> bool:
    """Return whether `expr` asks for more than the newest samples: a range, a subquery, an offset or `@`."""
    return any(
        isinstance(node, MatrixSelector | SubqueryExpr)
        or (isinstance(node, VectorSelector) and (node.offset_ms != 0 or node.at is not None))
        for node in walk(expr)
    )


def type_of(expr: Expr) -> ValueType:
    """Return the type of the value that a checked `expr` has."""
    expr = unwrapped(expr)
    match expr:
        case NumberLiteral():
            return ValueType.SCALAR
        case StringLiteral():
            return ValueType.STRING
        case BinaryExpr():
            both = {type_of(expr.lhs), type_of(expr.rhs)}
            return ValueType.SCALAR if both == {ValueType.SCALAR} else ValueType.VECTOR
        case Call():
            return FUNCTIONS[expr.func].returns
        case MatrixSelector() | SubqueryExpr():
            return ValueType.MATRIX
        case UnaryExpr():
            kind = type_of(expr.expr)
        case _:
            kind = ValueType.VECTOR
    return kind


def unwrapped(expr: Expr) -> Expr:
    """Return `expr` without the parentheses around it."""
    while isinstance(expr, ParenExpr):
        expr = expr.expr
    return expr


def format_number(value: float) -> str:
    """Return `value` as a PromQL literal: plain digits from 1e-6 to 1e21, else with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits = repr(value)  # the fewest that give the same number
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        return digits
    text = format(Decimal(digits), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def is_label_name(text: str) -> bool:
    """Return whether `text` is a label name that needs no quotes."""
    return _LABEL.fullmatch(text) is not None


def is_metric_name(text: str) -> bool:
    """Return whether `text` is a metric name that needs no quotes."""
    return _METRIC.fullmatch(text) is not None


def _names(names: Iterable[str]) -> str:
    return ", ".join(name if is_label_name(name) else quote(name) for name in names)


def _selector(selector: VectorSelector) -> str:
    """Return a selector without its modifiers."""
    plain = is_metric_name(selector.name)
    inside = [quote(selector.name)] if selector.name and not plain else []
    implied = Matcher(METRIC_NAME, MatchType.EQUAL, selector.name)
    inside += [
        f"{_names([matcher.name])}{matcher.type}{quote(matcher.value)}"
        for matcher in selector.matchers
        if not (selector.name and matcher == implied)
    ]
    braces = f"{{{', '.join(inside)}}}" if inside or not plain else ""
    return (selector.name if plain else "") + braces


def _modifiers(at: At | None, offset_ms: int) -> str:
    text = ""
    if isinstance(at, int):
        text += f" @ {at / 1000:.3f}"
    elif at is not None:
        text += f" @ {at}()"
    if offset_ms:
        text += f" offset {_duration(offset_ms)}"
    return text


def _duration(milliseconds: int) -> str:
    return format_duration(timedelta(milliseconds=milliseconds))
