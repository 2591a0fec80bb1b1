"""A check's result as a plugin of Nagios, Icinga, Naemon or Checkmk says it.

One status line with performance data, then long output: the plugin guidelines of monitoring-plugins.org.
"""

from collections.abc import Iterator

from pgwatch.check.report.plain import counted, explained, gravest_first, headline, one_line
from pgwatch.check.verdict import CheckResult, Report, Verdict

_STATES = {
    Verdict.PASS: (0, "OK"),
    Verdict.WARN: (1, "WARNING"),
    Verdict.FAIL: (2, "CRITICAL"),
    Verdict.UNKNOWN: (3, "UNKNOWN"),
    Verdict.SKIPPED: (3, "UNKNOWN"),  # nothing was judged, which is no OK
}
UNKNOWN = 3
_FIRST_LINE = 1000  # bytes; NRPE 2 carries 1,024 of the first line with its performance data
_WHOLE = 8000  # bytes; Nagios keeps 8,192, MAX_PLUGIN_OUTPUT_LENGTH in its nagios.h
_CUT = "… cut; --format text shows all\n"


def status_of(verdict: Verdict) -> int:
    """Return the exit status of a plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""
    return _STATES[verdict][0]


def render(report: Report) -> str:
    """Return the plugin's output, at most 8 kB of it."""
    performance = " ".join(_performance(report))
    room = _FIRST_LINE - len(performance.encode()) - len(" | ")
    text = _shortened(_status(report), room) + f" | {performance}\n"
    left = _WHOLE - len(text.encode())
    for line in _long(report):
        left -= len(line.encode())
        if left < len(_CUT.encode()):
            return text + _CUT
        text += line
    return text


def mistake(message: str) -> str:
    """Return what a plugin says that could not be run as it was called."""
    return f"PGWATCH UNKNOWN - {_shortened(_plain(message), _FIRST_LINE)}\n"


def _status(report: Report) -> str:
    _, word = _STATES[report.verdict]
    said = [f"{target.name}: {target.error}" for target in report.targets if target.error]
    said += [
        f"{check.name}: {headline(check)}" for check in _told(report) if report.stops(check)
    ] or [f"{check.name}: {headline(check)}" for check in _told(report)]
    return _plain(f"PGWATCH {word} - " + "; ".join([counted(report), *said]))


def _told(report: Report) -> list[CheckResult]:
    """Return the checks that have anything to say of the run's verdict, the gravest first."""
    silent = (Verdict.PASS, Verdict.SKIPPED)
    return [check for check in gravest_first(report.checks) if check.verdict not in silent]


def _long(report: Report) -> Iterator[str]:
    for check in _told(report):
        yield _plain(f"[{check.verdict}] {check.name} ({check.target}, {check.phase})") + "\n"
        for line in explained(check).splitlines():
            yield f"  {line.replace('|', '¦')}\n"


def _performance(report: Report) -> Iterator[str]:
    for verdict, count in report.counts.items():
        # warn;crit are ranges: 0 says that more than none is too many.
        limits = {Verdict.WARN: ";0", Verdict.FAIL: ";;0"}.get(verdict, "")
        yield f"{verdict}={count}{limits}"
    yield f"time={report.duration_seconds:.3f}s"


def _plain(text: str) -> str:
    """Return `text` on one line, without the character that begins performance data."""
    return one_line(text).replace("|", "¦")


def _shortened(text: str, room: int) -> str:
    if len(text.encode()) <= room:
        return text
    return text.encode()[: room - len("…".encode())].decode(errors="ignore") + "…"
