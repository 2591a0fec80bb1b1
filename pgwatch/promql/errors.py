"""Errors of PromQL expressions, with the place that they are about."""

from pgwatch.errors import PgwatchError


class PromqlError(PgwatchError):
    """An expression that does not parse, or cannot be evaluated.

    `line` and `column` (from 1, in characters) name the place; both are 0 where there is none, as for a
    failure of the evaluation. The message is Prometheus's where it has one.
    """

    def __init__(self, message: str, *, line: int = 0, column: int = 0) -> None:
        self.line = line
        self.column = column
        self.message = message
        super().__init__(message)


class PromqlSyntaxError(PromqlError):
    """An expression that does not parse or type-check: `1:5: parse error: …`."""

    def __init__(self, message: str, *, line: int, column: int) -> None:
        super().__init__(message, line=line, column=column)

    def __str__(self) -> str:
        """Return Prometheus's form, `line:column: parse error: message`."""
        return f"{self.line}:{self.column}: parse error: {self.message}"
