"""The check `migration_preflight`: which statements of a migration would fail now."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.check.extra import Visit, result, untold, without_accepted
from pgwatch.check.order import ABSENT, made_later
from pgwatch.check.place import shown
from pgwatch.check.session import in_session
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.rules.accepted import Accepted
from pgwatch.secret import mask_passwords
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

if TYPE_CHECKING:
    from pgwatch.migration.preflight.predict import Preflight
    from pgwatch.migration.preflight.prediction import Prediction

NAME = "migration_preflight"
_UNTOLD = "unverifiable"
_QUOTED = 100  # characters of a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightChecks:
    """Tries the statements of migrations on a picture of the database."""

    paths: Sequence[Path]
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (NAME,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Return the check; what kept us from looking is the reason why it is unknown."""
        started = time.perf_counter()
        found = await self._look(visit)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        findings = [_finding(one) for one in sorted(found.predictions, key=_importance)]
        counted, waived = without_accepted(NAME, findings, self.accepted, visit.now)
        verdict, notes = _verdict(counted)
        reason = "; ".join((*notes, *self._order(found), *waived))
        return [result(NAME, visit, verdict, reason=reason, findings=counted, elapsed=elapsed)]

    def _order(self, found: "Preflight") -> list[str]:
        absent = [(one.file, one.reason) for one in found.predictions if one.sqlstate in ABSENT]
        if not absent:
            return []
        texts = {path: path.read_text("utf-8", errors="replace") for path in self.paths}
        if (made := made_later(absent, texts)) is None:
            return []
        name, later = made
        return [
            f"{name} is made by {later.parent.name}/{later.name}, which is named later: name the files in"
            " the order in which they are applied"
        ]

    async def _look(self, visit: Visit) -> "Preflight | str":
        from pgwatch.migration.preflight.predict import preflight  # noqa: PLC0415 - brings the grammar

        async def tried(session: Session, _: ServerInfo) -> "Preflight":
            return await preflight(session, self.paths)

        visit.say("trying the migrations' statements")
        return await in_session(visit.target, visit.database, tried)


def _verdict(findings: Sequence[Finding]) -> tuple[Verdict, list[str]]:
    """Return `fail` for a statement that will fail, `warn` where all that will have their way already."""
    untold_count = sum(one.labels["problem"] == _UNTOLD for one in findings)
    harmless = sum(one.labels.get("harmless") == "true" for one in findings)
    notes = [f"{harmless} will fail although what they want is there already"] if harmless else []
    if untold_count:
        notes.append(f"{untold_count} could not be told")
    if len(findings) > untold_count + harmless:
        verdict = Verdict.FAIL
    elif untold_count:
        verdict = Verdict.UNKNOWN
    else:
        verdict = Verdict.WARN if harmless else Verdict.PASS
    return verdict, notes


def _importance(one: "Prediction") -> int:
    """Return the place of a finding: what will fail first, then what could not be told, then the harmless."""
    return 2 if one.harmless else int(one.trouble == _UNTOLD)


def _finding(one: "Prediction") -> Finding:
    file = shown(one.file)
    labels = {
        "migration": one.migration,
        "file": file,
        "line": str(one.line),
        "kind": one.kind,
        "object": one.object,
        "problem": str(one.trouble),
    }
    if one.sqlstate:
        labels["sqlstate"] = one.sqlstate
    if one.harmless:
        labels["harmless"] = "true"
    statement = " ".join(mask_passwords(one.sql).split())
    if len(statement) > _QUOTED:
        statement = statement[: _QUOTED - 1] + "…"
    examples = f" Rows in the way: {'; '.join(one.examples)}." if one.examples else ""
    state = f" (SQLSTATE {one.sqlstate})" if one.sqlstate else ""
    untold_text = "whether it would fail cannot be told: " if one.trouble == _UNTOLD else ""
    return Finding(
        summary=f"{untold_text}{one.reason}{state}",
        description=f"{file}:{one.line}: {statement}.{examples}",
        labels=labels,
        object=one.object,
    )
