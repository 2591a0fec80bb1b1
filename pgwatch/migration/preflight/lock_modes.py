"""Table-level locks of PostgreSQL, and what a statement asks of a table. Pure.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class LockMode(IntEnum):
    """The eight modes, numbered as the server numbers them (src/include/storage/lockdefs.h)."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        """Return the mode as the documentation writes it: `ACCESS EXCLUSIVE`."""
        return self.name.replace("_", " ")

    @property
    def hinders(self) -> str:
        """What everybody else cannot do meanwhile, "" if reading and writing go on."""
        if self is LockMode.ACCESS_EXCLUSIVE:
            return "nobody can read or write it"
        return "nobody can write to it" if self >= LockMode.SHARE else ""


# Table 13.2, "Conflicting Lock Modes": the modes that each one waits for.
_CONFLICTS = {1: {8}, 2: {7, 8}, 3: {5, 6, 7, 8}, 4: {4, 5, 6, 7, 8}, 5: {3, 4, 6, 7, 8}}
_CONFLICTS |= {6: {3, 4, 5, 6, 7, 8}, 7: {2, 3, 4, 5, 6, 7, 8}, 8: {1, 2, 3, 4, 5, 6, 7, 8}}


def conflict(one: LockMode, other: LockMode) -> bool:
    """Return whether two sessions cannot hold these on one table at once."""
    return other in _CONFLICTS[one]


def mode_named(name: str) -> LockMode:
    """Return the mode that pg_locks calls `name`, such as `AccessExclusiveLock`."""
    plain = name.removesuffix("Lock").lower()
    return next(mode for mode in LockMode if mode.name.replace("_", "").lower() == plain)


class Work(StrEnum):
    """What is done while the lock is held, that takes longer the larger the table is."""

    NONE = ""
    SCAN = "scan"  # every row is read
    BUILD = "build"  # every row is read, and an index is written
    UPDATE = "update"  # every row is written again, beside the old one
    REWRITE = "rewrite"  # table and indexes are written anew


_WEIGHT = tuple(Work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one statement asks of one table."""

    schema: str  # "" as the statement leaves it out
    table: str
    mode: LockMode
    work: Work = Work.NONE
    reason: str = ""  # why there is work: `the type of name changes from text to varchar(100)`
    cure: str = ""  # how the same is had with less of it
    snapshots: bool = False  # it waits for every transaction that could still see the old state


def heavier(one: Demand, other: Demand) -> Demand:
    """Return what two subcommands of one statement ask of the same table together."""
    work = max(one, other, key=lambda demand: _WEIGHT.index(demand.work))
    return Demand(
        schema=one.schema,
        table=one.table,
        mode=max(one.mode, other.mode),
        work=work.work,
        reason=work.reason,
        cure=work.cure,
        snapshots=one.snapshots or other.snapshots,
    )
