"""The gate's check whether what migrations made can run: functions, triggers and views."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pgwatch.check.extra import Visit, result, untold, without_accepted, without_statements
from pgwatch.check.place import place_labels, shown
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.migration.compare import Fault
from pgwatch.rules.accepted import Accepted
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

if TYPE_CHECKING:
    from pgwatch.migration.liveness.findings import Dead
    from pgwatch.migration.liveness.judge import Liveness
    from pgwatch.migration.objects import Declarations

LIVENESS = "migration_liveness"
_MOST_NAMED = 5  # tables in the reason
_POOLED = (
    "a transaction pooler (PgBouncer) is in between, and bodies are analysed under their own search_path:"
    " name the server itself"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessCheck:
    """Judges what migrations declare and what hangs on what they touch, on the DSN's own database."""

    declarations: "Declarations"
    accepted: Sequence[Accepted] = ()
    probe: bool = False  # also write a row to each touched table, and take it back
    names: tuple[str, ...] = (LIVENESS,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Judge; what kept us from looking is the reason why it is unknown."""
        if not self.declarations.statements:
            return without_statements(self.names, visit)
        started = time.perf_counter()
        found = await self._judged(visit)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        findings = [_finding(one) for one in found.dead]
        counted, waived = without_accepted(LIVENESS, findings, self.accepted, visit.now)
        unclear = sum(one.labels["problem"] == Fault.UNVERIFIABLE for one in counted)
        notes = (f"{unclear} could not be told",) if unclear else ()
        return [
            result(
                LIVENESS,
                visit,
                _verdict(counted),
                reason="; ".join((*notes, *waived, *found.notes)),
                findings=counted,
                elapsed=elapsed,
            )
        ]

    async def _judged(self, visit: Visit) -> "Liveness | str":
        from pgwatch.migration.liveness.judge import judge_liveness  # noqa: PLC0415 - brings the SQL grammar
        from pgwatch.migration.parse import UnparsableError  # noqa: PLC0415 - brings the SQL grammar

        async def judged(session: Session, _: ServerInfo) -> "Liveness | str":
            return _POOLED if session.pooled else await judge_liveness(session, self.declarations)

        found = await in_session(
            visit.target, visit.database, judged, prepare=True, unreadable=(UnparsableError,)
        )
        if isinstance(found, str) or not self.probe:
            return found
        return await self._probed(visit, found)

    async def _probed(self, visit: Visit, found: "Liveness") -> "Liveness | str":
        """Add what writing shows to `found`, on a connection of its own, which ends with it."""
        from pgwatch.migration.liveness import probe  # noqa: PLC0415 - brings the SQL grammar

        async def written(session: Session, _: ServerInfo) -> "probe.Writes":
            return await probe.probe_writes(session, self.declarations)

        visit.say("writing a row to each table, and rolling back")
        writes = await in_session(
            visit.target, visit.database, written, failing="writing could not be tried"
        )
        if isinstance(writes, str):
            return writes
        told = {(one.key.schema, one.key.table, one.sqlstate) for one in found.dead}
        fresh = [d for d in writes.dead if (d.key.schema, d.key.name, d.sqlstate) not in told]
        notes = [f"wrote to {writes.tables} tables and rolled back; sequences went on"]
        inserts = [str(key) for event, key in writes.refused if event == "INSERT"]
        if inserts:
            names = ", ".join(inserts[:_MOST_NAMED]) + (" …" if inserts[_MOST_NAMED:] else "")
            notes.append(f"no row of ours was fit to be inserted into {names}")
        return replace(found, dead=(*found.dead, *fresh), notes=(*found.notes, *notes))


def _verdict(findings: Sequence[Finding]) -> Verdict:
    """Return `fail` for what is dead, else `unknown` for what could not be told: never a pass."""
    faults = {finding.labels["problem"] for finding in findings}
    if not faults:
        return Verdict.PASS
    return Verdict.UNKNOWN if faults == {Fault.UNVERIFIABLE} else Verdict.FAIL


def _finding(dead: "Dead") -> Finding:
    labels = {
        **place_labels(dead.place),
        "kind": str(dead.key.kind),
        "object": str(dead.key),
        "problem": str(dead.fault),
    }
    if dead.sqlstate:
        labels["sqlstate"] = dead.sqlstate
    where = f"{shown(dead.place.file)}:{dead.place.line}"
    return Finding(
        summary=dead.message,
        description="; ".join(part for part in (where, dead.detail) if part),
        fix=dead.fix,
        labels=labels,
        object=str(dead.key),
    )
