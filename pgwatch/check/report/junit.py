"""A check's result as JUnit's XML, which Jenkins, GitLab and the reporters of GitHub open.

There is no one standard. This keeps to what the schemas of Jenkins' xUnit plugin (junit-10.xsd, after Maven
Surefire's) and of Ant's JUnit task have in common. A case is red exactly where it is a reason for an exit
status that is not 0: what failed is a `failure`, what could not be told an `error`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from pgwatch.check.report.plain import explained, headline
from pgwatch.check.verdict import CheckResult, Report, TargetReport, Verdict
from pgwatch.rules.rule import Phase

# XML 1.0 has no way to write these, section 2.2: Char.
_NO_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = ("failure", "error", "skipped")


def render(report: Report) -> str:
    """Return the report as an XML document: a suite for each target and phase, a case for each check."""
    root = ET.Element("testsuites", name="pgwatch", time=_seconds(report.duration_seconds))
    for target in report.targets:
        if target.error:
            root.append(_unreached(target, report.started))
    for name in dict.fromkeys(check.target for check in report.checks):
        for phase in Phase:
            own = [check for check in report.checks if (check.target, check.phase) == (name, phase)]
            if own:
                root.append(_suite(f"{name}.{phase}", own, report, _of(report.targets, name)))
    _count(root)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _of(targets: Sequence[TargetReport], name: str) -> list[TargetReport]:
    return [target for target in targets if target.name == name]


def _unreached(target: TargetReport, started: datetime) -> ET.Element:
    name = ".".join(dict.fromkeys(part for part in (target.name, target.database) if part))
    suite = _element("testsuite", name=f"{name}.session", timestamp=_moment(started))
    case = _element("testcase", name="session", classname=f"pgwatch.{name}.session", time="0.000")
    case.append(_element("error", target.error, message=target.error, type=Verdict.UNKNOWN))
    suite.append(case)
    _count(suite)
    return suite


def _suite(
    name: str, checks: Sequence[CheckResult], report: Report, targets: Sequence[TargetReport]
) -> ET.Element:
    suite = _element(
        "testsuite",
        name=name,
        timestamp=_moment(report.started),
        time=_seconds(sum(check.duration_seconds for check in checks)),
    )
    if targets:
        properties = ET.SubElement(suite, "properties")
        for key in ("database", "role", "server_version"):
            if value := getattr(targets[0], key):
                properties.append(_element("property", name=key, value=value))
    suite.extend(_case(check, f"pgwatch.{name}", report) for check in checks)
    _count(suite)
    return suite


def _case(check: CheckResult, classname: str, report: Report) -> ET.Element:
    case = _element(
        "testcase", name=check.name, classname=classname, time=_seconds(check.duration_seconds)
    )
    said, verdict = explained(check), check.verdict
    message = headline(check) or str(verdict)
    if report.stops(check):
        kind = "error" if verdict is Verdict.UNKNOWN else "failure"
        case.append(_element(kind, said, message=message, type=verdict))
    elif verdict in (Verdict.UNKNOWN, Verdict.SKIPPED):
        # Not green, since nobody looked; and not red, since it stops nothing.
        lead = "" if verdict is Verdict.SKIPPED else "unknown: "
        case.append(_element("skipped", said, message=lead + message))
    elif said:
        lead = "warning:\n" if verdict is Verdict.WARN else ""
        case.append(_element("system-out", lead + said))
    return case


def _count(element: ET.Element) -> None:
    """Write how many cases there are below `element`, and how many of them were not passed."""
    counts = {"tests": sum(1 for _ in element.iter("testcase"))}
    for kind, name in zip(_KINDS, ("failures", "errors", "skipped"), strict=True):
        counts[name] = sum(1 for _ in element.iter(kind))
    if element.tag == "testsuites":
        del counts["skipped"]  # which Jenkins' schema does not have there
    for name, count in counts.items():
        element.set(name, str(count))


def _element(tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.Element(tag, {name: _writable(str(value)) for name, value in attributes.items()})
    element.text = _writable(text) or None
    return element


def _writable(text: str) -> str:
    return _NO_CHAR.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").partition("+")[
        0
    ]  # as Surefire: UTC, without saying
