"""Reading the tokens of an expression, and the words of what went wrong."""

from typing import TypeVar

from pgwatch.promql.ast import Expr, children
from pgwatch.promql.errors import PromqlSyntaxError
from pgwatch.promql.lexer import Kind, Lexer, Token, syntax_error, unquote
from pgwatch.promql.literal import read_number

MAX_DEPTH = 100  # of the tree, so that neither parsing nor evaluating it can exhaust Python's stack

_E = TypeVar("_E", bound=Expr)


class Reader:
    """One token of lookahead over a text, and what every construct needs."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lexer = Lexer(text)
        self._end = 0  # where the last token that was read ends
        self._heights: dict[int, int] = {}  # id of a node of the tree → levels in it
        self._token = self._lexer.next()

    def _advance(self) -> Token:
        token = self._token
        self._end = token.end
        self._token = self._lexer.next()
        return token

    def _is(self, *kinds: Kind) -> bool:
        """Return whether the next token is one of `kinds`."""
        return self._token.kind in kinds

    def _at(self, text: str) -> bool:
        """Return whether the next token is the punctuation, operator or keyword `text`."""
        return self._token.text == text and self._token.kind in (
            Kind.PUNCTUATION,
            Kind.OPERATOR,
            Kind.KEYWORD,
        )

    def _fail(self, message: str, *, at: int) -> PromqlSyntaxError:
        return syntax_error(self._text, at, message)

    def _unexpected(self, context: str = "", expected: str = "") -> PromqlSyntaxError:
        message = f"unexpected {self._token}"
        message += f" in {context}" if context else ""
        message += f", expected {expected}" if expected else ""
        return self._fail(message, at=self._token.start)

    def _made(self, node: _E) -> _E:
        """Return `node` after checking how high the tree has grown."""
        height = 1 + max((self._heights[id(child)] for child in children(node)), default=0)
        if height > MAX_DEPTH:
            raise self._too_deep(node.span[0])
        self._heights[id(node)] = height
        return node

    def _too_deep(self, at: int) -> PromqlSyntaxError:
        return self._fail(f"expression has more than {MAX_DEPTH} levels", at=at)

    def _number(self) -> float:
        token = self._advance()
        try:
            return read_number(token)
        except ValueError as error:
            raise self._fail(str(error), at=token.start) from None

    def _grouping(self) -> tuple[str, ...]:
        if not self._at("("):
            raise self._unexpected("grouping opts", '"("')
        self._advance()
        names: list[str] = []
        while not self._at(")"):
            names.append(self._grouping_label())
            if self._at(","):
                self._advance()
            elif not self._at(")"):
                raise self._unexpected("grouping opts", '"," or ")"')
        self._advance()
        return tuple(names)

    def _grouping_label(self) -> str:
        token = self._token
        if token.kind is Kind.STRING:
            name = unquote(token.text)
            if not name:
                raise self._fail('invalid label name for grouping: ""', at=token.start)
        elif token.kind in (Kind.IDENTIFIER, Kind.METRIC, Kind.AGGREGATION, Kind.KEYWORD) or (
            token.text.isalnum() and token.kind is Kind.OPERATOR
        ):
            name = self._text[token.start : token.end]
        else:
            raise self._unexpected("grouping opts", "label")
        self._advance()
        return name
