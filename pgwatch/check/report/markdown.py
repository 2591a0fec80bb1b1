"""A check's result as GitHub's Markdown: the comment on a pull request, a job's summary."""

import html
import re
from collections.abc import Iterator, Sequence

from pgwatch.check.report.plain import (
    VISIBLE,
    WORDS,
    counted,
    described,
    gravest_first,
    headline,
    one_line,
    place,
    said,
    whose,
)
from pgwatch.check.verdict import CheckResult, Finding, Report, Verdict

# By this a workflow finds the comment that it wrote before, to write it anew.
MARK = "<!-- pgwatch check -->"
LIMIT = 65_536  # characters of a comment on GitHub; a job's summary may have 1 MiB

_SIGNS = {
    Verdict.PASS: "✅",
    Verdict.WARN: "⚠️",
    Verdict.FAIL: "❌",
    Verdict.UNKNOWN: "❓",
    Verdict.SKIPPED: "⏭️",
}
_ROWS = 50  # of the table
_CELL = 200  # characters of its last column
_NAMES = 4_000  # characters of names that only passed or were skipped
# What Markdown reads as its own; an underscore within a word is none.
_ACTIVE = re.compile(r"([\\`*{}\[\]<>#|~!$]|(?<![^\W_])_|_(?![^\W_]))")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")  # tells nobody; an address in a text stays as it is


def render(report: Report, *, limit: int = LIMIT) -> str:
    """Return the report as Markdown of at most `limit` characters; it says what it leaves out."""
    text = "\n".join(_head(report)) + "\n"
    loud = _loud(report)
    tail = _tail(report)
    room = limit - len(text) - len(tail) - 300  # for the sentence about what was left out
    for index, check in enumerate(loud):
        block = "\n".join(_details(check)) + "\n"
        if len(block) > room:
            block = _shortened(check, room)
        if not block:
            return f"{text}{_left_out(loud[index:])}{tail}"
        text += block
        room -= len(block)
    return text + tail


def _loud(report: Report) -> list[CheckResult]:
    """Return the checks that have anything to say, the gravest first; what was skipped is only named."""
    return [
        check
        for check in gravest_first(report.checks)
        if check.verdict is not Verdict.SKIPPED and (check.findings or check.reason)
    ]


def _head(report: Report) -> Iterator[str]:
    yield MARK
    yield f"## {_SIGNS[report.verdict]} pgwatch: {report.verdict}"
    yield ""
    yield f"{counted(report)} in {report.duration_seconds:.2f} s (exit {report.exit_code})"
    yield ""
    for target in report.targets:
        trouble = f": {_text(target.error)}" if target.error else ""
        yield f"- {_text(whose(target))}{trouble}"
    rows = [c for c in _loud(report) if c.verdict is not Verdict.PASS]
    if not rows:
        return
    yield ""
    yield "| | check | target | phase | says |"
    yield "| --- | --- | --- | --- | --- |"
    for check in rows[:_ROWS]:
        line = one_line(headline(check))
        line = line if len(line) <= _CELL else line[: _CELL - 1] + "…"
        yield (
            f"| {_SIGNS[check.verdict]} | {_text(check.name)} | {_text(check.target)}"
            f" | {check.phase} | {_text(line)} |"
        )
    if len(rows) > _ROWS:
        yield ""
        yield f"… and {len(rows) - _ROWS} checks more."


def _details(check: CheckResult, *, at_most: int | None = None) -> Iterator[str]:
    count = len(check.findings)
    what = f"{count} finding{'s' * (count > 1)}" if count else str(check.verdict)
    yield ""
    yield (
        f"<details><summary>{_SIGNS[check.verdict]} <b>{_in_html(check.name)}</b>"
        f" · {_in_html(check.target)} · {what}</summary>"
    )
    yield ""
    if check.reason:
        yield _text(one_line(check.reason))
        yield ""
    yield from _cure(check.cure, "")
    for finding in check.findings[:at_most]:
        yield from _finding(finding)
    if at_most is not None and count > at_most:
        yield f"- … and {count - at_most} more findings; `--format json` has them all"
    yield ""
    yield "</details>"


def _shortened(check: CheckResult, room: int) -> str:
    """Return the details of `check` with as many findings as there is room for, "" if for none."""
    low, high = 0, len(check.findings)
    while low < high:  # the longest that fits
        middle = (low + high + 1) // 2
        if len("\n".join(_details(check, at_most=middle))) + 1 <= room:
            low = middle
        else:
            high = middle - 1
    return "\n".join(_details(check, at_most=low)) + "\n" if low else ""


def _finding(finding: Finding) -> Iterator[str]:
    where = place(finding)
    yield f"- {_text(one_line(said(finding)))}" + (f" ({_code(where)})" if where else "")
    if description := described(finding):
        yield f"  <br>{_text(description)}"
    yield from _cure(finding.fix, "  ")


def _cure(text: str, indent: str) -> Iterator[str]:
    if not text.strip():
        return
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    yield ""
    yield f"{indent}{fence}sql"
    for line in text.strip().translate(VISIBLE).splitlines():
        yield f"{indent}{line}"
    yield f"{indent}{fence}"
    yield ""


def _tail(report: Report) -> str:
    """Return the names of those that have nothing to say."""
    text = ""
    loud = _loud(report)
    for verdict in (Verdict.UNKNOWN, Verdict.WARN, Verdict.FAIL, Verdict.PASS, Verdict.SKIPPED):
        quiet = [c.name for c in report.checks if c.verdict is verdict and c not in loud]
        if quiet:
            names = ", ".join(_text(name) for name in dict.fromkeys(quiet))
            names = names if len(names) <= _NAMES else names[:_NAMES].rpartition(", ")[0] + ", …"
            summary = f"{_SIGNS[verdict]} {len(quiet)} {WORDS[verdict]}"
            text += f"\n<details><summary>{summary}</summary>\n\n{names}\n\n</details>\n"
    return text


def _left_out(checks: Sequence[CheckResult]) -> str:
    findings = sum(len(check.findings) for check in checks)
    return (
        f"\n**Left out**, as GitHub takes no longer comment: the details of {len(checks)}"
        f" check{'s' * (len(checks) > 1)} with {findings} findings. `--format json` has them all.\n"
    )


def _text(text: str) -> str:
    """Return `text` so that Markdown and HTML show it as it is, and nobody is notified."""
    return _MENTION.sub("@\u200b", _ACTIVE.sub(r"\\\1", one_line(text)))


def _in_html(text: str) -> str:
    """Return `text` for where HTML stands, in which Markdown's escapes are no escapes."""
    return html.escape(one_line(text))


def _code(text: str) -> str:
    """Return `text` as inline code, also in a table."""
    ticks = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{one_line(text)}{pad}{ticks}"
