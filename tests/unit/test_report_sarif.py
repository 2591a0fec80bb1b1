"""The SARIF log: valid by the official schema's model, at the line of the migration, stable between runs."""

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

from pgwatch.check.report.sarif import render
from pgwatch.check.verdict import Finding, Report, Verdict
from tests.reports import ALL, MISSING, TROUBLED, check, report

FOLDER = PurePosixPath("/repo/server")


def run_of(one: Report, root: str = "/repo") -> dict[str, Any]:
    text = render(one, folder=FOLDER, root=PurePosixPath(root))
    (run,) = json.loads(text)["runs"]
    assert isinstance(run, dict)
    return run


def result_of(finding: Finding, root: str = "/repo") -> dict[str, Any]:
    (result,) = run_of(report(check("A", Verdict.FAIL, finding)), root)["results"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_log_is_valid_by_the_official_schema(one: Report) -> None:
    Log.model_validate_json(render(one, folder=FOLDER, root=FOLDER).encode(errors="replace"))


def test_finding_of_a_migration_stands_at_its_line() -> None:
    result = result_of(MISSING)
    assert result["ruleId"] == "A"
    assert result["message"]["text"] == (
        "house_price: missing\ncure: CREATE INDEX house_price ON house (price);"
    )
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {
            "uri": "server/migrations/1%20house/migration.sql",
            "uriBaseId": "%SRCROOT%",
        },
        "region": {"startLine": 6},
    }
    assert location["logicalLocations"] == [
        {
            "name": "house_price",
            "fullyQualifiedName": "roofing.app.house_price",
            "kind": "resource",
        }
    ]


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("../db/m.sql", "db/m.sql"),
        ("/repo/m.sql", "m.sql"),
        ("/elsewhere/m.sql", "file:///elsewhere/m.sql"),
        ("ü/m.sql", "server/%C3%BC/m.sql"),
    ],
)
def test_files_are_named_from_the_top_of_the_repository(file: str, uri: str) -> None:
    labels = {**MISSING.labels, "file": file}
    (location,) = result_of(replace(MISSING, labels=labels))["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_finding_without_a_file_has_a_location_all_the_same() -> None:
    result = result_of(Finding(summary="pid 7 waits", object="pid 7", labels={"pid": "7"}))
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "database/roofing/app"
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "roofing.app.pid 7"
    assert result["partialFingerprints"]["primaryLocationLineHash"]


def test_fingerprint_stays_when_the_line_moves_and_differs_between_findings() -> None:
    def fingerprint(finding: Finding) -> str:
        found: str = result_of(finding)["partialFingerprints"]["pgwatch/v1"]
        return found

    moved = replace(MISSING, labels={**MISSING.labels, "line": "99"}, summary="said otherwise")
    other = replace(MISSING, labels={**MISSING.labels, "object": "x"}, object="x")
    assert fingerprint(moved) == fingerprint(MISSING)
    assert fingerprint(other) != fingerprint(MISSING)
    assert fingerprint(Finding(summary="a")) != fingerprint(Finding(summary="b"))


def test_rules_levels_and_what_could_not_be_told() -> None:
    run = run_of(TROUBLED)
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert rules["migration_constraints"]["defaultConfiguration"] == {"level": "error"}
    assert all(rule["help"]["text"] for rule in rules.values())
    names = list(rules)
    assert all(names[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    assert {result["ruleId"]: result["level"] for result in run["results"]} == {
        "migration_constraints": "error",
        "Slow": "warning",
        "Unused": "note",
        "Hostile": "error",
    }
    (slow,) = (result for result in run["results"] if result["ruleId"] == "Slow")
    assert slow["baselineState"] == "unchanged"
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == 1
    assert [
        (note["level"], note["message"]["text"])
        for note in invocation["toolExecutionNotifications"]
    ] == [
        ("error", r"other: no route\x07 to host"),
        ("error", "Slots: unknown: permission denied"),
        ("warning", "Bloat: unknown: blocked"),
    ]


def test_harmless_finding_is_a_warning() -> None:
    labels = {**MISSING.labels, "harmless": "true"}
    assert result_of(replace(MISSING, labels=labels))["level"] == "warning"
