"""Times one benchmark: so many runs in one read-only transaction, which is rolled back."""

import json
import math
from collections.abc import Sequence

from pgwatch.baseline.model import NotTimed, Timed, Timing
from pgwatch.baseline.plan import shape
from pgwatch.collect.execute import before_asking, classify
from pgwatch.collect.grant import find_grant
from pgwatch.collect.outcome import Denied, NotApplicable, TimedOut
from pgwatch.queries.query import Query, Runnable
from pgwatch.targets.session import RefusedError, Session
from pgwatch.targets.target import ServerInfo
from pgwatch.units import format_duration

_NO_PRIVILEGE = "42501"


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
    explained = await session.run(f"EXPLAIN (FORMAT JSON) {planned.sql}", limit=query.timeout)
    tree = explained.rows[0][0]
    tree = json.loads(tree) if isinstance(tree, str) else tree
    seconds = []
    for _ in range(count):
        answer = await session.run(planned.sql, limit=query.timeout)
        seconds.append(answer.elapsed.total_seconds())
    return seconds, shape(tree[0]["Plan"])


async def _refused(
    session: Session, query: Query, planned: Runnable, error: RefusedError
) -> NotTimed:
    reason, cure = str(error), ""
    outcome = classify(query, error.sqlstate, reason, error.elapsed)
    if isinstance(outcome, NotApplicable):
        return NotTimed(name=query.name, reason=outcome.reason, applies=False)
    if error.sqlstate == _NO_PRIVILEGE:
        cure = await find_grant(session, planned.sql, reason)
    too_slow = isinstance(outcome, TimedOut)
    if too_slow:
        reason = f"a run took longer than its timeout of {format_duration(query.timeout)}"
    return NotTimed(name=query.name, reason=reason, applies=True, cure=cure, too_slow=too_slow)
