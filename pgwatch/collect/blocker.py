"""Who holds the lock that a statement of ours just failed to get; found without waiting for any lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.targets.session import Session

_LIMIT = timedelta(seconds=1)

# We only read, so only ACCESS EXCLUSIVE can stand in our way, also while it is itself still queued
# behind a long reader. When the error arrives we wait no longer: pg_blocking_pids() knows nothing.
_SQL = """
SELECT
  l.pid,
  l.granted,
  n.nspname::text AS schemaname,
  c.relname::text AS relname,
  pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 200) AS query,
  extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS open_seconds
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation'
  AND l.mode = 'AccessExclusiveLock'
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
  AND l.database IN (
    0, (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  )
ORDER BY l.granted DESC, a.xact_start, l.pid, c.relname
LIMIT 50
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One session that holds, or is queued for, an ACCESS EXCLUSIVE lock."""

    pid: int | None  # None: a prepared transaction
    relation: str  # schema.name; empty: created by a transaction that is still open
    granted: bool
    query: str  # what it runs or ran last, shortened
    since: timedelta | None  # how long its transaction has been open

    @property
    def holds(self) -> str:
        """What it does, as a part of a sentence."""
        who = f"process {self.pid}" if self.pid is not None else "a prepared transaction"
        does = "holds" if self.granted else "is queued for"
        return f"{who} {does} ACCESS EXCLUSIVE on {self.relation or 'a new relation'}"


async def find_blocker(session: Session, sql: str) -> Blocker | None:
    """Return the likeliest blocker of `sql` in the session's database; raises as `Session.run` does."""
    answer = await session.run(_SQL, limit=_LIMIT)
    return likeliest(
        [
            Blocker(
                pid=pid,
                granted=granted,
                relation=f"{schema}.{name}" if name else "",
                query=query or "",
                since=None if seconds is None else timedelta(seconds=max(0.0, seconds)),
            )
            for pid, granted, schema, name, query, seconds in answer.rows
        ],
        sql,
    )


def likeliest(blockers: Sequence[Blocker], sql: str) -> Blocker | None:
    """Return the first whose relation `sql` names, else the first of all (holders, then the oldest)."""
    named = [b for b in blockers if b.relation and b.relation.rpartition(".")[2] in sql]
    return next(iter([*named, *blockers]), None)
