"""Reports of the gate for the tests of its formats, with everything that is hard to write down."""

from datetime import UTC, datetime
from typing import Any

from pgwatch.check.verdict import (
    CheckResult,
    Finding,
    Report,
    TargetReport,
    Verdict,
    exit_code,
    whole,
)
from pgwatch.rules.rule import Phase, Severity

ROOFING = TargetReport(name="roofing", database="app", role="primary", server_version="18.6")
# Ends a CDATA section, an attribute, a table's cell, a status line; steers a terminal; is no XML at all.
HOSTILE = (
    "]]> \"'<b>&amp; | `tick` _under_ *star* [x](http://x) @somebody \x1b[2J\x00\ufffe \udcff\nnext"
)
MISSING = Finding(
    summary="house_price: missing",
    description="declared in migrations/1 house/migration.sql:6",
    fix="CREATE INDEX house_price ON house (price);",
    labels={
        "migration": "1 house",
        "file": "migrations/1 house/migration.sql",
        "line": "6",
        "kind": "index",
        "object": "house_price",
        "problem": "missing",
    },
    object="house_price",
)


def check(name: str, verdict: Verdict, *findings: Finding, **changes: Any) -> CheckResult:
    """Return a check of the target `roofing`; critical, of phase `post`."""
    fields: dict[str, Any] = {
        "name": name,
        "target": "roofing",
        "database": "app",
        "phase": Phase.POST,
        "severity": Severity.CRITICAL,
        "verdict": verdict,
        "findings": findings,
        "duration_seconds": 0.0123,
    }
    return CheckResult(**(fields | changes))


def report(
    *checks: CheckResult,
    targets: tuple[TargetReport, ...] = (ROOFING,),
    strict: bool = False,
    fail_on_warn: bool = False,
) -> Report:
    """Return a report whose verdict and exit status follow from its checks, as in a run."""
    verdict = whole(checks, strict=strict)
    return Report(
        targets=targets,
        checks=checks,
        started=datetime(2026, 5, 1, 12, tzinfo=UTC),
        duration_seconds=0.25,
        verdict=verdict,
        exit_code=exit_code(verdict, fail_on_warn=fail_on_warn),
        strict=strict,
        fail_on_warn=fail_on_warn,
    )


HEALTHY = report(
    check("Down", Verdict.PASS),
    check("Cpu", Verdict.SKIPPED, reason="needs history", severity=Severity.WARNING),
)
TROUBLED = report(
    check("migration_constraints", Verdict.FAIL, MISSING, phase=Phase.CONSTRAINTS),
    check("Slow", Verdict.WARN, Finding(summary="slow", new=False), severity=Severity.WARNING),
    check("Slots", Verdict.UNKNOWN, reason="permission denied", cure="GRANT a TO b;"),
    check("Bloat", Verdict.UNKNOWN, reason="blocked", severity=Severity.WARNING),
    check("Unused", Verdict.PASS, Finding(summary="index i"), severity=Severity.INFO),
    check("Hostile", Verdict.FAIL, Finding(summary=HOSTILE, description=HOSTILE, fix=HOSTILE)),
    check("Cpu", Verdict.SKIPPED, reason="needs history", severity=Severity.WARNING),
    check("Down", Verdict.PASS),
    targets=(ROOFING, TargetReport(name="other", database="x", error="no route\x07 to host")),
)
EMPTY = report(targets=(TargetReport(name="other", database="x", error="refused"),))
MANY = report(
    *(
        check(
            f"Check{n}",
            Verdict.FAIL,
            *(Finding(summary=f"finding {m} of {n} {'ü' * 200}", fix="x" * 300) for m in range(40)),
        )
        for n in range(60)
    )
)
ALL = {"healthy": HEALTHY, "troubled": TROUBLED, "empty": EMPTY, "many": MANY}
