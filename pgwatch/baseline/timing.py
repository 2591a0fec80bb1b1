"""Times one benchmark: so many runs in one read-only transaction, which is rolled back."""

import json
import math
from collections.abc import Sequence

from pgwatch.baseline.model import NotTimed, Timed, Timing
from pgwatch.baseline.plan import shape
from pgwatch.collect.execute import (
    INSUFFICIENT_PRIVILEGE,
    LOCK_NOT_AVAILABLE,
    before_asking,
    classify,
    explain_lock,
)
from pgwatch.collect.grant import find_grant
from pgwatch.collect.outcome import Denied, Failed, NotApplicable, TimedOut
from pgwatch.queries.query import Query, Runnable
from pgwatch.targets.session import Answer, RefusedError, Session
from pgwatch.targets.target import ServerInfo
from pgwatch.units import format_duration

_EXPLAIN = "EXPLAIN (FORMAT JSON) "


async def time_benchmark(session: Session, info: ServerInfo, query: Query) -> Timed:
    """Return how long `query`, a benchmark, takes on the session's database, as a client sees it.

    Raises SessionBrokenError and SilentServerError.
    """
    benchmark = query.benchmark
    assert benchmark is not None
    planned = before_asking(query, info)
    if isinstance(planned, NotApplicable):
        return NotTimed(name=query.name, reason=planned.reason, applies=False)
    if isinstance(planned, Denied):
        return NotTimed(name=query.name, reason=planned.reason, applies=True, cure=planned.grant)
    try:
        seconds, plan = await _runs(session, query, planned, benchmark.runs)
    except RefusedError as error:
        return await _refused(session, query, planned, error)
    return Timing(
        name=query.name,
        limit_seconds=benchmark.limit.total_seconds(),
        runs=len(seconds),
        p50_seconds=round(quantile(seconds, 0.5), 6),
        p95_seconds=round(quantile(seconds, 0.95), 6),
        plan=plan,
    )


def quantile(seconds: Sequence[float], share: float) -> float:
    """Return the smallest of `seconds` that at least `share` of them do not exceed (nearest rank)."""
    ordered = sorted(seconds)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


async def _runs(
    session: Session, query: Query, planned: Runnable, count: int
) -> tuple[list[float], tuple[str, ...]]:
    if session.pooled:  # each statement is in such a transaction of its own
        return await _timed(session, query, planned, count)
    # One limit for all: the session would set another one inside of the transaction, and lose it.
    await session.run("BEGIN READ ONLY", limit=query.timeout)
    try:
        return await _timed(session, query, planned, count)
    finally:
        if not session.closed:
            await session.run("ROLLBACK", limit=query.timeout)


async def _timed(
    session: Session, query: Query, planned: Runnable, count: int
) -> tuple[list[float], tuple[str, ...]]:
    explained = await _explain(session, query, planned)
    tree = explained.rows[0][0]
    tree = json.loads(tree) if isinstance(tree, str) else tree
    seconds = []
    for _ in range(count):
        answer = await session.run(planned.sql, limit=query.timeout)
        seconds.append(answer.elapsed.total_seconds())
    return seconds, shape(tree[0]["Plan"])


async def _explain(session: Session, query: Query, planned: Runnable) -> Answer:
    try:
        return await session.run(_EXPLAIN + planned.sql, limit=query.timeout)
    except RefusedError as error:
        if error.position is not None:
            error.position -= len(_EXPLAIN)
        raise


async def _refused(
    session: Session, query: Query, planned: Runnable, error: RefusedError
) -> NotTimed:
    if error.sqlstate == LOCK_NOT_AVAILABLE:
        blocked = await explain_lock(session, planned.sql)
        return NotTimed(name=query.name, reason=blocked.reason, applies=True)
    reason, cure = str(error), ""
    outcome = classify(query, planned, error)
    if isinstance(outcome, NotApplicable):
        return NotTimed(name=query.name, reason=outcome.reason, applies=False)
    if error.sqlstate == INSUFFICIENT_PRIVILEGE:
        cure = await find_grant(session, planned.sql, reason, query.requires.relations)
    elif isinstance(outcome, Failed):
        reason = outcome.reason
    too_slow = isinstance(outcome, TimedOut)
    if too_slow:
        reason = f"a run took longer than its timeout of {format_duration(query.timeout)}"
    return NotTimed(name=query.name, reason=reason, applies=True, cure=cure, too_slow=too_slow)
