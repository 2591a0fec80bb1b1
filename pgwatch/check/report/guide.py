"""A guide as people and programs read it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pgwatch.check.guide import Guide, State, Step, StepNow
from pgwatch.check.report.plain import MARKS, TITLES, VISIBLE, headline, one_line, said, whose
from pgwatch.check.verdict import CheckResult, Verdict

_TITLES = {
    Step.BACKUP: "Backup",
    Step.APPLY: "Apply the migrations",
    **{Step(str(phase)): title for phase, title in TITLES.items()},
}
_FINDINGS = 3  # of one step, on the screen; JSON has them all
_WIDTH = 120
_LOUD = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN)

SCHEMA = 1


def text(guides: Sequence[Guide]) -> str:
    """Return the guides for a person: a line for each step, what is to be typed, the first findings."""
    return "\n".join("\n".join(_guide(guide)) for guide in guides) + "\n"


def document(guides: Sequence[Guide], exit_code: int) -> str:
    """Return the guides as one indented JSON document."""
    whole = {"schema": SCHEMA, "exit_code": exit_code, "guides": [_object(one) for one in guides]}
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _guide(guide: Guide) -> Iterator[str]:
    yield whose(guide.target)
    if guide.target.error:
        yield f"    {one_line(guide.target.error)}"
    for number, one in enumerate(guide.steps, 1):
        yield ""
        arrow = "→" if one.state is State.NEXT else " "
        mark = "·" if one.state is State.PAST else MARKS[one.verdict]
        yield f"{arrow} {number} {mark} {_TITLES[one.step]}: {_standing(one)}"
        for command in one.commands:
            yield f"        $ {command}"
        if one.state is not State.PAST:
            yield from _checks(one.checks)
    yield ""
    yield _end(guide)


def _standing(one: StepNow) -> str:
    parts = [str(one.state)]
    if one.state is not State.PAST and one.checks:
        counts = {verdict: sum(c.verdict is verdict for c in one.checks) for verdict in Verdict}
        parts.append(", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n))
    if one.note and not (one.state is State.PAST and one.step is not Step.APPLY):
        parts.append(one_line(one.note))
    return "; ".join(parts)


def _checks(checks: Sequence[CheckResult]) -> Iterator[str]:
    shown = 0
    for check in checks:
        if check.verdict not in _LOUD:
            continue
        if shown >= _FINDINGS:
            rest = sum(1 for one in checks if one.verdict in _LOUD)
            yield f"        … (the command above shows all of {rest} checks)"
            return
        shown += 1
        yield f"        {MARKS[check.verdict]} {_cut(f'{check.name}: {headline(check)}')}"
        fix = check.findings[0].fix if check.findings else check.cure
        first, *more = fix.strip().translate(VISIBLE).splitlines() or [""]
        if first:
            yield f"            cure: {first}" + (" …" if more else "")


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"


def _end(guide: Guide) -> str:
    ahead = next((one for one in guide.steps if one.state is State.NEXT), None)
    if ahead is None:
        return f"all steps are done (exit {guide.exit_code})"
    return f"next: {_TITLES[ahead.step].lower()} (exit {guide.exit_code})"


def _object(guide: Guide) -> dict[str, Any]:
    target = guide.target
    return {
        "target": target.name,
        "database": target.database,
        "error": target.error or None,
        "exit_code": guide.exit_code,
        "steps": [
            {
                "step": str(one.step),
                "title": _TITLES[one.step],
                "state": str(one.state),
                "verdict": str(one.verdict),
                "note": one.note or None,
                "commands": list(one.commands),
                "checks": [
                    {
                        "name": check.name,
                        "verdict": str(check.verdict),
                        "reason": check.reason or None,
                        "findings": [
                            {
                                "summary": said(finding),
                                "fix": finding.fix,
                                "labels": dict(finding.labels),
                            }
                            for finding in check.findings
                        ],
                    }
                    for check in one.checks
                ],
            }
            for one in guide.steps
        ],
    }
