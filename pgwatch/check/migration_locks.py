"""The check `migration_locks`: whom a migration would hold up, and who would make it wait now."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgwatch.check.extra import BY_NAME, Visit
from pgwatch.check.place import place_labels, quoted, shown
from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError

if TYPE_CHECKING:
    from pgwatch.migration.preflight.locks import LockReport, LockRisk
    from pgwatch.migration.sqlfile import Statement

NAME = "migration_locks"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChecks:
    """Holds the locks of a migration against the tables and the sessions of now."""

    statements: "Sequence[Statement]"
    accepted: Sequence[Accepted] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Its one check."""
        return (NAME,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Return the check; what kept us from looking is the reason why it is unknown."""
        started = time.perf_counter()
        found = await self._look(visit)
        counted: tuple[Finding, ...] = ()
        verdict, reason = Verdict.UNKNOWN, ""
        if isinstance(found, str):
            reason = found
        else:
            verdict, reason, counted = self._judged(found, visit)
        spec = BY_NAME[NAME]
        return [
            CheckResult(
                name=NAME,
                target=visit.target.name,
                database=visit.database,
                phase=spec.phase,
                severity=spec.severity,
                verdict=verdict,
                reason=reason,
                findings=counted,
                duration_seconds=time.perf_counter() - started,
            )
        ]

    async def _look(self, visit: Visit) -> "LockReport | str":
        from pgwatch.migration.preflight.locks import lock_risks  # noqa: PLC0415 - brings the grammar

        try:
            session, _ = await open_session(visit.target, visit.database, prepare=False)
        except ConnectError as error:
            return f"no session: {error}"
        try:
            return await lock_risks(session, self.statements)
        except (RefusedError, SessionBrokenError, SilentServerError) as error:
            return f"the catalogue could not be read: {error}"
        finally:
            await session.close()

    def _judged(
        self, report: "LockReport", visit: Visit
    ) -> tuple[Verdict, str, tuple[Finding, ...]]:
        findings = [_finding(risk) for risk in report.risks]
        counted = tuple(
            one for one in findings if not accepted_by(self.accepted, NAME, one.labels, visit.now)
        )
        notes = []
        if report.estimated:
            notes.append("a lock is in the way: sizes are as of the last VACUUM or ANALYZE")
        if report.unread:
            first = report.unread[0]
            place = f"{shown(first.file)}:{first.line}"
            count = f"{len(report.unread)} statement{'s' * (len(report.unread) > 1)}"
            notes.append(f"what is locked cannot be told of {count}, the first at {place}")
        if waived := len(findings) - len(counted):
            notes.append(f"{waived} accepted and not counted")
        verdict = of_findings(BY_NAME[NAME].severity, found=bool(counted))
        if report.unread and not counted:
            verdict = Verdict.UNKNOWN
        return verdict, "; ".join(notes), counted


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
