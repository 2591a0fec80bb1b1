"""The gate's check whether what migrations made can run: functions, triggers and views."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pgwatch.check.extra import BY_NAME, Visit, untold
from pgwatch.check.place import place_labels, shown
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.migration.compare import Fault
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError

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
        started = time.perf_counter()
        found = await self._judged(visit)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        verdict, reason, findings = _verdict(found, self.accepted, visit.now)
        return [
            CheckResult(
                name=LIVENESS,
                target=visit.target.name,
                database=visit.database,
                phase=BY_NAME[LIVENESS].phase,
                severity=BY_NAME[LIVENESS].severity,
                verdict=verdict,
                reason=reason,
                findings=findings,
                duration_seconds=elapsed,
            )
        ]

    async def _judged(self, visit: Visit) -> "Liveness | str":
        from pgwatch.migration.liveness.judge import judge_liveness  # noqa: PLC0415 - brings the SQL grammar
        from pgwatch.migration.parse import UnparsableError  # noqa: PLC0415 - brings the SQL grammar

        try:
            session, _ = await open_session(visit.target, visit.database)
        except ConnectError as error:
            return f"no session: {error}"
        try:
            if session.pooled:
                return _POOLED
            found = await judge_liveness(session, self.declarations)
        except (RefusedError, SessionBrokenError, SilentServerError, UnparsableError) as error:
            return f"the catalogue could not be read: {error}"
        finally:
            await session.close()
        return await self._probed(visit, found) if self.probe else found

    async def _probed(self, visit: Visit, found: "Liveness") -> "Liveness | str":
        """Add what writing shows to `found`, on a connection of its own, which ends with it."""
        from pgwatch.migration.liveness.probe import probe_writes  # noqa: PLC0415 - brings the SQL grammar

        visit.say("writing a row to each table, and rolling back")
        try:
            session, _ = await open_session(visit.target, visit.database)
        except ConnectError as error:
            return f"no session to write on: {error}"
        try:
            writes = await probe_writes(session, self.declarations)
        except (RefusedError, SessionBrokenError, SilentServerError) as error:
            return f"writing could not be tried: {error}"
        finally:
            await session.close()
        told = {(one.key.schema, one.key.table, one.sqlstate) for one in found.dead}
        fresh = [d for d in writes.dead if (d.key.schema, d.key.name, d.sqlstate) not in told]
        notes = [f"wrote to {writes.tables} tables and rolled back; sequences went on"]
        inserts = [str(key) for event, key in writes.refused if event == "INSERT"]
        if inserts:
            names = ", ".join(inserts[:_MOST_NAMED]) + (" …" if inserts[_MOST_NAMED:] else "")
            notes.append(f"no row of ours was fit to be inserted into {names}")
        return replace(found, dead=(*found.dead, *fresh), notes=(*found.notes, *notes))


def _verdict(
    found: "Liveness", accepted: Sequence[Accepted], now: datetime
) -> tuple[Verdict, str, tuple[Finding, ...]]:
    """Return `fail` for what is dead, else `unknown` for what could not be told: never a pass."""
    findings = [_finding(one) for one in found.dead]
    counted = tuple(f for f in findings if not accepted_by(accepted, LIVENESS, f.labels, now))
    faults = {finding.labels["problem"] for finding in counted}
    notes = []
    if unclear := sum(f.labels["problem"] == Fault.UNVERIFIABLE for f in counted):
        notes.append(f"{unclear} could not be told")
    if len(findings) > len(counted):
        notes.append(f"{len(findings) - len(counted)} accepted and not counted")
    verdict = Verdict.PASS
    if faults:
        verdict = Verdict.UNKNOWN if faults == {Fault.UNVERIFIABLE} else Verdict.FAIL
    return verdict, "; ".join([*notes, *found.notes]), counted


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
