"""From what a comparison found, in each database of a target, to the result of a check. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pgwatch.baseline.compared import Change, Compared, State
from pgwatch.check.extra import BY_NAME, without_accepted
from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings, worst
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.rule import Severity


def result_of(
    name: str,
    found: Mapping[str, Compared],
    *,
    target: str,
    accepted: Sequence[Accepted],
    now: datetime,
    elapsed: float,
    compared_with: bool = True,
) -> CheckResult:
    """Return the result of the check `name`; `found` is by database, in order.

    What was there already at the time of the baseline is shown and does not count. `compared_with` is
    whether there is a baseline at all: without one nothing is new or old.
    """
    several = len(found) > 1
    every = [
        _finding(change, database if several else "", compared_with=compared_with)
        for database, compared in found.items()
        for change in compared.changes
    ]
    findings, waived = without_accepted(name, every, accepted, now)
    notes = [
        f"{database}: {one.reason}" if several else one.reason
        for database, one in found.items()
        if one.reason
    ]
    return CheckResult(
        name=name,
        target=target,
        database="" if several else next(iter(found)),
        phase=BY_NAME[name].phase,
        severity=BY_NAME[name].severity,
        verdict=_verdict(findings, [one.state for one in found.values()]),
        reason="; ".join((*notes, *waived)),
        cure="\n".join(dict.fromkeys(one.cure for one in found.values() if one.cure)),
        findings=findings,
        duration_seconds=elapsed,
    )


def _finding(change: Change, database: str, *, compared_with: bool) -> Finding:
    return Finding(
        summary=f"{database}: {change.summary}" if database else change.summary,
        description=change.description,
        fix=change.fix,
        labels={**change.labels, **({"datname": database} if database else {})},
        value=change.value,
        object=change.object,
        new=change.new if compared_with else None,
        severity=change.severity,
    )


def _verdict(findings: Sequence[Finding], states: Sequence[State]) -> Verdict:
    counted = [
        of_findings(finding.severity or Severity.WARNING, found=True)
        for finding in findings
        if finding.new is not False
    ]
    verdict = worst([Verdict.PASS, *counted])
    if verdict is Verdict.PASS and State.UNKNOWN in states:
        return Verdict.UNKNOWN
    if not findings and all(state is State.SKIPPED for state in states):
        return Verdict.SKIPPED
    return verdict
