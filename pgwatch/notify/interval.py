"""Time intervals as Alertmanager's configuration writes them: office hours, weekends, the last of a month.

All fields of an interval must contain the time, each by any of its ranges (`timeinterval/timeinterval.go`).
"""

import calendar
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
# Not calendar.month_name, which follows the locale.
_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_CLOCK: Final = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)


class Range(NamedTuple):
    """From `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """One interval; a field without ranges contains every time."""

    minutes: tuple[Range, ...] = ()  # of the day
    weekdays: tuple[Range, ...] = ()  # 0 is Sunday
    days: tuple[Range, ...] = ()  # of the month; negative ones count from its end
    months: tuple[Range, ...] = ()  # 1 is January
    years: tuple[Range, ...] = ()
    zone: tzinfo = UTC

    def contains(self, time: datetime) -> bool:
        """Return whether the aware `time` lies in the interval."""
        local = time.astimezone(self.zone)
        length = calendar.monthrange(local.year, local.month)[1]
        days = tuple(r for one in self.days if (r := _day_range(one, length)) is not None)
        return (
            _in(self.minutes, local.hour * 60 + local.minute)
            and _in(self.weekdays, local.isoweekday() % 7)
            and (not self.days or (bool(days) and _in(days, local.day)))
            and _in(self.months, local.month)
            and _in(self.years, local.year)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a route is quiet: in any of `mute`, and outside all of `active` if there are any."""

    mute: tuple[TimeInterval, ...] = ()
    active: tuple[TimeInterval, ...] | None = None  # None: always

    def is_quiet(self, time: datetime) -> bool:
        """Return whether nothing is told at `time`."""
        if any(interval.contains(time) for interval in self.mute):
            return True
        return self.active is not None and not any(one.contains(time) for one in self.active)


ALWAYS: Final = Schedule()  # never quiet


def parse_interval(
    *,
    times: Iterable[Mapping[str, str]] = (),
    weekdays: Iterable[str] = (),
    days_of_month: Iterable[str] = (),
    months: Iterable[str] = (),
    years: Iterable[str] = (),
    location: str = "",
) -> TimeInterval:
    """Return the interval that the texts of a configuration write; raises ValueError with the cause."""
    return TimeInterval(
        minutes=tuple(_minutes(one) for one in times),
        weekdays=tuple(_named(text, _WEEKDAYS, 0, "a day of the week") for text in weekdays),
        days=tuple(_days(text) for text in days_of_month),
        months=tuple(_named(text, _MONTHS, 1, "a month") for text in months),
        years=tuple(_numbers(text, 0, 9999, "a year") for text in years),
        zone=_zone(location),
    )


def _in(ranges: Sequence[Range], value: int) -> bool:
    return not ranges or any(one.first <= value <= one.last for one in ranges)


def _day_range(days: Range, length: int) -> Range | None:
    """Return `days` in a month of `length` days, cut to it; None if nothing is left."""
    first, last = (day if day > 0 else length + 1 + day for day in days)
    if first > length or last < 1:
        return None
    return Range(max(1, first), min(length, last))


def _minutes(one: Mapping[str, str]) -> Range:
    unknown = set(one) - {"start_time", "end_time"}
    if unknown or len(one) != 2:
        raise ValueError("a time range needs start_time and end_time, and nothing else")
    start, end = (_minute(one[key]) for key in ("start_time", "end_time"))
    if start >= end:
        raise ValueError("start_time must be before end_time; split a range that passes midnight")
    return Range(start, end - 1)  # the end itself is outside


def _minute(text: str) -> int:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as 09:30 (quote it in YAML)")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _parts(text: str) -> tuple[str, str]:
    first, colon, last = text.lower().partition(":")
    return first.strip(), (last if colon else first).strip()


def _named(text: str, names: Sequence[str], base: int, what: str) -> Range:
    values = []
    for part in _parts(text):
        if part in names:
            values.append(names.index(part) + base)
        elif base and _INTEGER.fullmatch(part) and base <= int(part) < base + len(names):
            values.append(int(part))
        else:
            raise ValueError(f"{part!r} is not {what}")
    return _ordered(Range(*values), text)


def _numbers(text: str, least: int, most: int, what: str) -> Range:
    values = []
    for part in _parts(text):
        if not _INTEGER.fullmatch(part) or not least <= int(part) <= most:
            raise ValueError(f"{part!r} is not {what}")
        values.append(int(part))
    return _ordered(Range(*values), text)


def _days(text: str) -> Range:
    values = [int(part) if _INTEGER.fullmatch(part) else 0 for part in _parts(text)]
    first, last = values
    if not (1 <= abs(first) <= 31 and 1 <= abs(last) <= 31):
        raise ValueError(f"{text!r} is not days of a month: 1 to 31, or -31 to -1 from its end")
    if first < 0 < last:
        raise ValueError(f"{text!r}: the end must be negative if the start is")
    if (first < 0) == (last < 0):
        return _ordered(Range(first, last), text)
    return Range(first, last)


def _ordered(found: Range, text: str) -> Range:
    if found.first > found.last:
        raise ValueError(f"{text!r}: the start is after the end")
    return found


def _zone(location: str) -> tzinfo:
    if not location or location == "UTC":
        return UTC
    try:
        return ZoneInfo(location)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{location!r} is not a time zone such as Europe/Berlin") from error
