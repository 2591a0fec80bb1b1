"""The gate's checks of migrations: what they declare, beside what a target's database has."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.migration.compare import Aspect, Fault, Problem
from pgwatch.migration.cures import cure_of
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.rule import Phase, Severity
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError
from pgwatch.targets.target import Target
from pgwatch.units import format_duration

if TYPE_CHECKING:
    from pgwatch.migration.objects import Declarations
    from pgwatch.migration.verify import Verification

_ASPECTS = {
    Phase.STRUCTURE: Aspect.STRUCTURE,
    Phase.TYPES: Aspect.TYPES,
    Phase.CONSTRAINTS: Aspect.CONSTRAINTS,
}
MIGRATION_CHECKS = {f"migration_{phase}": phase for phase in _ASPECTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """What is verified, and which of the checks are wanted."""

    declarations: "Declarations"
    checks: tuple[str, ...]  # of MIGRATION_CHECKS
    accepted: Sequence[Accepted] = ()


def chosen_checks(
    phases: Iterable[Phase], only: Sequence[str], skip: Sequence[str]
) -> tuple[str, ...]:
    """Return the migration checks of `phases` that `only` and `skip` (names or patterns) leave."""
    phases = tuple(phases)
    return tuple(
        name
        for name, phase in MIGRATION_CHECKS.items()
        if phase in phases
        and (not only or any(fnmatchcase(name, pattern) for pattern in only))
        and not any(fnmatchcase(name, pattern) for pattern in skip)
    )


async def check_migrations(
    plan: MigrationPlan, target: Target, *, database: str, limit: timedelta, now: datetime
) -> list[CheckResult]:
    """Verify the migrations on `database` of `target`; returns within `limit` and a second or two.

    What kept it from looking is the reason why all its checks are unknown.
    """
    started = time.perf_counter()
    found: Verification | str
    try:
        async with asyncio.timeout(limit.total_seconds()):
            found = await _verify(plan, target, database)
    except TimeoutError:
        found = f"the time for the whole pass, {format_duration(limit)} of it left, was over"
    elapsed = time.perf_counter() - started
    results = []
    for name in plan.checks:
        verdict, reason, findings = _judged(name, found, plan.accepted, now)
        results.append(
            CheckResult(
                name=name,
                target=target.name,
                database=database,
                phase=MIGRATION_CHECKS[name],
                severity=Severity.CRITICAL,
                verdict=verdict,
                reason=reason,
                findings=findings,
                duration_seconds=elapsed,
            )
        )
    return results


async def _verify(plan: MigrationPlan, target: Target, database: str) -> "Verification | str":
    from pgwatch.migration.parse import UnparsableError  # noqa: PLC0415 - brings the SQL grammar
    from pgwatch.migration.verify import verify  # noqa: PLC0415 - brings the SQL grammar

    try:
        session, _ = await open_session(target, database)
    except ConnectError as error:
        return f"no session: {error}"
    try:
        return await verify(session, plan.declarations)
    except (RefusedError, SessionBrokenError, SilentServerError, UnparsableError) as error:
        return f"the catalogue could not be read: {error}"
    finally:
        await session.close()


def _judged(
    name: str, found: "Verification | str", accepted: Sequence[Accepted], now: datetime
) -> tuple[Verdict, str, tuple[Finding, ...]]:
    if isinstance(found, str):
        return Verdict.UNKNOWN, found, ()
    aspect = _ASPECTS[MIGRATION_CHECKS[name]]
    findings = [_finding(problem) for problem in found.problems if problem.aspect is aspect]
    counted = tuple(f for f in findings if not accepted_by(accepted, name, f.labels, now))
    verdict, reason = _verdict(counted, accepted=len(findings) - len(counted))
    return verdict, reason, counted


def _verdict(findings: Sequence[Finding], *, accepted: int) -> tuple[Verdict, str]:
    """Return `fail` for what is wrong, else `unknown` for what could not be told: never a pass."""
    untold = sum(f.labels["problem"] == Fault.UNVERIFIABLE for f in findings)
    notes = [f"{untold} could not be told"] if untold else []
    if accepted:
        notes.append(f"{accepted} accepted and not counted")
    verdict = Verdict.PASS
    if findings:
        verdict = Verdict.UNKNOWN if untold == len(findings) else Verdict.FAIL
    return verdict, "; ".join(notes)


def _finding(problem: Problem) -> Finding:
    file = _shown(problem.place.file)
    name = str(problem.key) if problem.key is not None else ""
    return Finding(
        summary=problem.message,
        description=f"declared in {file}:{problem.place.line}",
        fix=cure_of(problem),
        labels={
            "migration": problem.place.migration,
            "file": file,
            "line": str(problem.place.line),
            "kind": problem.kind,
            "object": name,
            "problem": str(problem.fault),
        },
        object=name,
    )


def _shown(file: Path) -> str:
    """Return the path as a person in the working folder writes it."""
    folder = Path.cwd()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
