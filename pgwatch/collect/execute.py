"""Runs one query on one connection and says, with exactly one Outcome, how that ended."""

from collections.abc import Iterable

from pgwatch.collect.blocker import find_blocker
from pgwatch.collect.grant import find_grant
from pgwatch.collect.line import Line
from pgwatch.collect.outcome import (
    Answered,
    Blocked,
    Denied,
    Failed,
    NotApplicable,
    Outcome,
    TimedOut,
    Unreachable,
)
from pgwatch.errors import PgwatchError
from pgwatch.queries.query import Inapplicable, Lacking, Query, Runnable, plan
from pgwatch.targets.connect import ConnectError
from pgwatch.targets.server_info import Asked
from pgwatch.targets.session import (
    LOCK_TIMEOUT,
    RefusedError,
    Session,
    SessionBrokenError,
    SilentServerError,
)
from pgwatch.targets.target import ServerInfo
from pgwatch.units import format_duration

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
_FEATURE_NOT_SUPPORTED = "0A000"
_NOT_LOADED = "55000"  # of an extension that shared_preload_libraries does not name, among others
_NO_RELATION = frozenset({"42P01", "3F000"})


async def execute(line: Line, database: str, query: Query) -> Outcome:
    """Run `query` in `database` if it applies there; a broken session is replaced once."""
    try:
        return await _attempt(line, database, query)
    except SessionBrokenError:
        pass  # ended by an administrator, a failover, a firewall: a new one may work at once
    try:
        return await _attempt(line, database, query)
    except SessionBrokenError as error:
        return Unreachable(reason=str(error), sqlstate=error.sqlstate)


async def _attempt(line: Line, database: str, query: Query) -> Outcome:
    try:
        session, info = await line.session(database)
    except ConnectError as error:
        return Unreachable(reason=str(error), sqlstate=error.sqlstate)
    planned = before_asking(query, info)
    if isinstance(planned, Runnable):
        return await _run(session, query, planned)
    return planned


def asked_for(queries: Iterable[Query]) -> Asked:
    """Return what must be known about a server before `queries` run there (`before_asking`)."""
    requires = [query.requires for query in queries]
    return Asked(
        settings=frozenset(name for one in requires for name in one.settings),
        relations=frozenset(name for one in requires for name in one.relations),
    )


def before_asking(query: Query, info: ServerInfo) -> Runnable | NotApplicable | Denied:
    """Return how `query` runs on the server, or the outcome that is known before it runs."""
    for relation in query.requires.relations:
        if relation in info.absent_relations:
            # Running it all the same would write an error into the server's log each time.
            reason = f"relation {relation} does not exist in database {info.database}"
            return NotApplicable(reason=reason)
    planned = plan(query, info)
    if isinstance(planned, Inapplicable):
        return NotApplicable(reason=planned.reason)
    if isinstance(planned, Lacking):
        return Denied(reason=planned.reason, grant=planned.grant)
    return planned


async def _run(session: Session, query: Query, planned: Runnable) -> Outcome:
    try:
        answer = await session.run(planned.sql, limit=query.timeout)
    except SilentServerError as error:
        return TimedOut(limit=query.timeout, reason=str(error))
    except RefusedError as error:
        return await _explain(session, query, planned, error)
    return Answered(columns=answer.columns, rows=answer.rows, elapsed=answer.elapsed)


async def _explain(
    session: Session, query: Query, planned: Runnable, error: RefusedError
) -> Outcome:
    if error.sqlstate == LOCK_NOT_AVAILABLE:
        return await explain_lock(session, planned.sql)
    if error.sqlstate == INSUFFICIENT_PRIVILEGE:
        reason = str(error)
        grant = await find_grant(session, planned.sql, reason, query.requires.relations)
        return Denied(reason=reason, grant=grant)
    return classify(query, planned, error)


def classify(query: Query, planned: Runnable, error: RefusedError) -> Outcome:
    """Return what a refusal means, where the server need not be asked anything further."""
    sqlstate, reason, elapsed = error.sqlstate, str(error), error.elapsed
    if sqlstate == _CANCELED and elapsed >= 0.9 * query.timeout:
        return TimedOut(
            limit=query.timeout, reason=f"cancelled by its limit {format_duration(query.timeout)}"
        )
    if sqlstate == _FEATURE_NOT_SUPPORTED:
        return NotApplicable(reason=reason)
    if sqlstate == _NOT_LOADED and "shared_preload_libraries" in reason:
        return NotApplicable(reason=reason)
    if sqlstate in _NO_RELATION and query.requires.relations:
        # The query says that not every database has them; any other absent relation is a fault.
        return NotApplicable(reason=reason)
    return Failed(reason=f"{reason} ({planned.place(error.position)})", sqlstate=sqlstate)


async def explain_lock(session: Session, sql: str) -> Blocked:
    """Return who held the lock that `sql` has just failed to get; raises SessionBrokenError."""
    waited = f"no lock within {format_duration(LOCK_TIMEOUT)}"
    try:
        blocker = await find_blocker(session, sql)
    except SessionBrokenError:
        raise
    except PgwatchError as error:
        return Blocked(reason=f"{waited}; who holds it could not be read: {error}")
    if blocker is None:
        return Blocked(reason=f"{waited}; nobody holds it any more")
    return Blocked(
        reason=f"{waited}: {blocker.holds}",
        pid=blocker.pid,
        query=blocker.query,
        since=blocker.since,
    )
