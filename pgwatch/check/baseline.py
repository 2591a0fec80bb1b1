"""The gate's checks beside a baseline, and its benchmarks, on each watched database of a target."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwatch.baseline.benchmarks import judge_benchmarks
from pgwatch.baseline.compare import compare, earlier, timings_before
from pgwatch.baseline.compared import Compared, Limits, skipped, unknown
from pgwatch.baseline.identity import identity
from pgwatch.check.comparison import result_of
from pgwatch.check.extra import Visit
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult
from pgwatch.collect.execute import asked_for, before_asking
from pgwatch.collect.outcome import NotApplicable
from pgwatch.collect.poll import Polled
from pgwatch.queries.query import Query
from pgwatch.rules.accepted import Accepted
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo, Target

if TYPE_CHECKING:
    from pgwatch.baseline.announced import Announced
    from pgwatch.baseline.model import Baseline, Snapshot, Timed, Timing

BENCHMARKS = "benchmarks"
_FAILING = "the database could not be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineChecks:
    """Compares what a database is like now with what it was like then."""

    names: tuple[str, ...]  # of `baseline.compare.CHECKS`, those wanted
    baseline: "Baseline"
    limits: Limits
    announced: "Announced | None" = None  # None: no migrations are named
    accepted: Sequence[Accepted] = ()

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Read each database anew and compare; what kept us from looking makes all unknown."""
        started = time.perf_counter()
        found: dict[str, dict[str, Compared]] = {}
        for one in visit.polled:
            database = one.database
            visit.say(f"reading {database} for the comparison")
            now = _out_of_reach(one) or await take(visit.target, database)
            if isinstance(now, str):
                found[database] = dict.fromkeys(self.names, unknown(now))
            else:
                before = earlier(
                    self.baseline,
                    target=visit.target.name,
                    database=database,
                    identifier=now.server.system_identifier,
                )
                found[database] = compare(before, now, limits=self.limits, announced=self.announced)
        elapsed = time.perf_counter() - started
        return [
            result_of(
                name,
                {database: compared[name] for database, compared in found.items()},
                target=visit.target.name,
                accepted=self.accepted,
                now=visit.now,
                elapsed=elapsed,
            )
            for name in self.names
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkChecks:
    """Times the benchmarks of a target's packs, beside their limits and a baseline if there is one."""

    benchmarks: Mapping[str, Sequence[Query]]  # by target
    limits: Limits
    baseline: "Baseline | None" = None
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (BENCHMARKS,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Time them in each database in turn; those whose relations are not there do not apply."""
        started = time.perf_counter()
        queries = self.benchmarks.get(visit.target.name, ())
        found: dict[str, Compared] = {}
        for one in visit.polled:
            if reason := _out_of_reach(one):
                found[one.database] = unknown(reason)
            else:
                found[one.database] = _not_here(one, queries) or await self._judged(
                    visit, one.database, queries
                )
        elapsed = time.perf_counter() - started
        (name,) = self.names
        return [
            result_of(
                name,
                found,
                target=visit.target.name,
                accepted=self.accepted,
                now=visit.now,
                elapsed=elapsed,
                compared_with=self.baseline is not None,
            )
        ]

    async def _judged(self, visit: Visit, database: str, queries: Sequence[Query]) -> Compared:
        if not queries:
            return judge_benchmarks((), (), self.limits)
        from pgwatch.baseline.timing import time_benchmark  # noqa: PLC0415 - only where there are some

        async def timed(session: Session, info: ServerInfo) -> "tuple[str, list[Timed]]":
            done = []
            for query in queries:
                visit.say(f"timing {query.name}")
                done.append(await time_benchmark(session, info, query))
            return (await identity(session))[1], done

        # Not prepared: a benchmark is planned each time, as an application's statement mostly is.
        answer = await in_session(
            visit.target, database, timed, asked=asked_for(queries), failing=_FAILING
        )
        if isinstance(answer, str):
            return unknown(answer)
        identifier, done = answer
        before: Sequence[Timing] = ()
        if self.baseline is not None:
            before = timings_before(
                self.baseline, target=visit.target.name, database=database, identifier=identifier
            )
        return judge_benchmarks(done, before, self.limits)


async def take(target: Target, database: str, benchmarks: Sequence[Query] = ()) -> "Snapshot | str":
    """Return a snapshot of `database` with timings of `benchmarks`, or why it could not be read."""
    from pgwatch.baseline.capture import capture  # noqa: PLC0415 - brings the SQL grammar

    async def captured(session: Session, info: ServerInfo) -> "Snapshot":
        return await capture(session, info, target=target.name, benchmarks=benchmarks)

    return await in_session(
        target, database, captured, asked=asked_for(benchmarks), failing=_FAILING
    )


def _not_here(polled: Polled, queries: Sequence[Query]) -> Compared | None:
    """Return why no benchmark applies, where the polling has told: that takes no session. None: one may."""
    if polled.info is None:
        return None
    planned = [before_asking(query, polled.info) for query in queries]
    reasons = [one.reason for one in planned if isinstance(one, NotApplicable)]
    return skipped("; ".join(dict.fromkeys(reasons))) if len(reasons) == len(planned) > 0 else None


def _out_of_reach(polled: Polled) -> str:
    """Return why a database cannot be read, "" if nobody knows of a reason.

    One that no query was due in was not connected to, and has neither a reason nor a ServerInfo.
    """
    return f"no session: {polled.error}" if polled.error else polled.unwatched
