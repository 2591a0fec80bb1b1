"""What a check says beside its verdict: what could not be told or was accepted, findings, their objects."""

from dataclasses import replace
from datetime import date

import pytest

from pgwatch.check.judge import object_of
from pgwatch.check.verdict import Verdict
from pgwatch.collect.outcome import Denied, QueryRun
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.rule import Phase, Severity
from pgwatch.samples.labels import METRIC_NAME, Labels
from tests.judging import (
    ABSENT,
    BAD,
    DENIED,
    FAIL,
    GOOD,
    PASS,
    UNKNOWN,
    alert,
    answered,
    ended,
    told,
)

UNTOLD = (
    "{alert: A, expr: 'n > 0', labels: {severity: info, verdict: unknown}, annotations: {"
    "summary: '{{ $labels.relname }} is not known', fix: 'REFRESH t;'}}"
)


@pytest.mark.parametrize(
    ("runs", "verdict", "reason", "cure"),
    [
        ([GOOD, answered("core/b", n=0)], PASS, "", ""),
        ([GOOD, answered("core/b", n=1)], UNKNOWN, "t is not known", "REFRESH t;"),
        ([BAD, answered("core/b", n=1)], FAIL, "t is not known", "REFRESH t;"),
        ([GOOD, ended("core/b", ABSENT)], PASS, "", ""),
    ],
)
def test_a_rule_that_says_what_could_not_be_told(
    runs: list[QueryRun], verdict: Verdict, reason: str, cure: str
) -> None:
    result = told([alert("m > 0"), UNTOLD], runs)
    assert (result.verdict, result.reason, result.cure) == (verdict, reason, cure)
    assert bool(result.findings) is (verdict is FAIL)


def test_what_could_not_be_told_of_many_is_told_of_some() -> None:
    series = [Labels({METRIC_NAME: "n", "relname": f"t{i:02}"}) for i in range(12)]
    run = answered("core/b")
    assert run.collected is not None
    collected = replace(run.collected, labels=series, values=[1.0] * 12)
    result = told([UNTOLD], [replace(run, collected=collected)])
    assert result.reason.endswith("t09 is not known; and 2 more")


def test_what_could_not_be_told_can_be_accepted() -> None:
    accepted = [Accepted(check="A", labels={"relname": "t"}, reason="fine")]
    result = told([UNTOLD], [answered("core/b", n=1)], accepted=accepted)
    assert (result.verdict, result.reason) == (PASS, "1 accepted and not counted (fine)")


@pytest.mark.parametrize(
    ("entry", "verdict", "reason"),
    [
        (Accepted(check="A", reason="known"), PASS, "1 accepted and not counted (known)"),
        (Accepted(check="A", labels={"relname": "t"}), PASS, "(no reason given)"),
        (Accepted(check="A", until=date(2026, 5, 1)), PASS, "1 accepted"),
        (Accepted(check="A", until=date(2026, 4, 30)), FAIL, ""),  # over
        (Accepted(check="A", labels={"relname": "u"}), FAIL, ""),
        (Accepted(check="B"), FAIL, ""),
    ],
)
def test_accepted_findings(entry: Accepted, verdict: Verdict, reason: str) -> None:
    result = told([alert("m > 0")], [BAD], accepted=[entry])
    assert result.verdict is verdict
    assert reason in result.reason
    assert bool(result.findings) is (verdict is FAIL)


def test_an_accepted_finding_does_not_hide_a_doubt() -> None:
    runs = [BAD, ended("core/a", DENIED, database="other")]
    result = told([alert("m > 0")], runs, accepted=[Accepted(check="A", reason="known")])
    assert result.verdict is UNKNOWN
    assert "role weak may not" in result.reason


def test_a_check_knows_its_cures_sources_and_cost() -> None:
    other = Denied(reason="table x", grant="GRANT SELECT ON x TO weak;")
    result = told(
        [alert("m > 0", phase="types"), alert("n > 0")],
        [
            ended("core/a", DENIED),
            ended("core/a", DENIED, database="other"),
            ended("core/b", other),
            answered("core/c"),
        ],
    )
    assert result.cure == f"{DENIED.grant}\n{other.grant}"  # each once
    assert result.reason == "role weak may not; table x"
    assert result.sources == ("core/a", "core/b")
    assert result.duration_seconds == pytest.approx(1.5)
    assert (result.phase, result.severity) == (Phase.TYPES, Severity.CRITICAL)


def test_a_finding_is_told_with_object_and_cure() -> None:
    rule = (
        "{alert: A, expr: 'm > 0', labels: {severity: critical, phase: post}, annotations: {"
        "summary: '{{ $labels.relname }} is bad', description: long, fix: 'DROP TABLE t;'}}"
    )
    (finding,) = told([rule], [BAD]).findings
    assert (finding.summary, finding.description, finding.fix) == (
        "t is bad",
        "long",
        "DROP TABLE t;",
    )
    assert finding.labels == {"target": "db1", "datname": "app", "relname": "t"}
    assert (finding.value, finding.object, finding.new) == (1.0, "t", None)


def test_a_rule_without_annotations_names_its_series() -> None:
    (finding,) = told([alert("m > 0")], [BAD]).findings
    assert finding.summary.startswith("A {")
    assert 'relname="t"' in finding.summary


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"schemaname": "public", "relname": "t", "indexrelname": "i"}, "public.t.i"),
        ({"schemaname": "s", "matviewname": "v", "datname": "d"}, "s.v"),
        ({"table_name": "t", "constraint_name": "c"}, "t.c"),
        ({"slot_name": "standby_1", "target": "db1"}, "standby_1"),
        ({"pid": "4711", "relation": "public.t", "datname": "d"}, "pid 4711"),
        ({"datname": "d", "target": "db1"}, "d"),
        ({"target": "db1"}, "db1"),
        ({}, ""),
    ],
)
def test_object_of_a_finding(labels: dict[str, str], expected: str) -> None:
    assert object_of(Labels(labels)) == expected
