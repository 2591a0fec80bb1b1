"""A check's result for programs: `schema: 1`."""

import json
import math
from typing import Any

from pgwatch import __version__
from pgwatch.check.verdict import CheckResult, Finding, Report

SCHEMA = 1  # grows when a field is removed or changes its meaning; new fields do not change it


def render(report: Report) -> str:
    """Return the report as one indented JSON document with a newline at its end."""
    return json.dumps(_document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _document(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "pgwatch": __version__,
        "targets": [
            {
                "name": target.name,
                "database": target.database,
                "role": target.role or None,
                "server_version": target.server_version or None,
                "error": target.error or None,
            }
            for target in report.targets
        ],
        "started": report.started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_seconds": round(report.duration_seconds, 3),
        "verdict": str(report.verdict),
        "exit_code": report.exit_code,
        "counts": {str(verdict): count for verdict, count in report.counts.items()},
        "checks": [_check(check) for check in report.checks],
    }


def _check(check: CheckResult) -> dict[str, Any]:
    return {
        "name": check.name,
        "target": check.target,
        "database": check.database,
        "phase": str(check.phase),
        "severity": str(check.severity),
        "verdict": str(check.verdict),
        "reason": _reason(check),
        "findings": [_finding(finding) for finding in check.findings],
        "sources": list(check.sources),
        "duration_seconds": round(check.duration_seconds, 4),
    }


def _reason(check: CheckResult) -> str | None:
    return f"{check.reason}; cure: {check.cure}" if check.cure else check.reason or None


def _finding(finding: Finding) -> dict[str, Any]:
    value = finding.value
    return {
        "summary": finding.summary,
        "description": finding.description,
        "fix": finding.fix,
        "labels": dict(finding.labels),
        # JSON has no NaN and no infinity; null says that there is no number to show.
        "value": value if value is not None and math.isfinite(value) else None,
        "object": finding.object,
        "new": finding.new,
    }
