"""One run of the gate: poll each target once, judge every check, add up the verdict."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pgwatch.check.extra import ExtraCheck, Visit, run_extra
from pgwatch.check.judge import judge
from pgwatch.check.news import News
from pgwatch.check.seen import Seen
from pgwatch.check.spec import CheckSpec, Producers, metric_names
from pgwatch.check.verdict import (
    CheckResult,
    Report,
    TargetReport,
    Verdict,
    exit_code,
    whole,
    worst,
)
from pgwatch.check.window import fit
from pgwatch.collect.outcome import Answered, QueryRun, TimedOut, Unreachable
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.collect.probing import run_probe
from pgwatch.collect.report import UP
from pgwatch.probes.probe import ExplainedProbe, Probe
from pgwatch.promql.ast import needs_history
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.queries.query import Query
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.evaluate import NOWHERE, record
from pgwatch.rules.rule import RecordingRule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.store import Store
from pgwatch.targets.target import Target
from pgwatch.units import format_duration

_RETENTION = timedelta(hours=1)

Progress = Callable[[str, int, int], None]  # what ended, how many have, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target, the queries that its checks need, and the probes of its host."""

    target: Target
    queries: Sequence[Query]
    benchmarks: Sequence[Query] = ()  # not run here; whether they apply is asked at once
    probes: Sequence[Probe] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Everything that a run needs to know."""

    subjects: Sequence[Subject]
    http_probes: Sequence[
        ExplainedProbe
    ]  # those that belong to no target; judged under their own names
    specs: Sequence[CheckSpec]
    groups: Sequence[RuleGroup]  # for the recording rules among them
    producers: Producers
    accepted: Sequence[Accepted] = ()
    timeout: timedelta = timedelta(seconds=60)
    strict: bool = False
    fail_on_warn: bool = False
    surroundings: Surroundings = NOWHERE  # for the templates of rules
    extra: Sequence[ExtraCheck] = ()  # what no rule tells, in this order
    window: timedelta | None = None  # look twice, this far apart, for rules that need history
    twice: frozenset[str] = frozenset()  # the queries and probes asked at its beginning, too
    news: News | None = None  # what a baseline knew; None: nothing is said to be new or old


async def run_check(plan: CheckPlan, on_progress: Progress = lambda *_: None) -> Report:
    """Run the gate once; returns within `plan.timeout` and a few seconds, whatever the servers do."""
    started, clock = datetime.now(UTC), time.perf_counter()
    extras = sum(len(extra.names) for extra in plan.extra)
    count = _Count(on_progress, sum(1 + len(s.queries) + extras for s in plan.subjects))
    measured, probed = await asyncio.gather(
        asyncio.gather(*(_measure(subject, plan, count) for subject in plan.subjects)),
        asyncio.gather(*(_probe_alone(probe, plan) for probe in plan.http_probes)),
    )
    targets = [report for one in measured for report in one.targets]
    checks = [check for one in measured for check in one.checks]
    for probe, (run, earlier) in zip(plan.http_probes, probed, strict=True):
        name = run.source.target
        judged = _judge(plan, [run], earlier, target=name, database="", of_probe=True)
        checks += [_because(check, probe.reason) for check in judged]
    if plan.news is not None:
        checks = [plan.news.marked(check) for check in checks]
    verdict = whole(checks, strict=plan.strict)
    if any(target.error for target in targets):
        verdict = worst([verdict, Verdict.UNKNOWN])
    return Report(
        targets=targets,
        checks=checks,
        started=started,
        duration_seconds=time.perf_counter() - clock,
        verdict=verdict,
        exit_code=exit_code(verdict, fail_on_warn=plan.fail_on_warn),
        strict=plan.strict,
        fail_on_warn=plan.fail_on_warn,
    )


class _Count:
    """Counts what has ended, for whoever watches."""

    def __init__(self, on_progress: Progress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._ended = 0

    def __call__(self, run: QueryRun) -> None:
        self.ended([run.source.query])

    def ended(self, names: Sequence[str]) -> None:
        """Count what has ended."""
        self._ended += len(names)
        if names:
            self.say(names[-1])

    def say(self, text: str) -> None:
        """Tell what is going on, without any more of it being done."""
        self._on_progress(text, self._ended, max(self._total, self._ended))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One target's part of the report."""

    targets: list[TargetReport]
    checks: list[CheckResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """What was seen at the beginning of the window."""

    begun: datetime
    runs: Sequence[QueryRun]


async def _measure(subject: Subject, plan: CheckPlan, count: _Count) -> _Measured:
    started = time.monotonic()
    earlier = await _look_before(subject, plan, count)
    left = plan.timeout - timedelta(seconds=time.monotonic() - started)
    polled, probed = await asyncio.gather(
        poll_once(
            subject.target,
            subject.queries,
            deadline=left,
            also=subject.benchmarks,
            on_progress=count,
        ),
        asyncio.gather(*(_probe(probe, left) for probe in subject.probes)),
    )
    targets = [_target_report(one) for one in polled]
    if all(one.info is None for one in polled):
        return _Measured(targets=targets, checks=[])  # nothing was seen, so nothing is judged
    runs = [_lost_or_as_it_is(run) for one in polled for run in one.runs] + list(probed)
    database = polled[0].database if len(polled) == 1 else ""
    checks = _judge(plan, runs, earlier, target=subject.target.name, database=database)
    # One after another and after the polling: the cap of connections holds.
    for extra in plan.extra:
        visit = Visit(
            target=subject.target,
            polled=polled,
            limit=plan.timeout - timedelta(seconds=time.monotonic() - started),
            now=datetime.now(UTC),
            say=count.say,
        )
        checks += await run_extra(extra, visit)
        count.ended(extra.names)
    return _Measured(targets=targets, checks=checks)


async def _look_before(subject: Subject, plan: CheckPlan, count: _Count) -> _Earlier | None:
    """Ask what is asked twice, and wait for the window to pass; None where there is none."""
    if plan.window is None:
        return None
    begun = datetime.now(UTC)
    queries = [query for query in subject.queries if query.name in plan.twice]
    probes = [probe for probe in subject.probes if probe.source.query in plan.twice]
    polled, probed = await asyncio.gather(
        poll_once(subject.target, queries, deadline=plan.timeout - plan.window),
        asyncio.gather(*(_probe(probe, plan.timeout - plan.window) for probe in probes)),
    )
    count.say(f"{subject.target.name}: --window {format_duration(plan.window)}")
    await asyncio.sleep(plan.window.total_seconds())
    runs = [_lost_or_as_it_is(run) for one in polled for run in one.runs]
    return _Earlier(begun=begun, runs=[*runs, *probed])


def _because(check: CheckResult, reason: str) -> CheckResult:
    """Return `check` of a probe with why it failed, where it found that."""
    if not check.findings or not reason:
        return check
    return replace(check, reason="; ".join(filter(None, (check.reason, reason))))


async def _probe_alone(probe: Probe, plan: CheckPlan) -> tuple[QueryRun, _Earlier | None]:
    """Ask an HTTP probe, twice if there is a window and a check that needs it."""
    if plan.window is None or probe.source.query not in plan.twice:
        return await _probe(probe, plan.timeout), None
    begun = datetime.now(UTC)
    first = await _probe(probe, plan.timeout - plan.window)
    await asyncio.sleep(plan.window.total_seconds())
    return await _probe(probe, plan.timeout), _Earlier(begun=begun, runs=[first])


async def _probe(probe: Probe, at_most: timedelta) -> QueryRun:
    run = await run_probe(probe)
    if run.elapsed_seconds < at_most.total_seconds():
        return run
    # Cut short by us: that it brought nothing says nothing about what it observes.
    reason = f"the time for the whole pass, {format_duration(at_most)}, was over"
    return replace(run, outcome=TimedOut(limit=at_most, reason=reason), collected=None)


def _lost_or_as_it_is(run: QueryRun) -> QueryRun:
    """Return `run`; a `pg_up 0` becomes "could not tell", as no session at all does.

    That the gate's session broke, or that one of several databases let nobody in, is no finding about it.
    """
    if run.source.query == UP and isinstance(run.outcome, Answered):
        _, reason = run.outcome.rows[0]
        if reason:
            return replace(run, outcome=Unreachable(reason=reason), collected=None)
    return run


def _target_report(polled: Polled) -> TargetReport:
    info = polled.info
    return TargetReport(
        name=polled.target,
        database=polled.database,
        role=str(info.role) if info else "",
        server_version=info.version.split(" ", 1)[0] if info else "",
        error=polled.error or polled.unwatched,
    )


def _judge(
    plan: CheckPlan,
    runs: Sequence[QueryRun],
    earlier: _Earlier | None,
    *,
    target: str,
    database: str,
    of_probe: bool = False,
) -> list[CheckResult]:
    """Judge one target; the HTTP probes have their own checks, and each of them is judged like a target."""
    now = datetime.now(UTC)
    store = Store(max(_RETENTION, 2 * (plan.window or timedelta(0))))
    engine = Engine(store)
    before = _taken(store, earlier.runs if earlier else ())
    if earlier:
        # At the time of the newest answer: what a rule records then is not newer than what it reads.
        _record(plan, store, engine, _newest(earlier), earlier)
    by_source = _taken(store, runs)
    seen = Seen(
        runs=by_source,
        engine=engine,
        now=now,
        broken=_record(plan, store, engine, now, earlier),
        surroundings=plan.surroundings,
        earlier=before,
        begun=earlier.begun if earlier else None,
    )
    probes = {probe.source.query for probe in plan.http_probes}
    return [
        judge(
            spec,
            seen,
            target=target,
            database=database,
            producers=plan.producers,
            accepted=plan.accepted,
        )
        for spec in plan.specs
        if of_probe is _is_of_probes(spec, plan.producers, probes)
    ]


def _taken(store: Store, runs: Sequence[QueryRun]) -> dict[str, list[QueryRun]]:
    """Put the samples of `runs` into `store`; returns them by the name of their source."""
    by_source: defaultdict[str, list[QueryRun]] = defaultdict(list)
    for run in runs:
        by_source[run.source.query].append(run)
        if run.collected is not None:
            store.append(run.collected)
    return by_source


def _newest(earlier: _Earlier) -> datetime:
    times = [run.time_ms for run in earlier.runs if run.collected is not None]
    return datetime.fromtimestamp(max(times) / 1000, UTC) if times else earlier.begun


def _is_of_probes(spec: CheckSpec, producers: Producers, probes: Collection[str]) -> bool:
    """Return whether nothing but HTTP probes brings what `spec` reads."""
    sources = frozenset[str]().union(*(producers.of(rule) for rule in spec.rules))
    return bool(sources) and sources <= frozenset(probes)


def _record(
    plan: CheckPlan, store: Store, engine: Engine, now: datetime, earlier: _Earlier | None
) -> dict[str, str]:
    """Evaluate the recording rules that this run sees enough for, in order; rates are over the window.

    Returns the metrics that are not complete because a rule failed, and why.
    """
    span = now - earlier.begun if earlier else timedelta(0)
    broken: dict[str, str] = {}
    for group in plan.groups:
        for rule in group.rules:
            if not isinstance(rule, RecordingRule) or rule.name in plan.producers.historic:
                continue
            try:
                fitted = rule
                if plan.window is not None and needs_history(rule.expr):
                    fitted = replace(rule, expr=fit(rule.expr, window=plan.window, span=span).expr)
                store.append(record(fitted, engine, round(now.timestamp() * 1000)).collected)
            except PromqlError as error:
                broken[rule.name] = f"recording rule {rule.name} failed: {error}"
            for name in metric_names(rule):
                if name in broken:
                    broken.setdefault(rule.name, broken[name])
    return broken
