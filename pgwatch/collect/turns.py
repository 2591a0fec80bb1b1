"""Who gets which connection next, and how long an unreachable database is left alone. Decisions only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0


class _Line(Protocol):
    database: str
    used: float


LineT = TypeVar("LineT", bound=_Line)


def assign(waiting: Iterable[str], free: Sequence[LineT]) -> list[tuple[str, LineT]]:
    """Return which of the `waiting` databases, in order, are served now by which of the `free` lines.

    A database gets the line that is connected to it. The others get unconnected lines, then those that
    were used least recently, a line whose own database is waiting last of all: so with one database
    more than lines, each round costs one new connection, and not one for each.
    """
    waiting = list(waiting)
    connected = {line.database: line for line in free if line.database}
    own = [(database, connected[database]) for database in waiting if database in connected]
    taken = [line for _, line in own]
    left = sorted(
        (line for line in free if line not in taken),
        key=lambda line: (line.database != "", line.used),
    )
    others = [database for database in waiting if database not in connected]
    return own + list(zip(others, left, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A database that could not be reached, and when it is tried again."""

    reason: str
    attempts: int
    until: float  # on the clock of `now`

    @classmethod
    def after(
        cls, previous: "Absence | None", reason: str, *, now: float, luck: float
    ) -> "Absence":
        """Return the absence after one more failed attempt; `luck` is random in [0, 1).

        The delay doubles from 1 s to 60 s, and is shortened by up to a half, so that the targets of a
        server that restarts do not all come back at the same moment.
        """
        attempts = previous.attempts + 1 if previous else 1
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempts - 1, 10))
        return cls(reason=reason, attempts=attempts, until=now + delay * (1 - luck / 2))
