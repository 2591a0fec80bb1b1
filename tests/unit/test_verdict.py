"""How verdicts add up and which exit code follows."""

import pytest

from pgwatch.check.verdict import CheckResult, Verdict, exit_code, of_findings, whole
from pgwatch.rules.rule import Phase, Severity

C, W, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
PASS, WARN, FAIL, UNKNOWN, SKIPPED = Verdict


def check(severity: Severity, verdict: Verdict) -> CheckResult:
    return CheckResult(
        name="X", target="t", database="d", phase=Phase.POST, severity=severity, verdict=verdict
    )


@pytest.mark.parametrize(
    ("severity", "found", "expected"),
    [
        (C, True, FAIL),
        (W, True, WARN),
        (INFO, True, PASS),  # information never says no
        (C, False, PASS),
        (W, False, PASS),
    ],
)
def test_verdict_of_a_check(severity: Severity, found: bool, expected: Verdict) -> None:
    assert of_findings(severity, found=found) is expected


@pytest.mark.parametrize(
    ("checks", "strict", "expected"),
    [
        pytest.param([(C, PASS), (W, PASS)], False, PASS, id="all pass"),
        pytest.param([(C, PASS), (W, WARN)], False, WARN, id="a warning shows"),
        pytest.param([(C, UNKNOWN), (W, WARN)], False, UNKNOWN, id="unknown outweighs warn"),
        pytest.param([(C, UNKNOWN), (C, FAIL)], False, FAIL, id="fail outweighs unknown"),
        pytest.param([(C, PASS), (W, UNKNOWN)], False, PASS, id="unknown of a warning is forgiven"),
        pytest.param([(C, PASS), (W, UNKNOWN)], True, UNKNOWN, id="but not when strict"),
        pytest.param([(C, PASS), (C, SKIPPED)], True, PASS, id="skipped never counts"),
        pytest.param([(C, SKIPPED)], False, SKIPPED, id="nothing applied"),
        pytest.param([(W, UNKNOWN), (C, SKIPPED)], False, UNKNOWN, id="nothing was told"),
        pytest.param([(W, UNKNOWN)], False, UNKNOWN, id="only unknown is not a pass"),
    ],
)
def test_verdict_of_the_whole(
    checks: list[tuple[Severity, Verdict]], strict: bool, expected: Verdict
) -> None:
    assert whole([check(*c) for c in checks], strict=strict) is expected


@pytest.mark.parametrize(
    ("verdict", "fail_on_warn", "expected"),
    [
        (PASS, False, 0),
        (WARN, False, 0),
        (WARN, True, 1),
        (FAIL, False, 1),
        (UNKNOWN, False, 3),
        (UNKNOWN, True, 3),
        (SKIPPED, True, 0),
    ],
)
def test_exit_code(verdict: Verdict, fail_on_warn: bool, expected: int) -> None:
    assert exit_code(verdict, fail_on_warn=fail_on_warn) == expected
