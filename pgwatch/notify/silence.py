"""Silences: alerts that somebody does not want to hear of for a while.

The model and its changes are Alertmanager's (`silence/silence.go`); a window that comes again and the mute
of a deploy are pgwatch's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pgwatch.notify.matcher import in_order, matches
from pgwatch.notify.window import Window
from pgwatch.samples.labels import Labels, Matcher

REMIND_BEFORE: Final = timedelta(minutes=15)  # time to make it longer
REMIND_OF: Final = timedelta(hours=1)  # a shorter one is still known to who made it
KEEP_EXPIRED: Final = timedelta(hours=120)  # as long as Alertmanager does


class SilenceError(ValueError):
    """A silence cannot be made or changed; the message is Alertmanager's where it has one."""


class SilenceState(StrEnum):
    """Where a silence is in its time."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Matching alerts are tracked and not told, from `starts_at` until `ends_at`."""

    id: str  # a UUID
    matchers: tuple[Matcher, ...]  # in Alertmanager's order; all must match
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    created_by: str
    comment: str
    window: Window | None = None  # quiet only inside it
    deploy: bool = False  # at its end one message says what stayed broken
    reported_at: datetime | None = None  # when a deploy's end was told
    reminded_at: datetime | None = None  # when it was told that it ends soon

    @property
    def is_unreported(self) -> bool:
        """Whether its end is still to be told; what was ended before it began kept nothing quiet."""
        return self.deploy and self.reported_at is None and self.starts_at < self.ends_at

    @property
    def remind_at(self) -> datetime | None:
        """When it is to be told that it ends; None: it is short, was told, or its end is told apart."""
        at = self.ends_at - REMIND_BEFORE
        is_told = self.reminded_at is not None and self.reminded_at >= at
        is_short = self.ends_at - self.starts_at < REMIND_OF
        return None if self.deploy or is_short or is_told else at

    @property
    def because(self) -> str:
        """Whose silence it is and why, for people."""
        kind = "the deploy mute of" if self.deploy else "silenced by"
        return f"{kind} {self.created_by}" + (f": {self.comment}" if self.comment else "")

    def state(self, now: datetime) -> SilenceState:
        """Return where it is at `now`; a window does not change that."""
        if now < self.starts_at:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now < self.ends_at else SilenceState.EXPIRED

    def is_quiet(self, now: datetime) -> bool:
        """Return whether it keeps alerts from being told at `now`."""
        active = self.starts_at <= now < self.ends_at
        return active and (self.window is None or self.window.contains(now))

    def matches(self, labels: Labels) -> bool:
        """Return whether it is about alerts with `labels`."""
        return matches(self.matchers, labels)

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when its quiet around `now` ends; None if it is not quiet."""
        if not self.is_quiet(now):
            return None
        end = self.window.until(now) if self.window else None
        return self.ends_at if end is None else min(self.ends_at, end)


def checked(silence: Silence, now: datetime) -> Silence:
    """Return a new `silence` as it is kept: a start that is past is now; raises SilenceError."""
    if not silence.matchers:
        raise SilenceError("invalid silence: at least one matcher required")
    if all(one.predicate()("") for one in silence.matchers):
        raise SilenceError("invalid silence: at least one matcher must not match the empty string")
    if silence.ends_at <= silence.starts_at:
        raise SilenceError("failed to create silence: start time must be before end time")
    if silence.ends_at < now:
        raise SilenceError("failed to create silence: end time can't be in the past")
    starts_at = max(silence.starts_at, now)
    return replace(
        silence, starts_at=starts_at, updated_at=now, matchers=in_order(silence.matchers)
    )


def changed(before: Silence, wanted: Silence, new_id: str, now: datetime) -> tuple[Silence, ...]:
    """Return what is saved when `before` is to be as `wanted`, the silence that then holds last.

    It stays one silence where its past is left as it was; else the old one ends and the new one gets
    `new_id`. Raises SilenceError.
    """
    kept = checked(replace(wanted, id=before.id), now)
    if _can_change(before, kept, wanted.starts_at, now):
        starts_at = before.starts_at if before.state(now) is SilenceState.ACTIVE else kept.starts_at
        return (replace(kept, starts_at=starts_at),)
    ended = () if before.state(now) is SilenceState.EXPIRED else (expired(before, now),)
    return (*ended, replace(kept, id=new_id))


def expired(silence: Silence, now: datetime) -> Silence:
    """Return `silence` ended at `now`; one that is over already stays as it is."""
    if silence.state(now) is SilenceState.EXPIRED:
        return silence
    starts_at = min(silence.starts_at, now)
    return replace(silence, starts_at=starts_at, ends_at=now, updated_at=now)


def forgotten(silences: Iterable[Silence], now: datetime) -> tuple[str, ...]:
    """Return the ids of silences that ended so long ago that nobody asks for them."""
    return tuple(one.id for one in silences if one.ends_at < now - KEEP_EXPIRED)


def _can_change(before: Silence, kept: Silence, wanted_start: datetime, now: datetime) -> bool:
    same = (before.matchers, before.deploy) == (kept.matchers, kept.deploy)
    match before.state(now):
        case SilenceState.ACTIVE:
            # Clients send times back in milliseconds or seconds.
            return same and abs(before.starts_at - wanted_start) < timedelta(seconds=1)
        case SilenceState.PENDING:
            return same and wanted_start >= now
        case SilenceState.EXPIRED:
            return False
