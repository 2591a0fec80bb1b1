"""One run of the gate: poll each target once, judge every check, add up the verdict."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pgwatch.check.judge import CheckSpec, Producers, judge
from pgwatch.check.verdict import (
    CheckResult,
    Report,
    TargetReport,
    Verdict,
    exit_code,
    whole,
    worst,
)
from pgwatch.collect.outcome import QueryRun
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.collect.probing import run_probe
from pgwatch.probes.probe import Probe
from pgwatch.promql.ast import needs_history
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.queries.query import Query
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.evaluate import record
from pgwatch.rules.rule import RecordingRule, RuleGroup
from pgwatch.samples.store import Store
from pgwatch.targets.target import Target

Progress = Callable[[str, int, int], None]  # what ended, how many have, of how many


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target, the queries that its checks need, and the probes of its host."""

    target: Target
    queries: Sequence[Query]
    probes: Sequence[Probe] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPlan:
    """Everything that a run needs to know."""

    subjects: Sequence[Subject]
    http_probes: Sequence[Probe]  # those that belong to no target; judged under their own names
    specs: Sequence[CheckSpec]
    groups: Sequence[RuleGroup]  # for the recording rules among them
    producers: Producers
    accepted: Sequence[Accepted] = ()
    timeout: timedelta = timedelta(seconds=60)
    strict: bool = False
    fail_on_warn: bool = False


async def run_check(plan: CheckPlan, on_progress: Progress = lambda *_: None) -> Report:
    """Run the gate once; returns within `plan.timeout` and a few seconds, whatever the servers do."""
    started, clock = datetime.now(UTC), time.perf_counter()
    count = _Count(on_progress, sum(len(s.queries) + len(s.probes) for s in plan.subjects))
    measured, probed = await asyncio.gather(
        asyncio.gather(*(_measure(subject, plan, count) for subject in plan.subjects)),
        asyncio.gather(*(run_probe(probe) for probe in plan.http_probes)),
    )
    targets = [report for one in measured for report in one.targets]
    checks = [check for one in measured for check in one.checks]
    for run in probed:
        checks += _judge(plan, [run], target=run.source.target, database="", probes_only=True)
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
    )


class _Count:
    """Counts what has ended, for whoever watches."""

    def __init__(self, on_progress: Progress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._ended = 0

    def __call__(self, run: QueryRun) -> None:
        self._ended += 1
        self._on_progress(run.source.query, self._ended, max(self._total, self._ended))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One target's part of the report."""

    targets: list[TargetReport]
    checks: list[CheckResult]


async def _measure(subject: Subject, plan: CheckPlan, count: _Count) -> _Measured:
    polled, probed = await asyncio.gather(
        poll_once(subject.target, subject.queries, deadline=plan.timeout, on_progress=count),
        asyncio.gather(*(run_probe(probe) for probe in subject.probes)),
    )
    targets = [_target_report(one) for one in polled]
    if all(one.info is None for one in polled):
        return _Measured(targets=targets, checks=[])  # nothing was seen, so nothing is judged
    runs = [run for one in polled for run in one.runs] + list(probed)
    database = polled[0].database if len(polled) == 1 else ""
    checks = _judge(plan, runs, target=subject.target.name, database=database)
    return _Measured(targets=targets, checks=checks)


def _target_report(polled: Polled) -> TargetReport:
    info = polled.info
    return TargetReport(
        name=polled.target,
        database=polled.database,
        role=str(info.role) if info else "",
        server_version=info.version.split(" ", 1)[0] if info else "",
        error=polled.error or "",
    )


def _judge(
    plan: CheckPlan,
    runs: Sequence[QueryRun],
    *,
    target: str,
    database: str,
    probes_only: bool = False,
) -> list[CheckResult]:
    now = datetime.now(UTC)
    store = Store()
    by_source: defaultdict[str, list[QueryRun]] = defaultdict(list)
    for run in runs:
        by_source[run.source.query].append(run)
        if run.collected is not None:
            store.append(run.collected)
    engine = Engine(store)
    _record(plan.groups, store, engine, now)
    specs = [
        spec
        for spec in plan.specs
        if not probes_only or any(plan.producers.of(rule) & by_source.keys() for rule in spec.rules)
    ]
    return [
        judge(
            spec,
            target=target,
            database=database,
            runs=by_source,
            producers=plan.producers,
            engine=engine,
            now=now,
            accepted=plan.accepted,
        )
        for spec in specs
    ]


def _record(groups: Sequence[RuleGroup], store: Store, engine: Engine, now: datetime) -> None:
    """Evaluate the recording rules that one observation is enough for, in order."""
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, RecordingRule) and not needs_history(rule.expr):
                try:
                    store.append(record(rule, engine, round(now.timestamp() * 1000)).collected)
                except PromqlError:
                    continue  # the rules that read it find nothing, and say so
