"""PromQL text to a checked tree: a Pratt parser for the grammar of Prometheus 3 with default flags.

Source: Prometheus 3 `promql/parser/generated_parser.y`. Messages and places are Prometheus's; what it has
behind a flag, or since 3.14 only, is refused with a sentence that says so.
"""

import re
from dataclasses import replace

from pgwatch.promql.ast import (
    SET_OPERATORS,
    AggregateExpr,
    BinaryExpr,
    Call,
    Card,
    Expr,
    NumberLiteral,
    ParenExpr,
    StringLiteral,
    UnaryExpr,
    VectorMatching,
    type_of,
)
from pgwatch.promql.check import check
from pgwatch.promql.lexer import Kind, Token, go_quote, syntax_error, unquote
from pgwatch.promql.reader import MAX_DEPTH
from pgwatch.promql.selectors import SelectorReader
from pgwatch.promql.signature import AGGREGATIONS, FUNCTIONS, REFUSED, ValueType

MAX_BYTES = 16_384  # of an expression; the longest in public rule files has fewer than 3,000

_POWER = {
    **dict.fromkeys(("or",), 1),
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", ">", "<", ">=", "<="), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}  # how tightly each operator binds; a sign binds like `*`
_NAMES = frozenset({"and", "or", "unless", "by", "end", "offset", "start", "without"})
# words of the grammar that may also name a metric
_FILLS = frozenset({"fill", "fill_left", "fill_right"})
_NO_FILL = (None, None)
_OPENS = re.compile(r"\s*\(")


def parse(text: str, *, fill: bool = False) -> Expr:
    """Return the checked tree of the expression `text`.

    `fill` allows the modifiers that Prometheus has behind the feature flag `promql-binop-fill-modifiers`.
    Raises PromqlSyntaxError, whose text is Prometheus's `line:column: parse error: …`.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise syntax_error(text, error.start, "invalid UTF-8 rune") from None
    if size > MAX_BYTES:
        raise syntax_error(text, 0, f"expression is longer than {MAX_BYTES} bytes")
    expr = _Parser(text, fill=fill).parse()
    check(expr, text)
    return expr


class _Parser(SelectorReader):
    """A recursive descent over operators and operands; each method reads one construct."""

    def __init__(self, text: str, *, fill: bool) -> None:
        super().__init__(text)
        self._level = 0
        self._fill = fill

    def parse(self) -> Expr:
        if self._is(Kind.END):
            raise self._fail("no expression found in input", at=0)
        expr = self._expression(0)
        if not self._is(Kind.END):
            raise self._unexpected()
        return expr

    # Operators

    def _expression(self, power: int) -> Expr:
        """Read operands joined by operators that bind at least as tightly as `power`."""
        self._level += 1
        if self._level > MAX_DEPTH:
            raise self._too_deep(self._token.start)
        left = self._unary()
        while self._is(Kind.OPERATOR) and (own := _POWER.get(self._token.text, -1)) >= power:
            op = self._advance().text
            return_bool, matching = self._modifiers()
            right = self._expression(own if op == "^" else own + 1)
            vectors = type_of(left) is type_of(right) is ValueType.VECTOR
            if not vectors and not matching.labels and matching.fill == _NO_FILL:
                settled = None
            elif op in SET_OPERATORS and matching.card is Card.ONE_TO_ONE:
                settled = replace(matching, card=Card.MANY_TO_MANY)
            else:
                settled = matching
            binary = BinaryExpr(
                op=op,
                lhs=left,
                rhs=right,
                return_bool=return_bool,
                matching=settled,
                span=(left.span[0], right.span[1]),
            )
            left = self._made(binary)
        self._level -= 1
        return left

    def _modifiers(self) -> tuple[bool, VectorMatching]:
        return_bool = self._at("bool")
        if return_bool:
            self._advance()
        matching = VectorMatching()
        if self._at("on") or self._at("ignoring"):
            matching = self._matching()
        return return_bool, self._filled(matching) if self._fill else matching

    def _matching(self) -> VectorMatching:
        on = self._advance().text == "on"
        labels = self._grouping()
        card = Card.ONE_TO_ONE
        include: tuple[str, ...] = ()
        if self._at("group_left") or self._at("group_right"):
            left = self._advance().text == "group_left"
            card = Card.MANY_TO_ONE if left else Card.ONE_TO_MANY
            include = self._grouping() if self._at("(") else ()
        return VectorMatching(card=card, labels=labels, on=on, include=include)

    def _filled(self, matching: VectorMatching) -> VectorMatching:
        """Read `fill (0)`, `fill_left (0)` and `fill_right (0)`; without a bracket they are metrics."""
        left, right = matching.fill
        while self._token.text in _FILLS and _OPENS.match(self._text, self._token.end):
            start = self._token.start
            side = self._advance().text
            arguments = self._arguments()
            argument = arguments[0] if len(arguments) == 1 else None
            if not isinstance(argument, NumberLiteral):
                raise self._fail(f"{side} needs one number", at=start)
            left = left if side == "fill_right" else argument.value
            right = right if side == "fill_left" else argument.value
        return replace(matching, fill=(left, right))

    def _unary(self) -> Expr:
        if not (self._at("+") or self._at("-")):
            return self._postfix(self._primary())
        sign = self._advance()
        operand = self._expression(_POWER["*"] + 1)
        span = (sign.start, operand.span[1])
        if isinstance(operand, NumberLiteral):
            value = -operand.value if sign.text == "-" else operand.value
            return self._made(NumberLiteral(value=value, span=span))
        return self._made(UnaryExpr(op=sign.text, expr=operand, span=span))

    # Operands

    def _primary(self) -> Expr:
        token = self._token
        if token.kind in (Kind.NUMBER, Kind.DURATION):
            value = self._number()
            return self._made(NumberLiteral(value=value, span=(token.start, token.end)))
        if token.kind is Kind.STRING:
            self._advance()
            node = StringLiteral(value=unquote(token.text), span=(token.start, token.end))
            return self._made(node)
        if self._at("("):
            self._advance()
            inner = self._expression(0)
            self._closing()
            return self._made(ParenExpr(expr=inner, span=(token.start, self._end)))
        if self._at("{"):
            return self._selector("", token.start)
        if token.kind in (Kind.IDENTIFIER, Kind.METRIC, Kind.AGGREGATION) or (
            token.text in _NAMES and token.kind in (Kind.KEYWORD, Kind.OPERATOR)
        ):
            return self._named()
        raise self._unexpected()

    def _named(self) -> Expr:
        """Read what begins with a word: a call, an aggregation or a selector."""
        token = self._advance()
        name = self._text[token.start : token.end]
        lower = name.lower()
        if token.kind is Kind.AGGREGATION and (
            self._at("(") or self._at("by") or self._at("without")
        ):
            return self._aggregation(token)
        if lower in REFUSED and (self._at("(") or self._at("by") or self._at("without")):
            raise self._fail(f"{lower}() {REFUSED[lower]}", at=token.start)
        if token.kind is Kind.IDENTIFIER and self._at("("):
            arguments = self._arguments()
            if name not in FUNCTIONS:
                raise self._fail(f"unknown function with name {go_quote(name)}", at=token.start)
            span = (token.start, self._end)
            return self._made(Call(func=name, args=tuple(arguments), span=span))
        return self._selector(name, token.start)

    def _closing(self) -> None:
        if not self._at(")"):
            raise self._unexpected()
        self._advance()

    def _arguments(self) -> list[Expr]:
        self._advance()
        arguments: list[Expr] = []
        if self._at(")"):
            self._advance()
            return arguments
        while True:
            arguments.append(self._expression(0))
            if not self._at(","):
                self._closing()
                return arguments
            comma = self._advance()
            if self._at(")"):
                message = "trailing commas not allowed in function call args"
                raise self._fail(message, at=comma.start)

    def _aggregation(self, op: Token) -> Expr:
        without, grouping = False, None
        if not self._at("("):
            without, grouping = self._by()
            if not self._at("("):
                raise self._unexpected("aggregation")
        arguments = self._arguments()
        if grouping is None and (self._at("by") or self._at("without")):
            without, grouping = self._by()
        wanted = 1 if AGGREGATIONS[op.text] is None else 2
        if not arguments:
            message = "no arguments for aggregate expression provided"
            raise self._fail(message, at=op.start)
        if len(arguments) != wanted:
            message = "wrong number of arguments for aggregate expression provided"
            message += f", expected {wanted}, got {len(arguments)}"
            raise self._fail(message, at=op.start)
        node = AggregateExpr(
            op=op.text,
            expr=arguments[-1],
            param=arguments[0] if wanted == 2 else None,
            grouping=grouping or (),
            without=without,
            span=(op.start, self._end),
        )
        return self._made(node)

    def _by(self) -> tuple[bool, tuple[str, ...]]:
        without = self._advance().text == "without"
        return without, self._grouping()
