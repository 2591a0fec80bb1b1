"""Notices that the wall clock was set back: times that we remember then lie in the future."""

from datetime import datetime, timedelta

_SLACK = timedelta(seconds=5)  # by as much everything waits or refuses without harm


class Clock:
    """Remembers the newest time it was told."""

    def __init__(self) -> None:
        self._newest: datetime | None = None

    def set_back(self, now: datetime) -> timedelta:
        """Return by how much the clock went back since it was last told; 0 if it did not."""
        newest = self._newest
        if newest is not None and newest - _SLACK < now < newest:
            return timedelta(0)
        self._newest = now
        return timedelta(0) if newest is None else max(timedelta(0), newest - now)
