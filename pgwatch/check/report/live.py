"""A check's result as a picture that is drawn over the last one: no taller than the window."""

from dataclasses import replace

from pgwatch.check.report import text
from pgwatch.check.verdict import Report, Verdict

_QUIET = (Verdict.PASS, Verdict.SKIPPED)


def picture(
    report: Report, *, headline: str, colour: bool, width: int, height: int
) -> tuple[str, ...]:
    """Return at most `height` lines: `headline`, the verdict, then the report.

    Where that is too tall, what passed and what was skipped goes first; what is cut is said.
    """
    *body, verdict = _lines(report, colour=colour, width=width)
    room = max(height - 4, 1)
    if len(body) > room:
        loud = [check for check in report.checks if check.verdict not in _QUIET]
        *body, _ = _lines(replace(report, checks=loud), colour=colour, width=width)
    if len(body) > room:
        cut = len(body) - room + 1
        body = [*body[: room - 1], f"… {cut} more lines: a taller window, or --once"]
    return (headline, verdict, "", *body)[:height]


def _lines(report: Report, *, colour: bool, width: int) -> list[str]:
    return text.render(report, colour=colour, width=width).splitlines()
