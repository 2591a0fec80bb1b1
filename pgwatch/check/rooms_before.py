"""Which rooms look before a migration: whether it could run, what would fail, whom it would hold up."""

from collections.abc import Collection, Sequence
from pathlib import Path

from pgwatch.check import migration_locks, migration_preflight, migration_readiness
from pgwatch.check.extra import ExtraCheck
from pgwatch.rules.accepted import Accepted


def wanted_before(names: Collection[str]) -> bool:
    """Return whether one of them is among the checks `names`."""
    rooms = (migration_readiness.NAME, migration_preflight.NAME, migration_locks.NAME)
    return any(name in names for name in rooms)


def rooms_before(
    names: Collection[str], paths: Sequence[Path], accepted: Sequence[Accepted]
) -> list[ExtraCheck]:
    """Return those that are, for the migrations in `paths`; raises InputError if one cannot be read."""
    from pgwatch.migration.preflight.steps import read_files  # noqa: PLC0415 - brings the SQL grammar

    statements = read_files(paths)
    rooms: list[ExtraCheck] = []
    if migration_readiness.NAME in names:
        rooms.append(
            migration_readiness.ReadinessChecks(
                statements=statements, paths=paths, accepted=accepted
            )
        )
    if migration_preflight.NAME in names:
        rooms.append(migration_preflight.PreflightChecks(paths=paths, accepted=accepted))
    if migration_locks.NAME in names:
        rooms.append(migration_locks.LockChecks(statements=statements, accepted=accepted))
    return rooms
