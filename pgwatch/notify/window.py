"""Windows that come again on days of the week, such as `mon-fri 22:00-06:00`; they may pass midnight."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_EVERY_DAY: Final = frozenset(range(7))
_DAY: Final = 24 * 60  # minutes
_TIMES: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_EXPECTED: Final = (
    "expected days and times such as `mon-fri 22:00-06:00`, `daily 01:00-02:30` or `sat,sun`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `start` to `end` on the wall clock of `zone`, each week."""

    days: frozenset[int] = _EVERY_DAY  # on which it begins; 0 is Sunday
    start: int = 0  # minute of the day
    end: int = _DAY  # outside; at or before `start`: of the next day
    zone: str = "UTC"  # IANA name

    def contains(self, at: datetime) -> bool:
        """Return whether the aware `at` lies in one of the windows."""
        return self._began_on(at) is not None

    def until(self, at: datetime) -> datetime | None:
        """Return the end of the window that `at` lies in; None outside. Another may begin there."""
        day = self._began_on(at)
        if day is None:
            return None
        last = day + timedelta(days=(self.end // _DAY) + (self.end <= self.start))
        minute = self.end % _DAY
        local = datetime.combine(last, time(minute // 60, minute % 60), tzinfo=read_zone(self.zone))
        end = local.astimezone(UTC)
        # Where the clock is set back, an hour comes twice.
        return end if end > at else local.replace(fold=1).astimezone(UTC)

    def _began_on(self, at: datetime) -> date | None:
        """Return the local day on which the window around `at` began."""
        local = at.astimezone(read_zone(self.zone))
        today, minute = local.date(), local.hour * 60 + local.minute
        wraps = self.end <= self.start
        if self._is_on(today) and minute >= self.start and (wraps or minute < self.end):
            return today
        yesterday = today - timedelta(days=1)
        return yesterday if wraps and self._is_on(yesterday) and minute < self.end else None

    def _is_on(self, day: date) -> bool:
        return day.isoweekday() % 7 in self.days

    def __str__(self) -> str:
        """Return the text that `parse_window` reads, with the zone behind it."""
        days = (
            "daily" if self.days == _EVERY_DAY else ",".join(DAYS[day] for day in sorted(self.days))
        )
        if (self.start, self.end) == (0, _DAY):
            return f"{days} {self.zone}"
        return f"{days} {_clock(self.start)}-{_clock(self.end)} {self.zone}"


def parse_window(text: str, zone: str = "UTC") -> Window:
    """Return the window that `text` writes; raises ValueError, with what was expected."""
    words = text.lower().split()
    if not 1 <= len(words) <= 2:
        raise ValueError(f"{text!r} is no window; {_EXPECTED}")
    read_zone(zone)
    days = _EVERY_DAY if words[0] == "daily" else _days(words[0], text)
    start, end = _times(words[1], text) if len(words) == 2 else (0, _DAY)
    return Window(days=days, start=start, end=end, zone=zone)


def read_zone(name: str) -> tzinfo:
    """Return the time zone called `name`; raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from error


def _days(word: str, text: str) -> frozenset[int]:
    found = set[int]()
    for part in word.split(","):
        first, _, last = part.partition("-")
        try:
            start, end = DAYS.index(first), DAYS.index(last or first)
        except ValueError:
            raise ValueError(f"{text!r}: {part!r} are no days of the week; {_EXPECTED}") from None
        found |= {day % 7 for day in range(start, end + 1 if end >= start else end + 8)}
    return frozenset(found)


def _times(word: str, text: str) -> tuple[int, int]:
    match = _TIMES.fullmatch(word)
    if match is not None:
        hour, minute, last_hour, last_minute = map(int, match.groups())
        start, end = hour * 60 + minute, last_hour * 60 + last_minute
        if max(minute, last_minute) < 60 and start < _DAY and 0 <= end <= _DAY and start != end:
            return start, end
    raise ValueError(f"{text!r}: {word!r} is no part of a day; {_EXPECTED}")


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
