"""Selectors of PromQL: matchers, and the ranges, offsets and `@` that follow an operand."""

from collections.abc import Callable
from dataclasses import replace

from pgwatch.promql.ast import At, Expr, MatrixSelector, SubqueryExpr, VectorSelector
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.lexer import Kind, go_quote, unquote
from pgwatch.promql.literal import MAX_SECONDS, milliseconds
from pgwatch.promql.reader import Reader
from pgwatch.promql.regex import compile_regex
from pgwatch.samples.labels import METRIC_NAME, Matcher, MatchType

_ARITHMETIC = (
    "arithmetic in durations needs Prometheus 3.14, and pgwatch does not have it; write one duration, such as"
    " 5m or 1h30m"
)


class SelectorReader(Reader):
    """Reads selectors; each method reads one construct."""

    _quoted_name: Matcher | None = None  # the last one read: `{"a.metric"}` is that metric

    def _selector(self, name: str, start: int) -> VectorSelector:
        matchers = self._matchers() if self._at("{") else []
        names = [matcher for matcher in matchers if matcher.name == METRIC_NAME]
        if name:
            if names:
                message = "metric name must not be set twice:"
                message += f" {go_quote(name)} or {go_quote(names[0].value)}"
                raise self._fail(message, at=start)
            matchers.insert(0, Matcher(METRIC_NAME, MatchType.EQUAL, name))
        elif len(names) == 1 and names[0] is self._quoted_name:
            name = names[0].value
        node = VectorSelector(name=name, matchers=tuple(matchers), span=(start, self._end))
        return self._made(node)

    def _matchers(self) -> list[Matcher]:
        self._advance()
        matchers: list[Matcher] = []
        while not self._at("}"):
            matchers.append(self._matcher())
            if self._at(","):
                self._advance()
            elif not self._at("}"):
                raise self._unexpected("label matching", '"," or "}"')
        self._advance()
        return matchers

    def _matcher(self) -> Matcher:
        token = self._token
        if token.kind not in (Kind.IDENTIFIER, Kind.STRING):
            raise self._unexpected("label matching", 'identifier or "}"')
        self._advance()
        quoted = token.kind is Kind.STRING
        name = unquote(token.text) if quoted else token.text
        if quoted and (self._at(",") or self._at("}")):
            self._quoted_name = Matcher(METRIC_NAME, MatchType.EQUAL, name)
            return self._quoted_name
        if not (self._is(Kind.OPERATOR) or self._at("=")):
            raise self._unexpected("label matching", "label matching operator")
        kind = MatchType(self._advance().text)
        if not self._is(Kind.STRING):
            raise self._unexpected("label matching", "string")
        value = unquote(self._advance().text)
        if kind in (MatchType.EQUAL, MatchType.NOT_EQUAL):
            return Matcher(name, kind, value)
        try:
            return Matcher(name, kind, value, compile_regex(value))
        except PromqlError as error:
            raise self._fail(error.message, at=token.start) from None

    def _postfix(self, expr: Expr) -> Expr:
        """Read the ranges, offsets and `@` after an operand."""
        while True:
            if self._at("["):
                expr = self._range(expr)
            elif self._at("offset"):
                self._advance()
                offset = self._signed_duration()
                expr = self._offset(expr, offset)
            elif self._at("@"):
                self._advance()
                expr = self._pinned(expr, self._timestamp(expr))
            elif self._is(Kind.IDENTIFIER) and self._token.text in (
                "anchored",
                "smoothed",
            ):
                message = f"{self._token.text} modifier is experimental and not enabled"
                raise self._fail(message, at=expr.span[0])
            else:
                return expr

    def _duration(self) -> int:
        """Read a positive duration or number of seconds; the milliseconds."""
        start = self._token.start
        seconds = self._number()
        if seconds > MAX_SECONDS:
            raise self._fail("duration out of range", at=start)
        if not milliseconds(seconds):
            raise self._fail("duration must be greater than 0", at=start)
        return milliseconds(seconds)

    def _range(self, expr: Expr) -> Expr:
        bracket = self._advance()
        if not self._is(Kind.NUMBER, Kind.DURATION):
            if self._at("]"):
                raise self._unexpected("subquery or range selector", "number or duration")
            raise self._fail(_ARITHMETIC, at=self._token.start)
        window = self._duration()
        if self._at(":"):
            return self._subquery(expr, window)
        if not self._at("]"):
            if self._is(Kind.OPERATOR):
                raise self._fail(_ARITHMETIC, at=self._token.start)
            raise self._unexpected("subquery or range", '":" or "]"')
        self._advance()
        if not isinstance(expr, VectorSelector):
            message = "ranges only allowed for vector selectors"
        elif expr.offset_ms:
            message = "no offset modifiers allowed before range"
        elif expr.at is not None:
            message = "no @ modifiers allowed before range"
        else:
            span = (expr.span[0], self._end)
            return self._made(MatrixSelector(selector=expr, range_ms=window, span=span))
        raise self._fail(message, at=bracket.start)

    def _subquery(self, expr: Expr, window: int) -> Expr:
        self._advance()
        step = None
        if self._is(Kind.NUMBER, Kind.DURATION):
            step = self._duration()
            if self._is(Kind.OPERATOR):
                raise self._fail(_ARITHMETIC, at=self._token.start)
            if not self._at("]"):
                raise self._unexpected("subquery selector", '"]"')
        elif self._is(Kind.OPERATOR, Kind.KEYWORD) or self._at("("):
            raise self._fail(_ARITHMETIC, at=self._token.start)
        elif not self._at("]"):
            raise self._unexpected("subquery selector", 'number, duration, or "]"')
        self._advance()
        span = (expr.span[0], self._end)
        return self._made(SubqueryExpr(expr=expr, range_ms=window, step_ms=step, span=span))

    def _signed_duration(self) -> int:
        negative = self._at("-")
        if negative or self._at("+"):
            self._advance()
        if not self._is(Kind.NUMBER, Kind.DURATION):
            if self._at("("):
                raise self._fail(_ARITHMETIC, at=self._token.start)
            raise self._unexpected("offset", "number or duration")
        start = self._token.start
        seconds = self._number()
        if not seconds <= MAX_SECONDS:
            raise self._fail("duration out of range", at=start)
        return -milliseconds(seconds) if negative else milliseconds(seconds)

    def _offset(self, expr: Expr, offset: int) -> Expr:
        def moved(node: VectorSelector | SubqueryExpr) -> VectorSelector | SubqueryExpr:
            if node.offset_ms:
                raise self._fail("offset may not be set multiple times", at=expr.span[0])
            return replace(node, offset_ms=offset, span=(node.span[0], self._end))

        return self._modified(expr, moved, "offset")

    def _timestamp(self, expr: Expr) -> At:
        """Read what follows `@`."""
        if self._at("start") or self._at("end"):
            preprocessor = "start" if self._advance().text == "start" else "end"
            for bracket in "()":
                if not self._at(bracket):
                    raise self._unexpected("@", "timestamp")
                self._advance()
            return "start" if preprocessor == "start" else "end"
        sign = -1 if self._at("-") else 1
        if self._at("-") or self._at("+"):
            self._advance()
        if not self._is(Kind.NUMBER, Kind.DURATION):
            raise self._unexpected("@", "timestamp")
        seconds = sign * self._number()
        if not abs(seconds) * 1000 < 2**63:
            message = f"timestamp out of bounds for @ modifier: {seconds:f}"
            raise self._fail(message, at=expr.span[0])
        return milliseconds(seconds)

    def _pinned(self, expr: Expr, at: At) -> Expr:
        def pinned(node: VectorSelector | SubqueryExpr) -> VectorSelector | SubqueryExpr:
            if node.at is not None:
                raise self._fail("@ <timestamp> may not be set multiple times", at=expr.span[0])
            return replace(node, at=at, span=(node.span[0], self._end))

        return self._modified(expr, pinned, "@")

    def _modified(
        self,
        expr: Expr,
        change: Callable[[VectorSelector | SubqueryExpr], VectorSelector | SubqueryExpr],
        what: str,
    ) -> Expr:
        """Return the selector or subquery `expr` with `change` applied."""
        if isinstance(expr, VectorSelector | SubqueryExpr):
            return self._made(change(expr))
        if isinstance(expr, MatrixSelector):
            selector = change(expr.selector)
            assert isinstance(selector, VectorSelector)
            span = (expr.span[0], self._end)
            return self._made(replace(expr, selector=self._made(selector), span=span))
        message = f"{what} modifier must be preceded by an instant vector selector or range vector selector"
        raise self._fail(f"{message} or a subquery", at=expr.span[0])
