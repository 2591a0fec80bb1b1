"""The gate's checks of migrations: what they declare, beside what a target's database has."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pgwatch.check.extra import BY_NAME, Visit
from pgwatch.check.place import shown
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.migration.compare import Aspect, Fault, Problem
from pgwatch.migration.cures import cure_of
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.rule import Phase
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError
from pgwatch.targets.target import Target

if TYPE_CHECKING:
    from pgwatch.migration.objects import Declarations
    from pgwatch.migration.verify import Verification

_ASPECTS = {
    Phase.STRUCTURE: Aspect.STRUCTURE,
    Phase.TYPES: Aspect.TYPES,
    Phase.CONSTRAINTS: Aspect.CONSTRAINTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationChecks:
    """Verifies what migrations declare, on the DSN's own database."""

    declarations: "Declarations"
    names: tuple[str, ...]  # of migration_structure, _types and _constraints, those wanted
    accepted: Sequence[Accepted] = ()

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Verify the migrations; what kept us from looking is the reason why all are unknown."""
        started = time.perf_counter()
        found = await _verify(self.declarations, visit.target, visit.database)
        elapsed = time.perf_counter() - started
        results = []
        for name in self.names:
            verdict, reason, findings = _judged(name, found, self.accepted, visit.now)
            results.append(
                CheckResult(
                    name=name,
                    target=visit.target.name,
                    database=visit.database,
                    phase=BY_NAME[name].phase,
                    severity=BY_NAME[name].severity,
                    verdict=verdict,
                    reason=reason,
                    findings=findings,
                    duration_seconds=elapsed,
                )
            )
        return results


async def _verify(
    declarations: "Declarations", target: Target, database: str
) -> "Verification | str":
    from pgwatch.migration.parse import UnparsableError  # noqa: PLC0415 - brings the SQL grammar
    from pgwatch.migration.verify import verify  # noqa: PLC0415 - brings the SQL grammar

    try:
        session, _ = await open_session(target, database, prepare=False)
    except ConnectError as error:
        return f"no session: {error}"
    try:
        return await verify(session, declarations)
    except (RefusedError, SessionBrokenError, SilentServerError, UnparsableError) as error:
        return f"the catalogue could not be read: {error}"
    finally:
        await session.close()


def _judged(
    name: str, found: "Verification | str", accepted: Sequence[Accepted], now: datetime
) -> tuple[Verdict, str, tuple[Finding, ...]]:
    if isinstance(found, str):
        return Verdict.UNKNOWN, found, ()
    aspect = _ASPECTS[BY_NAME[name].phase]
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
    file = shown(problem.place.file)
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
