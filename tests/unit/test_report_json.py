"""The report for programs: exactly the fields of `schema: 1`, and nothing that JSON cannot hold."""

import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pgwatch import __version__
from pgwatch.check.report.json import render
from pgwatch.check.verdict import CheckResult, Finding, Report, TargetReport, Verdict
from pgwatch.rules.rule import Phase, Severity

PAGE = (Path(__file__).parents[2] / "docs/reference/report.md").read_text()
FINDING = Finding(
    summary="Index public.i is invalid",
    description="Ein Umlaut: ü",
    fix="DROP INDEX public.i;",
    labels={"target": "roofing"},
    value=1.0,
    object="public.i",
)


def check(*findings: Finding, **changes: Any) -> CheckResult:
    fields: dict[str, Any] = {
        "name": "PostgresInvalidIndex",
        "target": "roofing",
        "database": "roofing_db",
        "phase": Phase.CONSTRAINTS,
        "severity": Severity.CRITICAL,
        "verdict": Verdict.FAIL,
        "findings": findings,
        "sources": ("core/invalid_indexes",),
        "duration_seconds": 0.00123456,
    }
    return CheckResult(**(fields | changes))


def document(*checks: CheckResult, target: TargetReport | None = None) -> dict[str, Any]:
    """Render a report and read it back as strictly as a JSON parser may."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    report = Report(
        targets=[
            target
            or TargetReport(
                name="roofing", database="roofing_db", role="primary", server_version="18.6"
            )
        ],
        checks=checks,
        started=datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
        duration_seconds=0.12345,
        verdict=Verdict.FAIL,
        exit_code=1,
    )
    text = render(report)
    assert text.endswith("}\n")
    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return parsed


def test_the_whole_document() -> None:
    assert document(check(FINDING)) == {
        "schema": 1,
        "pgwatch": __version__,
        "targets": [
            {
                "name": "roofing",
                "database": "roofing_db",
                "role": "primary",
                "server_version": "18.6",
                "error": None,
            }
        ],
        "started": "2026-05-01T12:00:00.123Z",
        "duration_seconds": 0.123,
        "verdict": "fail",
        "exit_code": 1,
        "counts": {"pass": 0, "warn": 0, "fail": 1, "unknown": 0, "skipped": 0},
        "checks": [
            {
                "name": "PostgresInvalidIndex",
                "target": "roofing",
                "database": "roofing_db",
                "phase": "constraints",
                "severity": "critical",
                "verdict": "fail",
                "reason": None,
                "findings": [
                    {
                        "summary": "Index public.i is invalid",
                        "description": "Ein Umlaut: ü",
                        "fix": "DROP INDEX public.i;",
                        "labels": {"target": "roofing"},
                        "value": 1.0,
                        "object": "public.i",
                        "new": None,
                    }
                ],
                "sources": ["core/invalid_indexes"],
                "duration_seconds": 0.0012,
            }
        ],
    }


def test_a_target_without_a_session() -> None:
    gone = TargetReport(name="roofing", database="roofing_db", error="connection refused")
    assert document(target=gone)["targets"] == [
        {
            "name": "roofing",
            "database": "roofing_db",
            "role": None,
            "server_version": None,
            "error": "connection refused",
        }
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_no_number_is_null(value: float | None) -> None:
    found = Finding(summary="s", value=value)
    assert document(check(found))["checks"][0]["findings"][0]["value"] is None


@pytest.mark.parametrize(
    ("reason", "cure", "expected"),
    [
        ("", "", None),
        ("denied", "", "denied"),
        ("denied", "GRANT a TO b;\nGRANT c TO b;", "denied; cure: GRANT a TO b;\nGRANT c TO b;"),
    ],
)
def test_reason_and_cure_are_one_field(reason: str, cure: str, expected: str | None) -> None:
    unknown = check(verdict=Verdict.UNKNOWN, reason=reason, cure=cure)
    assert document(unknown)["checks"][0]["reason"] == expected


def test_counts_have_all_five_verdicts() -> None:
    checks = [check(verdict=verdict) for verdict in (*Verdict, Verdict.SKIPPED)]
    assert document(*checks)["counts"] == {
        "pass": 1,
        "warn": 1,
        "fail": 1,
        "unknown": 1,
        "skipped": 2,
    }


def test_the_reference_page_names_every_field() -> None:
    def fields(value: object, path: str = "") -> set[str]:
        if isinstance(value, list):
            return {name for item in value for name in fields(item, f"{path}[]")}
        if isinstance(value, dict) and not path.endswith((".labels", "counts")):
            found = {f"{path}.{key}".lstrip(".") for key in value}
            return found.union(*(fields(value[key], f"{path}.{key}") for key in value))
        return set()

    told = set(
        re.findall(
            r"^\| `([a-z_.\[\]]+)` \| (?:text|number|list|object|null|boolean)", PAGE, re.MULTILINE
        )
    )
    assert told == fields(document(check(FINDING)))
