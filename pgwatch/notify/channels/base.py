"""What every channel is, and how a receiver refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import ClassVar, Final, Protocol

from pgwatch.errors import PgwatchError
from pgwatch.notify.notification import Notification

BROKEN_FOR: Final = timedelta(minutes=15)  # until somebody may have mended it
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
_BROKEN: Final = frozenset({401, 403, 404, 407, 410})
_UNREADABLE: Final = frozenset({400, 413, 422})
_SHOWN: Final = 200  # characters of an answer that people see


class DeliveryError(PgwatchError):
    """A receiver did not take a notification; the message holds no secret and no address."""

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        unreadable: bool = False,
        broken: bool = False,
        retry_after: timedelta | None = None,
        unavailable: bool = True,
        status: int = 0,
        body: str = "",
    ) -> None:
        """`permanent`: sending the same again is useless. `retry_after`: not before that time has passed.

        `unreadable`: permanent, for the receiver cannot read this message, but perhaps a plainer one.
        `broken`: a person must mend the receiver or its configuration; it is tried again slowly.
        `unavailable`: the receiver as a whole, not this message, is the trouble.
        `status` and `body` are the answer, without secrets; 0 if there was none.
        """
        super().__init__(message)
        self.permanent = permanent or unreadable
        self.unreadable = unreadable
        self.broken = broken
        self.retry_after = retry_after or (BROKEN_FOR if broken else None)
        self.unavailable = unavailable
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What is known after a delivery."""

    answer: str = ""  # of the receiver, for people: an id, `ok`, or nothing
    memory: str = ""  # what the channel wants to know at its next message about the same group


class Channel(Protocol):
    """One way to reach one receiver."""

    kind: ClassVar[str]
    min_interval: timedelta  # between two messages
    at_once: int  # messages, each of another group, that may be on their way together

    def deliver(self, notification: Notification, memory: str = "", /) -> Receipt:
        """Deliver; `memory` is that of the last receipt for the same group, empty at first.

        Raises DeliveryError if the receiver did not take it.
        """

    def close(self) -> None:
        """Close connections that are kept open."""


def refusal(status: int, body: str, headers: Mapping[str, str]) -> DeliveryError:
    """Return the error for an HTTP `status` that is not a success.

    Overload and trouble of the server pass by themselves; a wrong key or address is retried slowly,
    because a person will mend it; what the server cannot read it never will.
    """
    reason = f"the receiver answered {status}" + (f": {shown(body)}" if body.strip() else "")
    if status in (408, 425, 429) or status >= 500:
        return DeliveryError(
            reason,
            retry_after=retry_after_of(headers, datetime.now(UTC)),
            unavailable=status != 500,
            status=status,
            body=body,
        )
    return DeliveryError(
        reason,
        permanent=status not in _BROKEN,
        unreadable=status in _UNREADABLE,
        broken=status in _BROKEN,
        status=status,
        body=body,
    )


def shown(body: str) -> str:
    """Return the start of an answer on one line, as a person reads it."""
    return " ".join(body.split())[:_SHOWN]


def retry_after_of(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return what `Retry-After` asks for, seconds or a date (RFC 9110, 10.2.3); at most an hour."""
    text = headers.get("Retry-After", "").strip()
    if (seconds := pause_of(text)) is not None:
        return seconds
    try:
        pause = parsedate_to_datetime(text) - now
    except (ValueError, TypeError):
        return None
    return min(pause, _LONGEST_RETRY_AFTER) if pause > timedelta(0) else None


def pause_of(seconds: object) -> timedelta | None:
    """Return `seconds` that a receiver asks for, a number or its text, as at most an hour; None if not."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float | str):
        return None
    try:
        pause = timedelta(seconds=float(seconds))
    except (ValueError, OverflowError):
        return None
    return min(pause, _LONGEST_RETRY_AFTER) if pause > timedelta(0) else None
