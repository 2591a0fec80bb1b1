"""The report for people: read it once as a whole, then what must hold at any width and in colour."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from pgwatch.check.report.text import render
from pgwatch.check.verdict import CheckResult, Finding, Report, TargetReport, Verdict
from pgwatch.rules.rule import Phase, Severity

PASS, WARN, FAIL, UNKNOWN, SKIPPED = Verdict
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ROOFING = TargetReport(name="roofing", database="app", role="primary", server_version="18.6")
CURE = f'ALTER TABLE "public"."{"t" * 60}" VALIDATE CONSTRAINT "{"c" * 60}"; -- and then look'


def check(name: str, verdict: Verdict, **changes: Any) -> CheckResult:
    fields: dict[str, Any] = {
        "name": name,
        "target": "roofing",
        "database": "app",
        "phase": Phase.POST,
        "severity": Severity.CRITICAL,
        "verdict": verdict,
    }
    return CheckResult(**(fields | changes))


def report(*checks: CheckResult, targets: tuple[TargetReport, ...] = (ROOFING,)) -> Report:
    return Report(
        targets=targets,
        checks=checks,
        started=datetime(2026, 5, 1, tzinfo=UTC),
        duration_seconds=0.25,
        verdict=FAIL,
        exit_code=1,
    )


BROKEN = check(
    "PostgresConstraintNotValidated",
    FAIL,
    phase=Phase.CONSTRAINTS,
    findings=(Finding(summary="Constraint c is not validated", description="So.", fix=CURE),),
)
ALL = report(
    check("Zebra", PASS),
    check("Blocked", WARN, severity=Severity.WARNING, findings=(Finding(summary="pid 1 waits"),)),
    check("Violations", UNKNOWN, reason="permission denied", cure="GRANT a TO b;\nGRANT c TO b;"),
    check("Unused", PASS, severity=Severity.INFO, findings=(Finding(summary="index i"),) * 2),
    check("Deadlocks", SKIPPED, reason="needs history"),
    check("HostCpu", SKIPPED, reason="needs history"),
    check("Probe", SKIPPED, reason="no probes"),
    BROKEN,
)


def test_the_whole_report() -> None:
    assert (
        render(ALL, colour=False)
        == f"""\
roofing · database app · PostgreSQL 18.6 · primary

  Constraints and performance objects
    ✗ PostgresConstraintNotValidated        1 finding
        Constraint c is not validated
          So.
          cure: {CURE}

  After the migration
    ? Violations                            unknown: permission denied
          cure: GRANT a TO b;
                GRANT c TO b;
    ! Blocked                               warn: 1 finding
        pid 1 waits
    ✓ Unused                                for information: 2 findings
        index i
        index i
    ✓ Zebra
    – Deadlocks, HostCpu: needs history
    – Probe: no probes

