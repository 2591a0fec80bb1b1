"""The gate's checks of migrations: what they declare, beside what a target's database has."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pgwatch.check.extra import (
    BY_NAME,
    Visit,
    result,
    untold,
    without_accepted,
    without_statements,
)
from pgwatch.check.place import place_labels, shown
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.migration.compare import Aspect, Fault, Problem
from pgwatch.migration.cures import cure_of
from pgwatch.migration.gathered import gather
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.rule import Phase
from pgwatch.targets.session import RefusedError, Session
from pgwatch.targets.target import ServerInfo, Target

if TYPE_CHECKING:
    from pgwatch.migration.objects import Declarations
    from pgwatch.migration.verify import Verification

Cures = dict[int, str]  # by the problem's id()
_MOST_TRIED = 200  # cures
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
        if not self.declarations.statements:
            return without_statements(self.names, visit)
        started = time.perf_counter()
        found = await _verify(self.declarations, visit.target, visit.database)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        return [self._result(name, *found, visit, elapsed) for name in self.names]

    def _result(
        self, name: str, found: "Verification", cures: Cures, visit: Visit, elapsed: float
    ) -> CheckResult:
        aspect = _ASPECTS[BY_NAME[name].phase]
        findings = [_finding(one, cures[id(one)]) for one in found.problems if one.aspect is aspect]
        counted, waived = without_accepted(name, findings, self.accepted, visit.now)
        untold_count = sum(f.labels["problem"] == Fault.UNVERIFIABLE for f in counted)
        notes = (f"{untold_count} could not be told",) if untold_count else ()
        return result(
            name,
            visit,
            _verdict(counted, untold_count),
            reason="; ".join((*notes, *waived)),
            findings=counted,
            elapsed=elapsed,
        )


async def _verify(
    declarations: "Declarations", target: Target, database: str
) -> "tuple[Verification, Cures] | str":
    from pgwatch.migration.parse import UnparsableError  # noqa: PLC0415 - brings the SQL grammar
    from pgwatch.migration.verify import verify  # noqa: PLC0415 - brings the SQL grammar

    async def verified(session: Session, _: ServerInfo) -> "tuple[Verification, Cures]":
        found = await verify(session, declarations)
        found = replace(found, problems=tuple(gather(found.problems)))
        return found, await _cures(session, found.problems)

    return await in_session(target, database, verified, unreadable=(UnparsableError,))


async def _cures(session: Session, problems: Sequence[Problem]) -> Cures:
    """Return the cures, and with those that would fail as things are now the reason."""
    from pgwatch.migration.preflight.predict import refusals  # noqa: PLC0415 - brings the SQL grammar

    cures = {id(one): cure_of(one) for one in problems}
    tried = [key for key, sql in cures.items() if sql and not sql.startswith("REINDEX")]
    if not 0 < len(tried) <= _MOST_TRIED:
        return cures
    try:
        reasons = await refusals(session, [cures[key] for key in tried])
    except RefusedError:
        return cures
    for key, reason in zip(tried, reasons, strict=True):
        if reason:
            cures[key] += f"\n-- this would fail now: {reason}"
    return cures


def _verdict(findings: Sequence[Finding], untold_count: int) -> Verdict:
    """Return `fail` for what is wrong, else `unknown` for what could not be told: never a pass."""
    if not findings:
        return Verdict.PASS
    return Verdict.UNKNOWN if untold_count == len(findings) else Verdict.FAIL


def _finding(problem: Problem, cure: str) -> Finding:
    keys = problem.together or filter(None, (problem.key,))
    name = ", ".join(map(str, keys))
    place = problem.place
    return Finding(
        summary=problem.message,
        description=_where(problem),
        fix=cure,
        labels={
            **place_labels(place),
            "kind": problem.kind,
            "object": name,
            "problem": str(problem.fault),
        },
        object=name,
    )


def _where(problem: Problem) -> str:
    place = problem.place
    text = f"declared in {shown(place.file)}:{place.line}"
    if place.refused:
        text += f", which PostgreSQL refuses: {place.refused}"
    if problem.also:
        same = [f"{shown(p.file) if p.file != place.file else ''}:{p.line}" for p in problem.also]
        wants = "want" if same[1:] else "wants"
        text += f"; what {', '.join(same)} {wants} of it is not there either"
    return text
