"""A check's result for a person: grouped by phase, the cure beside each finding."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from pgwatch.check.report.plain import MARKS, TITLES, VISIBLE, WORDS, counted, said, whose
from pgwatch.check.verdict import CheckResult, Finding, Report, TargetReport, Verdict
from pgwatch.rules.rule import Phase, Severity

# SGR codes of ECMA-48: the verdict is also said by mark and word, colour only helps the eye.
_COLOURS = {
    Verdict.PASS: "32",
    Verdict.WARN: "33",
    Verdict.FAIL: "1;31",
    Verdict.UNKNOWN: "35",
    Verdict.SKIPPED: "2",
}
_ORDER = tuple(WORDS)
_NO_RELATION = re.compile(r"relation (\S+) does not exist in database (.+)")
_MAX_FINDINGS = 10  # of one check; the JSON report has them all
_MAX_BRIEF = 60  # further ones that are about a line of a file, told without description and cure


def render(report: Report, *, colour: bool, width: int = 100) -> str:
    """Return the report as text of about `width` columns, with ANSI colours if `colour`."""
    return "\n".join(_lines(report, colour=colour, width=width)) + "\n"


def _lines(report: Report, *, colour: bool, width: int) -> Iterator[str]:
    databases: dict[str, list[TargetReport]] = {}
    for target in report.targets:
        databases.setdefault(target.name, []).append(target)
    for name in dict.fromkeys((*databases, *(check.target for check in report.checks))):
        if name not in databases:
            yield _bold(f"HTTP probe {name}", colour=colour)
        for target in databases.get(name, ()):
            yield _bold(whose(target), colour=colour)
            if target.error:
                lead = "" if target.server_version else "no session: "
                yield from _wrapped(lead + target.error, "    ", width)
        own = [check for check in report.checks if check.target == name]
        for phase in Phase:
            checks = [check for check in own if check.phase is phase]
            if checks:
                yield ""
                yield "  " + _bold(TITLES[phase], colour=colour)
                yield from _checks(checks, colour=colour, width=width)
        yield ""
    if report.checks and all(check.verdict is Verdict.SKIPPED for check in report.checks):
        yield "nothing was judged: each check was skipped"
    yield _summary(report, colour=colour)


def _checks(checks: Sequence[CheckResult], *, colour: bool, width: int) -> Iterator[str]:
    told = [check for check in checks if check.verdict is not Verdict.SKIPPED]
    for check in sorted(told, key=lambda c: (_ORDER.index(c.verdict), c.name)):
        yield from _check(check, colour=colour, width=width)
    for names, reason in _skipped(checks):
        mark = f"    {MARKS[Verdict.SKIPPED]} "
        for line in _wrapped(f"{', '.join(names)}: {reason}", " " * 6, width):
            yield _paint(mark + line[6:], _COLOURS[Verdict.SKIPPED], on=colour)
            mark = " " * 6


def _skipped(checks: Sequence[CheckResult]) -> Iterator[tuple[list[str], str]]:
    """Iterate over the checks that were skipped, those with one reason together.

    Relations that a database does not have count as one reason: most often it is another application's.
    """
    by_reason: dict[str, list[str]] = {}
    absent: dict[str, dict[str, None]] = {}  # relations, by database
    for check in checks:
        if check.verdict is not Verdict.SKIPPED:
            continue
        reasons = list(dict.fromkeys(check.reason.split("; ")))
        missing = [match for reason in reasons if (match := _NO_RELATION.fullmatch(reason))]
        key = "; ".join(reasons)
        if len(missing) == len(reasons) and len({match[2] for match in missing}) == 1:
            key = f"database {missing[0][2]}"
            absent.setdefault(key, {}).update(dict.fromkeys(match[1] for match in missing))
        by_reason.setdefault(key, []).append(check.name)
    for key, names in by_reason.items():
        relations = ", ".join(absent.get(key, ()))
        yield names, f"{key} does not have {relations}" if relations else key


def _check(check: CheckResult, *, colour: bool, width: int) -> Iterator[str]:
    verdict = check.verdict
    note = check.reason.translate(VISIBLE)
    word = "" if verdict in (Verdict.PASS, Verdict.FAIL) else f"{verdict}: "
    if check.findings:
        count = len(check.findings)
        note = f"{count} finding{'s' if count > 1 else ''}" + (f"; {note}" if note else "")
        word = "for information: " if check.severity is Severity.INFO else word
    head = f"    {_paint(MARKS[verdict], _COLOURS[verdict], on=colour)} {check.name}"
    if not note:
        yield head
        return
    first, *rest = textwrap.wrap(word + note, max(width - 46, 30))
    yield f"{head}{' ' * max(1, 38 - len(check.name))}{_paint(first, '2', on=colour)}"
    for line in rest:
        yield " " * 44 + _paint(line, "2", on=colour)
    yield from _cure(check.cure, colour=colour)
    for finding in check.findings[:_MAX_FINDINGS]:
        yield from _finding(finding, colour=colour, width=width)
    others = check.findings[_MAX_FINDINGS:]
    brief = [finding for finding in others if "line" in finding.labels][:_MAX_BRIEF]
    if brief:
        yield "        in short:"
    for finding in brief:
        text = f"{said(finding)} ({_place(finding)})"
        for part in textwrap.wrap(text, width, initial_indent=" " * 10, subsequent_indent=" " * 12):
            yield _paint(part, "2", on=colour)
    if more := len(others) - len(brief):
        yield f"        … and {more} more (--format json lists all)"


def _place(finding: Finding) -> str:
    labels = finding.labels
    return f"{labels.get('migration') or labels.get('file', '')}:{labels['line']}"


def _finding(finding: Finding, *, colour: bool, width: int) -> Iterator[str]:
    yield from _wrapped(said(finding), "        ", width)
    if finding.description and finding.description != finding.summary:
        for line in _wrapped(finding.description, "          ", width):
            yield _paint(line, "2", on=colour)
    yield from _cure(finding.fix, colour=colour)


def _cure(text: str, *, colour: bool) -> Iterator[str]:
    lead = "cure: "
    for line in text.strip().translate(VISIBLE).splitlines():
        # Never wrapped: it is there to be copied.
        yield f"          {_paint(lead, '36', on=colour)}{line}"
        lead = "      "


def _summary(report: Report, *, colour: bool) -> str:
    verdict = _paint(str(report.verdict).upper(), _COLOURS[report.verdict], on=colour)
    return (
        f"{verdict}  {counted(report)}"
        f"  in {report.duration_seconds:.2f} s  (exit {report.exit_code})"
    )


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(
        text.translate(VISIBLE),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _bold(text: str, *, colour: bool) -> str:
    return _paint(text, "1", on=colour)


def _paint(text: str, code: str, *, on: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if on else text
