"""Which databases of a server are watched."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

from pgwatch.targets.session import Session

# A connection limit of -2 marks a database whose DROP was interrupted (PostgreSQL 15.4 and later).
_SQL = """
SELECT d.datname::text AS datname
FROM pg_catalog.pg_database AS d
WHERE d.datallowconn
  AND NOT d.datistemplate
  AND d.datconnlimit <> -2
  AND pg_catalog.has_database_privilege(d.oid, 'CONNECT')
ORDER BY d.datname
"""
_WILD = frozenset("*?[")


async def list_databases(session: Session, *, limit: timedelta) -> tuple[str, ...]:
    """Return the names of all databases that we may connect to, without templates, in order."""
    answer = await session.run(_SQL, limit=limit)
    return tuple(row[0] for row in answer.rows)


def choose_databases(
    existing: Iterable[str], wanted: Sequence[str], *, own: str
) -> tuple[str, ...]:
    """Return those of `existing` that `wanted` names, in order; `own` is the DSN's database.

    `wanted` holds names, patterns (`app_*`), `all`, and exclusions (`!test_*`, which win); nothing but
    exclusions means all others; nothing at all means `own`. A plain name is kept also where no such
    database exists: that it cannot be reached is what its user must hear.
    """
    if not wanted:
        return (own,)
    existing = tuple(existing)
    included = [pattern for pattern in wanted if not pattern.startswith("!")]
    excluded = [pattern[1:] for pattern in wanted if pattern.startswith("!")]
    if not included or "all" in included:
        chosen = set(existing)
    else:
        chosen = {name for name in existing if any(fnmatchcase(name, p) for p in included)}
    chosen.update(name for name in included if name != "all" and not _WILD.intersection(name))
    return tuple(sorted(name for name in chosen if not any(fnmatchcase(name, p) for p in excluded)))
