"""The parameters of a request to the API: of its URL and of a form."""

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from starlette.requests import Request

from pgwatch.promql.ast import Expr, VectorSelector
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import Matcher
from pgwatch.units import parse_duration
from pgwatch.web.api_answer import ApiError, ErrorKind
from pgwatch.web.body import body_of

MAX_BODY = 1_048_576  # bytes of a form; the longest expression has 16 kB
_MAX_FIELDS = 1_000
_FURTHEST_MS = 9_000_000_000_000_000  # 285,000 years: sums of two such times fit into 64 bits
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# What Prometheus's clients send for "since ever" and "for ever".
_EXTREMES = {
    "-292273086-05-16T16:47:06Z": -_FURTHEST_MS,
    "+292277025-08-18T07:12:54.999999999Z": _FURTHEST_MS,
    "292277025-08-18T07:12:54.999999999Z": _FURTHEST_MS,
}


class Parameters:
    """What a request asks for; its methods raise ApiError in Prometheus's words."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def text(self, name: str) -> str:
        """Return the first value of `name`, "" without one."""
        return self.all(name)[0] if self.all(name) else ""

    def all(self, name: str) -> Sequence[str]:
        """Return all values of `name`."""
        return self._values.get(name, ())

    def is_true(self, name: str) -> bool:
        """Return whether `name` is `true` or `1`; absent is false."""
        value = self.text(name).lower()
        if value not in ("", "true", "false", "1", "0"):
            raise invalid(name, f"cannot parse {value!r} as a boolean")
        return value in ("true", "1")

    def time_ms(self, name: str, default: int | None = None) -> int:
        """Return a time in Unix ms: seconds or RFC 3339."""
        text = self.text(name)
        if not text and default is not None:
            return default
        try:
            return _time_ms(text)
        except ValueError:
            message = f'cannot parse "{text}" to a valid timestamp'
            raise invalid(name, message) from None

    def duration_ms(self, name: str) -> int:
        """Return a duration in ms: seconds or `1h30m`."""
        text = self.text(name)
        try:
            if _NUMBER.fullmatch(text):
                return _in_range(float(text) * 1000)
            return parse_duration(text) // timedelta(milliseconds=1)
        except ValueError:
            message = f'cannot parse "{text}" to a valid duration'
            raise invalid(name, message) from None

    def limit(self, name: str = "limit") -> int:
        """Return how many results are wanted at most, 0 for all."""
        text = self.text(name)
        if not text:
            return 0
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            raise invalid(name, f'cannot parse "{text}" to a valid limit')
        if int(text) < 0:
            raise invalid(name, "limit must be non-negative")
        return int(text)

    def expr(self, name: str = "query") -> Expr:
        """Return an expression."""
        try:
            return parse(self.text(name))
        except PromqlError as error:
            raise invalid(name, str(error)) from None

    def selectors(self, name: str = "match[]") -> list[tuple[Matcher, ...]]:
        """Return the matchers of each selector."""
        return [self._selector(name, text) for text in self.all(name)]

    def _selector(self, name: str, text: str) -> tuple[Matcher, ...]:
        try:
            selector = parse(text)
        except PromqlError as error:
            raise invalid(name, str(error)) from None
        if (
            not isinstance(selector, VectorSelector)
            or selector.offset_ms
            or selector.at is not None
        ):
            raise invalid(name, f'expected a selector such as up{{job="x"}}, got "{text}"')
        return selector.matchers


async def read_parameters(request: Request) -> Parameters:
    """Return the parameters of `request`, those of a form before those of the URL, as Go does it."""
    pairs: list[tuple[str, str]] = []
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and kind == "application/x-www-form-urlencoded":
        body = await body_of(request, MAX_BODY)
        if body is None:
            raise ApiError(ErrorKind.BAD_DATA, "http: request body too large")
        pairs += _pairs(body.decode("utf-8", "replace"))
    return Parameters([*pairs, *_pairs(request.url.query)])


def invalid(name: str, message: str) -> ApiError:
    """Return the error about the parameter `name`."""
    return ApiError(ErrorKind.BAD_DATA, f'invalid parameter "{name}": {message}')


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise ApiError(ErrorKind.BAD_DATA, f"error parsing form values: {error}") from None


def _time_ms(text: str) -> int:
    if text in _EXTREMES:
        return _EXTREMES[text]
    if _NUMBER.fullmatch(text):
        return _in_range(float(text) * 1000)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or "T" not in text.upper():
        raise ValueError("a time needs a zone")
    return round(at.timestamp() * 1000)


def _in_range(milliseconds: float) -> int:
    if not math.isfinite(milliseconds) or abs(milliseconds) > _FURTHEST_MS:
        raise ValueError("out of range")
    return round(milliseconds)
