"""Alerts that come and go all the time: told a few times each way, then folded into one message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgwatch.notify.group import MemberId


@dataclass(frozen=True, slots=True, kw_only=True)
class FlapLimits:
    """When an alert flaps: the `firings`th end `within` the time is told only after it was `calm`."""

    firings: int = 5  # 0: nothing is folded
    within: timedelta = timedelta(hours=1)
    calm: timedelta = timedelta(minutes=15)


DEFAULT_LIMITS = FlapLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flap:
    """When one alert ended recently; saved, so that a restart does not begin to count anew."""

    ends: tuple[datetime, ...] = ()  # oldest first

    def after(self, end: datetime, limits: FlapLimits) -> "Flap":
        """Return the counter after one more `end`."""
        ends = tuple(one for one in self.ends if end - limits.within < one <= end)
        return Flap(ends=(*ends, end)[-max(1, limits.firings) :])

    def held_until(self, limits: FlapLimits) -> datetime | None:
        """Return until when the newest end is not told, unless it fires again; None: it is told."""
        flaps = 0 < limits.firings <= len(self.ends)
        return self.ends[-1] + limits.calm if flaps else None

    def recent(self, now: datetime, limits: FlapLimits) -> int:
        """Return how often it ended lately."""
        return sum(now - limits.within < one <= now for one in self.ends)


def outdated(
    flaps: Mapping[MemberId, Flap], now: datetime, limits: FlapLimits
) -> tuple[MemberId, ...]:
    """Return the alerts whose last end is so long ago that nothing is to be counted any more."""
    oldest = now - limits.within - limits.calm
    return tuple(i for i, flap in flaps.items() if flap.ends[-1] < oldest)
