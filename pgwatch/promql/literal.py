"""Numbers and durations of PromQL as Go reads them."""

import math
import re

from pgwatch.promql.lexer import Kind, Token, go_quote
from pgwatch.units import parse_duration

MAX_SECONDS = 2**63 / 1e9  # Go holds a duration as int64 nanoseconds

_OCTAL = re.compile(r"0_?[0-7]+(?:_[0-7]+)*")
_HEX = re.compile(r"0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*")


def read_number(token: Token) -> float:
    """Return the value of a number or duration token, a duration in seconds.

    Raises ValueError with the message for the user.
    """
    if token.kind is Kind.DURATION:
        return _seconds(token.text)
    text = token.text.lower()
    if _HEX.fullmatch(text):
        return _within(int(text.replace("_", ""), 16), token.text)
    if _OCTAL.fullmatch(text):  # Go reads a leading zero as octal, unless a digit forbids it
        return _within(int(text.replace("_", ""), 8), token.text)
    value = float(text)
    if math.isinf(value) and text != "inf":
        raise ValueError(
            f"error parsing number: strconv.ParseFloat: parsing {go_quote(token.text)}: value out of range"
        )
    return value


def milliseconds(seconds: float) -> int:
    """Return `seconds` in whole milliseconds, rounded as Go does: halves away from zero."""
    return int(math.copysign(math.floor(abs(seconds) * 1000 + 0.5), seconds))


def _within(value: int, text: str) -> float:
    if value >= 2**63:
        raise ValueError(
            f"error parsing number: strconv.ParseFloat: parsing {go_quote(text)}: invalid syntax"
        )
    return float(value)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except ValueError:
        raise ValueError(f"not a valid duration string: {go_quote(text)}") from None
