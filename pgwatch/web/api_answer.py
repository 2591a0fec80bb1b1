"""The envelope of Prometheus's HTTP API: `{"status": "success", "data": …}`, or an error with its kind.

Source: Prometheus 3 `web/api/v1/api.go`.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from starlette.responses import Response

from pgwatch.errors import PgwatchError
from pgwatch.promql.format import api_number

TRUNCATED = "results truncated due to limit"
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time


class ErrorKind(StrEnum):
    """The key `errorType`."""

    BAD_DATA = "bad_data"
    EXECUTION = "execution"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    NOT_FOUND = "not_found"


_STATUS = {
    ErrorKind.BAD_DATA: 400,
    ErrorKind.EXECUTION: 422,
    ErrorKind.TIMEOUT: 503,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.NOT_FOUND: 404,
}


class ApiError(PgwatchError):
    """A request that is answered with an error."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A request that succeeded."""

    data: str  # JSON text
    notes: tuple[
        str, ...
    ] = ()  # `PromQL info: …` are the answer's infos, the rest are its warnings


def to_json(value: object) -> str:
    """Return `value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def truncated(items: list[str], limit: int) -> tuple[list[str], tuple[str, ...]]:
    """Return at most `limit` (0: all) of the `items`, and what is to be said about it."""
    if 0 < limit < len(items):
        return items[:limit], (TRUNCATED,)
    return items, ()


def success(answer: Answer) -> Response:
    """Return the response for what succeeded."""
    text = f'{{"status":"success","data":{answer.data}'
    infos = [note for note in answer.notes if note.startswith("PromQL info:")]
    for key, notes in (
        ("warnings", [note for note in answer.notes if note not in infos]),
        ("infos", infos),
    ):
        if notes:
            text += f',"{key}":{to_json(notes)}'
    return _response(text + "}", 200)


def failure(error: ApiError) -> Response:
    """Return the response for what failed."""
    body = {"status": "error", "errorType": error.kind, "error": str(error)}
    return _response(to_json(body), _STATUS[error.kind])


def _response(text: str, status: int) -> Response:
    # No Access-Control-Allow-Origin: without authentication, any web site that a person visits could
    # read the answers through their browser.
    return Response(
        text.encode("utf-8", "replace"),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def rfc3339(at: datetime | None) -> str:
    """Return a time as Go writes it, its zero time for None."""
    if at is None:
        return NEVER
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def exponent(value: float) -> str:
    """Return the value of an alert as Go's `%e` with the fewest digits: `1e+00`, `8.25e-01`."""
    if not math.isfinite(value):
        return api_number(value)
    mantissa, _, power = format(Decimal(repr(value)).normalize(), "e").partition("e")
    return f"{mantissa}e{int(power):+03d}"


def json_list(items: Iterable[str]) -> str:
    """Return JSON texts as one JSON list."""
    return f"[{','.join(items)}]"
