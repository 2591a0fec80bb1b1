"""A check's result as SARIF 2.1.0, which code scanning shows beside the line of the migration.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/, and what GitHub says under "SARIF support for code scanning".
"""

import hashlib
import json
import os.path
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from pgwatch import __version__
from pgwatch.check.report.plain import VISIBLE, described, one_line, place, said
from pgwatch.check.verdict import EXIT_UNMEASURED, CheckResult, Finding, Report, Verdict
from pgwatch.rules.rule import Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_OF_VERDICT = {Verdict.FAIL: "error", Verdict.PASS: "note"}  # else warning
# What tells one finding of a check from another; a line moves when somebody edits above it.
_IDENTITY = ("migration", "file", "kind", "object", "problem")
_RESULTS = 25_000  # of one run: GitHub refuses more
_SHOWN = 4_000  # characters of one message: a cure may be a whole function


def render(report: Report, *, folder: PurePath, root: PurePath) -> str:
    """Return the report as one SARIF log.

    Files that findings name are relative to `folder` (where the command ran); in the log they are relative
    to `root`, the top of the repository, since that is where a viewer looks for them.
    """
    names = list(dict.fromkeys(check.name for check in report.checks))
    results = [
        _result(check, finding, names.index(check.name), folder, root)
        for check in report.checks
        for finding in check.findings
    ]
    run = {
        "tool": {
            "driver": {
                "name": "pgwatch",
                "semanticVersion": __version__,
                "rules": [_rule(name, report) for name in names],
            }
        },
        "invocations": [_invocation(report)],
        "columnKind": "unicodeCodePoints",
        "results": results[:_RESULTS],
        "properties": {
            "verdict": str(report.verdict),
            "counts": {str(verdict): count for verdict, count in report.counts.items()},
            "leftOut": max(len(results) - _RESULTS, 0),
        },
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str, report: Report) -> dict[str, Any]:
    of_name = [check for check in report.checks if check.name == name]
    check = of_name[0]
    sources = ", ".join(dict.fromkeys(source for one in of_name for source in one.sources))
    read = f"It reads {sources}. " if sources else ""
    more = f"`pgwatch rules explain {name}` shows its rule" if sources else "See its results"
    text = (
        f"A check of phase {check.phase}. {read}{more}; each finding names what is wrong, and the"
        " command that cures it where there is one."
    )
    return {
        "id": name,
        "name": name,
        "shortDescription": {"text": f"pgwatch: {name} ({check.severity}, phase {check.phase})"},
        "fullDescription": {"text": text.replace("`", "")},
        "help": {"text": text.replace("`", ""), "markdown": text},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
        "properties": {"tags": ["postgresql", str(check.phase)]},
    }


def _result(
    check: CheckResult, finding: Finding, index: int, folder: PurePath, root: PurePath
) -> dict[str, Any]:
    text = "\n".join(dict.fromkeys(part for part in (said(finding), described(finding)) if part))
    fingerprint = _fingerprint(check, finding)
    result: dict[str, Any] = {
        "ruleId": check.name,
        "ruleIndex": index,
        "level": _level(check, finding),
        "message": {"text": _message(text, finding.fix)},
        "locations": [_location(check, finding, folder, root)],
        "partialFingerprints": {"pgwatch/v1": fingerprint},
        "properties": {"target": check.target, "labels": dict(finding.labels)},
    }
    if not place(finding):
        # Of what is in a file, the uploading action computes it from the line's text.
        result["partialFingerprints"]["primaryLocationLineHash"] = f"{fingerprint[:16]}:1"
    if finding.new is not None:
        result["baselineState"] = "new" if finding.new else "unchanged"
    return result


def _message(text: str, fix: str) -> str:
    cure = f"\ncure: {fix.strip()}" if fix.strip() else ""
    whole = (text + cure).translate(VISIBLE)
    return whole if len(whole) <= _SHOWN else whole[: _SHOWN - 1] + "…"


def _level(check: CheckResult, finding: Finding) -> str:
    if finding.labels.get("harmless") == "true":
        return "warning"
    return _OF_VERDICT.get(check.verdict, "warning")


def _location(
    check: CheckResult, finding: Finding, folder: PurePath, root: PurePath
) -> dict[str, Any]:
    name = finding.object or check.database or check.target
    full = ".".join(dict.fromkeys(part for part in (check.target, check.database, name) if part))
    logical = {"name": name, "fullyQualifiedName": full, "kind": "resource"}
    line = finding.labels.get("line", "")
    artifact: dict[str, Any]
    if place(finding):
        artifact = _artifact(folder / finding.labels["file"], root)
    else:
        # GitHub refuses a log with one result that names no artifact: the database stands for it.
        where = "/".join(dict.fromkeys(p for p in (check.target, check.database) if p))
        about = f"{where}: a database, not a file"
        artifact = {"uri": f"database/{quote(where)}", "description": {"text": one_line(about)}}
    return {
        "physicalLocation": {
            "artifactLocation": artifact,
            "region": {"startLine": max(int(line), 1) if line.isdecimal() else 1},
        },
        "logicalLocations": [logical],
    }


def _artifact(file: PurePath, root: PurePath) -> dict[str, Any]:
    path = PurePath(os.path.normpath(file))
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}


def _fingerprint(check: CheckResult, finding: Finding) -> str:
    labels: Mapping[str, str] = finding.labels
    about = [labels.get(name, "") for name in _IDENTITY] + [finding.object]
    if not any(about):
        about = [
            *(f"{key}={value}" for key, value in sorted(labels.items())),
            "" if labels else finding.summary,
        ]
    text = "\0".join([check.name, check.target, check.database, *about])
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _invocation(report: Report) -> dict[str, Any]:
    """Return how the run went; what could not be told is a notification, since it has no finding."""
    notes = [
        {"level": "error", "message": {"text": one_line(f"{target.name}: {target.error}")}}
        for target in report.targets
        if target.error
    ]
    notes += [
        {
            "level": "error" if report.stops(check) else "warning",
            "message": {"text": one_line(f"{check.name}: unknown: {check.reason}")},
            "associatedRule": {"id": check.name},
        }
        for check in report.checks
        if check.verdict is Verdict.UNKNOWN
    ]
    return {
        "executionSuccessful": report.exit_code != EXIT_UNMEASURED,
        "exitCode": report.exit_code,
        "startTimeUtc": report.started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "toolExecutionNotifications": notes,
    }
