"""One baseline beside another, as a report like the gate's. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.benchmarks import judge_benchmarks
from pgwatch.baseline.compare import compare, earlier, timings_before
from pgwatch.baseline.compared import Compared, Limits
from pgwatch.baseline.model import Baseline, Snapshot
from pgwatch.check.comparison import result_of
from pgwatch.check.news import NEVER_OLD
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


def report_of(
    old: Baseline,
    new: Baseline,
    *,
    limits: Limits,
    announced: Announced | None,
    fail_on_warn: bool,
) -> Report:
    """Return what is worse in `new` than it was in `old`; checks are the gate's, and `baseline_findings`."""
    checks: list[CheckResult] = []
    for target in dict.fromkeys(snapshot.target for snapshot in new.snapshots):
        snapshots = {one.database: one for one in new.snapshots if one.target == target}
        checks += _of_target(old, target, snapshots, limits=limits, announced=announced)
        checks.append(_new_findings(old, new, target))
    verdict = whole(checks, strict=False)
    return Report(
        targets=[
            TargetReport(
                name=one.target,
                database=one.database,
                role=one.server.role,
                server_version=one.server.version,
            )
            for one in new.snapshots
        ],
        checks=checks,
        started=datetime.fromisoformat(new.saved).astimezone(UTC),
        duration_seconds=0.0,
        verdict=verdict,
        exit_code=exit_code(verdict, fail_on_warn=fail_on_warn),
        fail_on_warn=fail_on_warn,
    )


def _of_target(
    old: Baseline,
    target: str,
    snapshots: Mapping[str, Snapshot],
    *,
    limits: Limits,
    announced: Announced | None,
) -> list[CheckResult]:
    found: dict[str, dict[str, Compared]] = {}
    for database, now in snapshots.items():
        identifier = now.server.system_identifier
        before = earlier(old, target=target, database=database, identifier=identifier)
        compared = compare(before, now, limits=limits, announced=announced)
        timings = timings_before(old, target=target, database=database, identifier=identifier)
        compared["benchmarks"] = judge_benchmarks(now.benchmarks, timings, limits)
        for name, one in compared.items():
            found.setdefault(name, {})[database] = one
    return [
        result_of(
            name,
            of_databases,
            target=target,
            accepted=(),
            now=datetime.fromtimestamp(next(iter(snapshots.values())).taken, UTC),
            elapsed=0.0,
        )
        for name, of_databases in found.items()
    ]


def _new_findings(old: Baseline, new: Baseline, target: str) -> CheckResult:
    """Return what the gate found for the newer baseline and had not found for the older one."""
    before = {(one.target, one.check, one.digest) for one in old.findings}
    findings = [
        Finding(
            summary=f"{one.check}: {one.summary}",
            labels={"check": one.check, "digest": one.digest},
            new=True,
        )
        for one in new.findings
        if one.target == target
        and (one.check in NEVER_OLD or (one.target, one.check, one.digest) not in before)
    ]
    judged = target in old.judged and target in new.judged
    verdict = Verdict.WARN if findings else Verdict.PASS
    return CheckResult(
        name="baseline_findings",
        target=target,
        database="",
        phase=Phase.POST,
        severity=Severity.WARNING,
        verdict=verdict if judged else Verdict.UNKNOWN,
        reason="" if judged else f"the gate did not judge {target} for both baselines",
        findings=findings if judged else (),
    )
