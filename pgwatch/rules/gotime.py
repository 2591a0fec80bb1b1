"""Times and durations as Go's templates print and use them."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gotime.go import Time

_ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)  # Go's zero time: what has no end ends then


class GoDuration(str):
    """A duration that prints as Go's (`1h2m3.5s`) and has its methods."""

    __slots__ = ("value",)
    value: timedelta

    def __new__(cls, value: timedelta) -> "GoDuration":
        """Return `value` with Go's text."""
        made = super().__new__(cls, _duration_text(value))
        made.value = value
        return made

    def Seconds(self) -> float:  # noqa: N802 (Go's name)
        """Return the seconds."""
        return self.value.total_seconds()

    def Minutes(self) -> float:  # noqa: N802 (Go's name)
        """Return the minutes."""
        return self.value.total_seconds() / 60

    def Hours(self) -> float:  # noqa: N802 (Go's name)
        """Return the hours."""
        return self.value.total_seconds() / 3600


class GoTime(str):
    """A time that prints as Go's and has the methods that templates use."""

    __slots__ = ("moment", "zone")
    moment: datetime
    zone: str

    def __new__(cls, moment: datetime | None, zone: str = "") -> "GoTime":
        """Return `moment` (None: Go's zero time) in the IANA time zone `zone`, else in UTC."""
        try:
            local = (moment or _ZERO).astimezone(ZoneInfo(zone) if zone else UTC)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {zone}") from None
        fraction = f".{local.microsecond:06d}".rstrip("0") if local.microsecond else ""
        place = local.strftime("%z") + " " + (local.tzname() or "")
        made = super().__new__(cls, f"{_day(local)} {local:%H:%M:%S}{fraction} {place}")
        made.moment = local
        made.zone = zone
        return made

    def Format(self, layout: str) -> str:  # noqa: N802 (Go's name)
        """Return it as Go's layout wants it, such as `2006-01-02 15:04:05 MST`."""
        return str(Time.from_datetime(self.moment).format(layout))

    def Unix(self) -> int:  # noqa: N802 (Go's name)
        """Return the seconds since 1970."""
        return int(self.moment.timestamp() // 1)

    def UnixMilli(self) -> int:  # noqa: N802 (Go's name)
        """Return the milliseconds since 1970."""
        return int(self.moment.timestamp() * 1000 // 1)

    def UTC(self) -> "GoTime":  # noqa: N802 (Go's name)
        """Return the same moment in UTC."""
        return GoTime(self.moment)

    def Local(self) -> "GoTime":  # noqa: N802 (Go's name)
        """Return the same moment in this machine's zone."""
        local = GoTime(self.moment)
        local.moment = self.moment.astimezone()
        return local

    def Sub(self, other: "GoTime") -> GoDuration:  # noqa: N802 (Go's name)
        """Return how long after `other` it is."""
        return GoDuration(self.moment - other.moment)

    def Before(self, other: "GoTime") -> bool:  # noqa: N802 (Go's name)
        """Return whether it is before `other`."""
        return self.moment < other.moment

    def After(self, other: "GoTime") -> bool:  # noqa: N802 (Go's name)
        """Return whether it is after `other`."""
        return self.moment > other.moment

    def Equal(self, other: "GoTime") -> bool:  # noqa: N802 (Go's name)
        """Return whether it is the same moment."""
        return self.moment == other.moment

    def IsZero(self) -> bool:  # noqa: N802 (Go's name)
        """Return whether it stands for no time at all."""
        return self.moment == _ZERO


METHODS: Final = (
    *("After", "Before", "Equal", "Format", "Hours", "IsZero", "Local", "Minutes", "Seconds"),
    *("Sub", "UTC", "Unix", "UnixMilli"),
)


def _day(time: datetime) -> str:
    return f"{time.year:04d}-{time.month:02d}-{time.day:02d}"  # strftime does not pad the year


def _duration_text(value: timedelta) -> str:
    """Return the text of Go's `Duration.String`."""
    micros = round(value / timedelta(microseconds=1))
    sign, micros = ("-" if micros < 0 else ""), abs(micros)
    if micros < 1_000_000:
        if not micros:
            return "0s"
        return f"{sign}{micros}µs" if micros < 1000 else f"{sign}{micros / 1000:.10g}ms"
    minutes, micros = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    whole, fraction = divmod(micros, 1_000_000)
    seconds = f"{whole}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "s"
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{seconds}"
