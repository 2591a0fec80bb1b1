"""The JUnit report: valid by the schema, read by a parser of others, red exactly where the gate says no."""

from pathlib import Path

import junitparser
import pytest
import xmlschema

from pgwatch.check.report.junit import render
from pgwatch.check.verdict import Report, Verdict
from pgwatch.rules.rule import Severity
from tests.reports import ALL, TROUBLED, check, report

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parents[1] / "fixtures" / "junit.xsd"))


def cases(one: Report) -> dict[str, junitparser.TestCase]:
    parsed = junitparser.JUnitXml.fromstring(render(one).encode())
    found = [case for suite in parsed for case in suite]
    assert len({(case.classname, case.name) for case in found}) == len(
        found
    )  # as GitLab tells them apart
    return {case.name: case for case in found}


def results(case: junitparser.TestCase) -> list[str]:
    return [type(result).__name__.lower() for result in case.result]


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_document_is_valid(one: Report) -> None:
    SCHEMA.validate(render(one))


def test_suites_are_of_targets_and_phases_and_count_their_cases() -> None:
    parsed = junitparser.JUnitXml.fromstring(render(TROUBLED).encode())
    assert [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in parsed] == [
        ("other.x.session", 1, 0, 1, 0),
        ("roofing.constraints", 1, 1, 0, 0),
        ("roofing.post", 7, 1, 1, 2),
    ]
    assert (parsed.tests, parsed.failures, parsed.errors) == (9, 2, 2)
    assert '<property name="server_version" value="18.6" />' in render(TROUBLED)


def test_each_verdict_has_its_element() -> None:
    found = cases(TROUBLED)
    assert {name: results(case) for name, case in found.items()} == {
        "session": ["error"],
        "migration_constraints": ["failure"],
        "Slow": [],  # a warning stops nothing
        "Slots": ["error"],
        "Bloat": ["skipped"],  # nor does an unknown that is not critical
        "Unused": [],
        "Hostile": ["failure"],
        "Cpu": ["skipped"],
        "Down": [],
    }
    assert found["Slow"].system_out == "warning:\n- old: slow"
    [failure] = found["migration_constraints"].result
    assert failure.message == "house_price: missing"
    assert failure.text == (
        "- house_price: missing (migrations/1 house/migration.sql:6)\n"
        "  cure: CREATE INDEX house_price ON house (price);"
    )
    [skipped] = found["Bloat"].result
    assert skipped.message == "unknown: blocked"
    [hostile] = found["Hostile"].result
    assert "]]> \"'<b>&amp; | `tick`" in hostile.text
    assert r"\x1b[2J\x00\ufffe \udcff" in hostile.text


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.WARNING])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("fail_on_warn", [False, True])
@pytest.mark.parametrize("beside", [Verdict.PASS, Verdict.SKIPPED])
def test_red_means_a_status_that_is_not_0(
    verdict: Verdict, severity: Severity, strict: bool, fail_on_warn: bool, beside: Verdict
) -> None:
    one = report(
        check("A", verdict, severity=severity, reason="so"),
        check("B", beside, severity=Severity.WARNING, reason="so"),
        strict=strict,
        fail_on_warn=fail_on_warn,
    )
    red = [
        result for case in cases(one).values() for result in results(case) if result != "skipped"
    ]
    assert bool(red) is (one.exit_code != 0)
