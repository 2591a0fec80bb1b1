"""The checks that no rule makes: what they are called, and what a room must have to run its own."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pgwatch.check.spec import is_named
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.collect.poll import Polled
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.rule import Phase, Severity
from pgwatch.targets.target import Target
from pgwatch.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraSpec:
    """One such check."""

    name: str
    phase: Phase
    severity: Severity
    needs: str  # the option without which it is not there, such as `--migrations`; "": none


def _of_migrations(name: str, phase: Phase) -> ExtraSpec:
    return ExtraSpec(name=name, phase=phase, severity=Severity.CRITICAL, needs="--migrations")


def _of_baseline(name: str, severity: Severity) -> ExtraSpec:
    return ExtraSpec(name=name, phase=Phase.POST, severity=severity, needs="--baseline")


# One row for each check; `pgwatch check --list`, --only, --skip and the key `ignore` know it by this.
EXTRA_SPECS: tuple[ExtraSpec, ...] = (
    ExtraSpec(name="backup", phase=Phase.PRE, severity=Severity.CRITICAL, needs=""),
    _of_migrations("migration_readiness", Phase.PRE),
    ExtraSpec(
        name="migration_disk", phase=Phase.PRE, severity=Severity.WARNING, needs="--migrations"
    ),
    _of_migrations("migration_preflight", Phase.PRE),
    ExtraSpec(
        name="migration_locks", phase=Phase.PRE, severity=Severity.WARNING, needs="--migrations"
    ),
    _of_migrations("migration_structure", Phase.STRUCTURE),
    _of_migrations("migration_types", Phase.TYPES),
    _of_migrations("migration_constraints", Phase.CONSTRAINTS),
    _of_migrations("migration_liveness", Phase.POST),
    ExtraSpec(
        name="documentation_promises",
        phase=Phase.POST,
        severity=Severity.WARNING,
        needs="--runbook",
    ),
    ExtraSpec(name="benchmarks", phase=Phase.POST, severity=Severity.CRITICAL, needs=""),
    _of_baseline("baseline_objects", Severity.CRITICAL),
    _of_baseline("baseline_rows", Severity.CRITICAL),
    _of_baseline("baseline_sizes", Severity.WARNING),
    _of_baseline("baseline_settings", Severity.WARNING),
    _of_baseline("baseline_health", Severity.WARNING),
    _of_baseline("baseline_statements", Severity.WARNING),
    _of_baseline("baseline_performance", Severity.CRITICAL),
)
BY_NAME = {spec.name: spec for spec in EXTRA_SPECS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One look at one target."""

    target: Target
    polled: Sequence[Polled]  # what the queries brought; the first is the DSN's own database
    limit: timedelta  # what is left of the whole run's time; whoever exceeds it is cancelled
    now: datetime  # aware UTC
    say: Callable[[str], None]  # what takes long, for whoever watches: `scanning public.users`

    @property
    def database(self) -> str:
        """The database that the DSN names."""
        return self.polled[0].database


class ExtraCheck(Protocol):
    """What runs some of EXTRA_SPECS, on each target that lets us in, after its queries."""

    @property
    def names(self) -> tuple[str, ...]:
        """Those of its checks that are wanted."""
        ...

    async def run(self, visit: Visit) -> Sequence[CheckResult]:
        """Return one result for each of `names`; raises nothing that the visited server is to blame for."""
        ...


async def run_extra(check: ExtraCheck, visit: Visit) -> list[CheckResult]:
    """Run `check`; all that it was to tell is unknown if its time was not enough."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(visit.limit.total_seconds()):
            return list(await check.run(visit))
    except TimeoutError:
        reason = f"the time for the whole pass, {format_duration(visit.limit)} of it left, was over"
        return untold(check.names, visit, reason, elapsed=time.perf_counter() - started)


def untold(
    names: Iterable[str], visit: Visit, reason: str, *, elapsed: float = 0.0, cure: str = ""
) -> list[CheckResult]:
    """Return `unknown` for each of `names`, for one reason."""
    return [
        result(name, visit, Verdict.UNKNOWN, reason=reason, cure=cure, elapsed=elapsed)
        for name in names
    ]


def without_statements(names: Iterable[str], visit: Visit) -> list[CheckResult]:
    """Return `skipped` for each of `names`, where the migrations have nothing that a pass would be of."""
    reason = "the migrations have no statement"
    return [result(name, visit, Verdict.SKIPPED, reason=reason, elapsed=0.0) for name in names]


def result(
    name: str,
    visit: Visit,
    verdict: Verdict,
    *,
    elapsed: float,
    reason: str = "",
    cure: str = "",
    findings: Sequence[Finding] = (),
) -> CheckResult:
    """Return what the check `name` of EXTRA_SPECS says of the visited database."""
    return CheckResult(
        name=name,
        target=visit.target.name,
        database=visit.database,
        phase=BY_NAME[name].phase,
        severity=BY_NAME[name].severity,
        verdict=verdict,
        reason=reason,
        cure=cure,
        findings=findings,
        duration_seconds=elapsed,
    )


def without_accepted(
    name: str, findings: Sequence[Finding], accepted: Sequence[Accepted], now: datetime
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return those of `findings` that count, and the note about those that somebody accepted, if any."""
    counted = tuple(one for one in findings if not accepted_by(accepted, name, one.labels, now))
    waived = len(findings) - len(counted)
    return counted, (f"{waived} accepted and not counted",) if waived else ()


def chosen(
    specs: Iterable[ExtraSpec], phases: Collection[Phase], only: Sequence[str], skip: Sequence[str]
) -> tuple[ExtraSpec, ...]:
    """Return those of `specs` in `phases` that `only` and `skip` (names or patterns) leave."""
    return tuple(spec for spec in specs if spec.phase in phases and is_named(spec.name, only, skip))
