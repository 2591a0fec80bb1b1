"""What a comparison may answer, and by what it judges. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from pgwatch.rules.rule import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on a difference is one; the key `baseline` of the configuration."""

    slower: float = 1.5  # times the mean time before
    slower_by: timedelta = timedelta(milliseconds=5)  # and this much more of it
    min_calls: int = 20  # of a statement, before and since, that a mean is taken of
    improvement: float | None = (
        None  # share of the time that must be saved; None: none is asked for
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference that counts."""

    summary: str
    severity: Severity
    labels: Mapping[str, str]  # what tells it apart from the check's other ones
    description: str = ""
    fix: str = ""
    value: float | None = None
    object: str = ""
    new: bool = True  # False: it was so at the time of the baseline, too


class State(Enum):
    """Whether there was anything to say."""

    TOLD = "told"
    UNKNOWN = "unknown"  # in part or wholly; what was found counts all the same
    SKIPPED = "skipped"  # does not apply here


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one check of the comparison found."""

    changes: tuple[Change, ...] = ()
    state: State = State.TOLD
    reason: str = ""  # why it is unknown or skipped; else what was looked at
    cure: str = ""


def unknown(reason: str, cure: str = "") -> Compared:
    """Return that nothing can be told."""
    return Compared(state=State.UNKNOWN, reason=reason, cure=cure)


def skipped(reason: str) -> Compared:
    """Return that there is nothing to tell."""
    return Compared(state=State.SKIPPED, reason=reason)


def count(number: float, one: str, many: str = "") -> str:
    """Return `3 rows`, `1 row`."""
    return f"{number:,.0f} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Return a number of bytes as people read it: `1.4 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def duration(seconds: float) -> str:
    """Return a time as people read it: `12.3 ms`, `1.20 s`."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def at(time: float) -> str:
    """Return a Unix time as `2026-08-12 09:30:00 UTC`."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S} UTC"
