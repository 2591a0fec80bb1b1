"""Structured log lines on standard error: logfmt or JSON, one line an event, never a secret.

An event's text is constant and its facts are fields:
`logger.warning("query timed out", extra={"target": name, "timeout_s": 2.0})`.
"""

import json
import logging
import math
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from pgwatch.secret import mask_passwords, redact

# What a LogRecord has by itself; everything else came in through `extra`.
_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# Masking these would garble every line about PostgreSQL and, by the gap, tell that they are the password.
_TOO_COMMON = frozenset({"postgres", "postgresql", "pgwatch", "password", "localhost"})
_SHORTEST = 4  # a shorter text stands in many words that are no secret

_hidden: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Mask these texts in everything that is logged or complained about from now on."""
    _hidden.update(
        secret for secret in secrets if len(secret) >= _SHORTEST and secret not in _TOO_COMMON
    )


def redacted(text: str) -> str:
    """Return `text` without the secrets that `hide` was told."""
    return redact(text, tuple(_hidden))  # a reload in another thread may be adding to it


def setup(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Send pgwatch's log lines of `level` and above to `stream` (standard error) as `form`.

    Replaces what an earlier call set up. `level` and `form` are those of the options.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Logfmt())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Libraries stay at warnings: at debug level urllib3 prints the paths of webhooks, which are secrets.
    logging.getLogger("pgwatch").setLevel(level.upper())


class _Structured(logging.Formatter):
    """Gives a record's fields in order; the two formats write them."""

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """Return `{key: value}` of the line, with the time in UTC to the millisecond."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        for key, value in vars(record).items():
            if key not in _OWN_ATTRIBUTES:
                # `level` and the like stay ours; a fact of that name keeps its value beside it.
                fields[f"field_{key}" if key in fields else key] = value
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class _Logfmt(_Structured):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{key}={_quoted(value)}" for key, value in self.fields(record).items())


class _Json(_Structured):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {key: _plain(value) for key, value in self.fields(record).items()}, ensure_ascii=False
        )


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it, with every text in it masked."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return _safe(str(value))


def _quoted(value: object) -> str:
    """Return `value` as logfmt writes it: quoted, in one line, where it would not be one plain word."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple | set | frozenset):
        value = ",".join(str(item) for item in value)
    text = _safe(str(value))
    if text and text.isprintable() and not any(sign in text for sign in ' ="\\'):
        return text
    return json.dumps(text, ensure_ascii=False)


def _safe(text: str) -> str:
    return redacted(mask_passwords(text))