FAIL  1 failed, 1 unknown, 1 warned, 2 passed, 3 skipped  in 0.25 s  (exit 1)
"""
    )


def test_why_checks_were_skipped_is_said_once() -> None:
    def lacks(*relations: str, database: str = "app") -> str:
        return "; ".join(
            f"relation public.{name} does not exist in database {database}" for name in relations
        )

    text = render(
        report(
            check("Stale", SKIPPED, reason="needs history; needs a setting; needs history"),
            check("Step", SKIPPED, reason=lacks("audit")),
            check("Phase", SKIPPED, reason=lacks("audit", "phases", "audit")),
            check("Other", SKIPPED, reason=lacks("audit", database="b")),
            check("Both", SKIPPED, reason=f"needs history; {lacks('audit')}"),
        ),
        colour=False,
        width=120,
    )
    assert [line.strip() for line in text.splitlines() if "–" in line] == [
        "– Stale: needs history; needs a setting",
        "– Step, Phase: database app does not have public.audit, public.phases",
        "– Other: database b does not have public.audit",
        "– Both: needs history; relation public.audit does not exist in database app",
    ]


@pytest.mark.parametrize(("verdict", "said"), [(SKIPPED, True), (PASS, False)])
def test_a_run_that_judged_nothing_says_so(verdict: Verdict, said: bool) -> None:
    text = render(report(check("A", SKIPPED, reason="x"), check("B", verdict)), colour=False)
    assert ("\nnothing was judged: each check was skipped\n" in text) is said


def test_colour_adds_nothing_but_colour() -> None:
    coloured = render(ALL, colour=True)
    assert ANSI.sub("", coloured) == render(ALL, colour=False)
    assert "\x1b[1;31mFAIL\x1b[0m" in coloured
    assert "\x1b[35m?\x1b[0m Violations" in coloured
    for line in coloured.splitlines():  # no colour runs on into the next line
        assert line.count("\x1b[0m") * 2 == line.count("\x1b[")


LONG = report(
    check(
        "PostgresMaterializedViewNotPopulated",
        FAIL,
        reason="word " * 40,
        cure=f"GRANT SELECT ON {'x' * 100} TO weak;",
        findings=(
            Finding(summary="said " * 30, description="and more " * 30, fix=f"{CURE}\nSELECT 1;"),
        ),
    ),
    *(check(f"Skipped{n}", SKIPPED, reason="because " * 20) for n in range(20)),
    targets=(
        TargetReport(name="roofing", database="app", error="connection refused " * 10),
    ),
)  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("colour", [False, True])
def test_text_is_wrapped_and_cures_are_not(width: int, colour: bool) -> None:
    lines = ANSI.sub("", render(LONG, colour=colour, width=width)).splitlines()
    cures = [line for line in lines if "GRANT SELECT" in line or "ALTER TABLE" in line]
    assert cures == [
        f"          cure: GRANT SELECT ON {'x' * 100} TO weak;",
        f"          cure: {CURE}",
    ]
    limit = max(width, 76)  # a reason has at least 30 columns beside the name of its check
    assert [line for line in lines if len(line) > limit and line not in cures] == []


def test_many_findings_of_one_check_are_cut_and_said() -> None:
    findings = tuple(Finding(summary=f"finding {n}") for n in range(13))
    text = render(report(check("A", FAIL, findings=findings)), colour=False)
    assert "13 findings" in text
    assert "finding 9\n" in text
    assert "finding 10" not in text
    assert "… and 3 more (--format json lists all)" in text


def test_further_findings_about_lines_are_told_in_short() -> None:
    findings = tuple(
        Finding(summary=f"finding {n}", fix="x", labels={"migration": "one", "line": str(n)})
        for n in range(80)
    )
    text = render(report(check("A", FAIL, findings=findings)), colour=False)
    assert "in short:\n          finding 10 (one:10)\n          finding 11 (one:11)\n" in text
    assert "finding 69 (one:69)" in text
    assert "finding 70" not in text
    assert "… and 10 more (--format json lists all)" in text
    assert text.count("cure: x") == 10


def test_a_target_without_a_session_and_no_check() -> None:
    gone = TargetReport(name="app", database="app", error="connection refused")
    assert render(report(targets=(gone,)), colour=False) == (
        "app\n    no session: connection refused\n\nFAIL  no check was run  in 0.25 s  (exit 1)\n"
    )


def test_several_databases_of_a_target_share_their_checks() -> None:
    other = TargetReport(name="roofing", database="other", error="gone")
    text = render(report(check("Zebra", PASS), targets=(ROOFING, other)), colour=False)
    assert text.startswith(
        "roofing · database app · PostgreSQL 18.6 · primary\n"
        "roofing · database other\n    no session: gone\n\n  After the migration\n"
    )
    assert text.count("Zebra") == 1


def test_what_a_probe_found_stands_under_its_name() -> None:
    probe = check("HttpProbeFailed", FAIL, target="status", database="")
    text = render(report(check("Zebra", PASS), probe), colour=False)
    assert "\n\nHTTP probe status\n\n  After the migration\n    ✗ HttpProbeFailed\n" in text


def test_no_control_characters_of_a_name_reach_the_terminal() -> None:
    found = Finding(
        summary="Index \x1b[2J\x07i", fix='DROP INDEX "\x1b]0;x\x07";', description="\r"
    )
    evil = TargetReport(name="roofing", database="a\x1b[2Jb", error="\x1b[1m")
    text = render(
        report(check("A", FAIL, reason="\x9b1m", findings=(found,)), targets=(evil,)), colour=False
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert r'DROP INDEX "\x1b]0;x\x07";' in text
