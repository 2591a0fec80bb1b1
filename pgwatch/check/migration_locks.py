"""The check `migration_locks`: whom a migration would hold up, and who would make it wait now."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwatch.check.extra import BY_NAME, Visit, result, untold, without_accepted
from pgwatch.check.place import place_labels, quoted, shown
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings
from pgwatch.rules.accepted import Accepted
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

if TYPE_CHECKING:
    from pgwatch.migration.preflight.locks import LockReport, LockRisk
    from pgwatch.migration.sqlfile import Statement

NAME = "migration_locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChecks:
    """Holds the locks of a migration against the tables and the sessions of now."""

    statements: "Sequence[Statement]"
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (NAME,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Return the check; what kept us from looking is the reason why it is unknown."""
        started = time.perf_counter()
        found = await self._look(visit)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        findings = [_finding(risk) for risk in found.risks]
        counted, waived = without_accepted(NAME, findings, self.accepted, visit.now)
        verdict = of_findings(BY_NAME[NAME].severity, found=bool(counted))
        if found.unread and not counted:
            verdict = Verdict.UNKNOWN
        reason = "; ".join((*_notes(found), *waived))
        return [result(NAME, visit, verdict, reason=reason, findings=counted, elapsed=elapsed)]

    async def _look(self, visit: Visit) -> "LockReport | str":
        from pgwatch.migration.preflight.locks import lock_risks  # noqa: PLC0415 - brings the grammar

        async def looked(session: Session, _: ServerInfo) -> "LockReport":
            return await lock_risks(session, self.statements)

        return await in_session(visit.target, visit.database, looked)


def _notes(report: "LockReport") -> Iterator[str]:
    if report.estimated:
        yield "a lock is in the way: sizes are as of the last VACUUM or ANALYZE"
    if report.unread:
        first = report.unread[0]
        count = f"{len(report.unread)} statement{'s' * (len(report.unread) > 1)}"
        place = f"{shown(first.file)}:{first.line}"
        yield f"what is locked cannot be told of {count}, the first at {place}"


def _finding(risk: "LockRisk") -> Finding:
    return Finding(
        summary=risk.message,
        description=quoted(risk.place),
        fix=risk.cure,
        labels={
            **place_labels(risk.place),
            "kind": "table",
            "object": risk.relation,
            "problem": "wait" if risk.kind is None else str(risk.kind),
            "lock": str(risk.mode),
        },
        object=risk.relation,
    )
