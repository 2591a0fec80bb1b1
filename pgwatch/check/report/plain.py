"""What each format says in words: one line of a check, all of it, a headline of the run."""

from collections.abc import Iterator, Sequence

from pgwatch.check.verdict import CheckResult, Finding, Report, TargetReport, Verdict
from pgwatch.rules.rule import Phase

# Names, queries and messages come from the watched server: none of them may steer a terminal or a viewer.
VISIBLE = {
    **{
        code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
    },
    # Half characters, from file names that are no UTF-8: no encoding writes them.
    **{code: f"\\u{code:04x}" for code in range(0xD800, 0xE000)},
}
WORDS = {
    Verdict.FAIL: "failed",
    Verdict.UNKNOWN: "unknown",
    Verdict.WARN: "warned",
    Verdict.PASS: "passed",
    Verdict.SKIPPED: "skipped",
}  # the gravest first
MARKS = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.FAIL: "✗",
    Verdict.UNKNOWN: "?",
    Verdict.SKIPPED: "–",
}
TITLES = {
    Phase.PRE: "Before the migration",
    Phase.STRUCTURE: "Structure",
    Phase.TYPES: "Data types",
    Phase.CONSTRAINTS: "Constraints and performance objects",
    Phase.POST: "After the migration",
}


def counted(report: Report) -> str:
    """Return `2 failed, 1 unknown, 30 passed`."""
    counts = report.counts
    said = [f"{counts[verdict]} {word}" for verdict, word in WORDS.items() if counts[verdict]]
    return ", ".join(said) or "no check was run"


def gravest_first(checks: Sequence[CheckResult]) -> list[CheckResult]:
    """Return `checks` by verdict; those of one verdict keep their order."""
    order = list(WORDS)
    return sorted(checks, key=lambda check: order.index(check.verdict))


def headline(check: CheckResult) -> str:
    """Return in one line what `check` says, "" if it has nothing to say."""
    parts = []
    if check.findings:
        count = len(check.findings)
        first = one_line(said(check.findings[0]))
        parts.append(f"{count} findings, the first: {first}" if count > 1 else first)
    if check.reason:
        parts.append(one_line(check.reason))
    return "; ".join(parts)


def explained(check: CheckResult) -> str:
    """Return all that `check` has to say, in lines: reason, cure, findings with place and cure."""
    return "\n".join(_lines(check)).translate(VISIBLE)


def said(finding: Finding) -> str:
    """Return a finding's summary; with a baseline, also whether it was there before."""
    if finding.new is None:
        return finding.summary
    return f"{'new' if finding.new else 'old'}: {finding.summary}"


def place(finding: Finding) -> str:
    """Return `file:line` of what the finding is about, "" if it is in no file."""
    file, line = finding.labels.get("file", ""), finding.labels.get("line", "")
    return f"{file}:{line}" if file and line else ""


def described(finding: Finding) -> str:
    """Return a finding's description, "" if it adds nothing to its summary and its place."""
    where = place(finding)
    known = (finding.summary, f"declared in {where}")
    return "" if finding.description in known else finding.description.removeprefix(f"{where}: ")


def one_line(text: str) -> str:
    """Return `text` without line breaks and control characters."""
    return " ".join(text.translate(VISIBLE).split())


def whose(target: TargetReport) -> str:
    """Return `roofing · database app · PostgreSQL 18.6 · primary`."""
    parts = [target.name]
    if target.database and target.database != target.name:
        parts.append(f"database {target.database}")
    if target.server_version:
        parts.append(f"PostgreSQL {target.server_version}")
    if target.role:
        parts.append(target.role)
    return " · ".join(parts).translate(VISIBLE)


def _lines(check: CheckResult) -> Iterator[str]:
    if check.reason:
        yield check.reason
    yield from _cure(check.cure, "")
    for finding in check.findings:
        where = place(finding)
        yield f"- {said(finding)}" + (f" ({where})" if where else "")
        if description := described(finding):
            yield f"  {description}"
        yield from _cure(finding.fix, "  ")


def _cure(text: str, indent: str) -> Iterator[str]:
    lead = "cure: "
    for line in text.strip().splitlines():
        yield f"{indent}{lead}{line}"
        lead = "      "
