"""Which findings are new since the baseline: old debts are shown and do not block a release. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pgwatch.baseline.model import KnownFinding
from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings, worst

# They say where something was seen, not what it is.
_PLACES = frozenset({"target", "instance", "job", "file", "line", "pid"})
# Before a migration is applied all that it declares is missing, and after one that failed it still is:
# that is no debt of old, and nobody can tell it from one.
NEVER_OLD = frozenset({"migration_structure", "migration_types", "migration_constraints"})
_UNTOLD = "unverifiable"  # the label `problem` of what nobody could tell: no debt, at no time


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What was known when a baseline was saved."""

    known: frozenset[tuple[str, str, str]]  # (target, check, digest)
    judged: frozenset[str]  # targets whose findings it has
    names: Mapping[str, str]  # of targets that are called otherwise now → then

    def marked(self, check: CheckResult) -> CheckResult:
        """Return `check` with its findings marked new or old, and a verdict that counts the new ones.

        Left as it is where its findings are marked already, or its target was not judged then. What
        migrations declare is never old.
        """
        target = self.names.get(check.target, check.target)
        if target not in self.judged or any(one.new is not None for one in check.findings):
            return check
        findings = [
            replace(one, new=check.name in NEVER_OLD or known not in self.known)
            for one in check.findings
            for known in [(target, check.name, digest(one))]
        ]
        old = sum(not one.new for one in findings)
        if not old:
            return replace(check, findings=findings)
        note = f"{old} of {len(findings)} old, there when the baseline was saved: not counted"
        return replace(
            check,
            findings=findings,
            verdict=_verdict(check, findings),
            reason="; ".join(filter(None, (note, check.reason))),
        )


def news_of(
    findings: Sequence[KnownFinding], judged: Sequence[str], targets: Sequence[str]
) -> News:
    """Return what a baseline knew, for a run over `targets`.

    Where there was one target then and there is one now, it is the same, whatever it is called.
    """
    alone = len(targets) == 1 and len(judged) == 1
    return News(
        known=frozenset((one.target, one.check, one.digest) for one in findings),
        judged=frozenset(judged),
        names={targets[0]: judged[0]} if alone else {},
    )


def known_findings(checks: Sequence[CheckResult]) -> tuple[KnownFinding, ...]:
    """Return what a baseline keeps of a run's findings, sorted."""
    found = {
        (check.target, check.name, digest(finding)): finding.summary
        for check in checks
        for finding in check.findings
        if finding.labels.get("problem") != _UNTOLD
    }
    return tuple(
        KnownFinding(target=target, check=check, digest=one, summary=found[target, check, one])
        for target, check, one in sorted(found)
    )


def digest(finding: Finding) -> str:
    """Return what identifies a finding among those of its check: its labels, but for places."""
    labels = {name: text for name, text in finding.labels.items() if name not in _PLACES}
    text = json.dumps(labels, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _verdict(check: CheckResult, findings: Sequence[Finding]) -> Verdict:
    if check.verdict not in (Verdict.FAIL, Verdict.WARN):
        return check.verdict
    new = [one for one in findings if one.new]
    untold = [one for one in new if one.labels.get("problem") == _UNTOLD]
    if len(untold) == len(new) and (untold or check.doubted):
        return Verdict.UNKNOWN  # what is left to say is what could not be told
    return worst(
        [
            Verdict.PASS,
            *(of_findings(one.severity or check.severity, found=True) for one in new),
        ]
    )
