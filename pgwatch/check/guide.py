"""The runbook of a deployment: each step with what is to be typed, and how it stands now. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pgwatch.check.report.plain import gravest_first
from pgwatch.check.verdict import (
    EXIT_NO,
    EXIT_PASS,
    EXIT_UNMEASURED,
    CheckResult,
    Finding,
    TargetReport,
    Verdict,
    whole,
)
from pgwatch.migration.objects import Key
from pgwatch.rules.rule import Phase


class Step(StrEnum):
    """The steps of a deployment, in order."""

    BACKUP = "backup"
    PRE = "pre"
    APPLY = "apply"
    STRUCTURE = "structure"
    TYPES = "types"
    CONSTRAINTS = "constraints"
    POST = "post"


class State(StrEnum):
    """How a step stands."""

    DONE = "done"
    PAST = "past"  # lies before what is done already; how it would stand now says nothing
    NEXT = "next"  # the first that is not done
    WAITING = "waiting"  # comes after that


_VERIFYING = (Step.STRUCTURE, Step.TYPES, Step.CONSTRAINTS)
_BEFORE = (Step.BACKUP, Step.PRE, Step.APPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNow:
    """One step as it is now."""

    step: Step
    state: State
    verdict: Verdict
    commands: tuple[str, ...]
    checks: tuple[CheckResult, ...]  # the gravest first
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The steps for one target."""

    target: TargetReport
    steps: tuple[StepNow, ...]
    exit_code: int  # 0 all is done, 1 something is to be done, 3 nobody could look


def guide_of(
    target: TargetReport,
    checks: Iterable[CheckResult],
    commands: Mapping[Step, Sequence[str]],
    *,
    declared: Sequence[Key],
) -> Guide:
    """Return the guide of one target; `declared` are the objects that the migrations make.

    The migrations count as applied, if only in part, when less than half of what they make is missing.
    """
    by_step: dict[Step, list[CheckResult]] = {step: [] for step in Step}
    for check in checks:
        by_step[_step_of(check)].append(check)
    verdicts = {step: _verdict(by_step[step], target) for step in Step}
    findings = _findings(by_step)
    missing, wrong = _missing(findings, declared), len(findings)
    applied = bool(declared) and not target.error and 2 * missing < len(declared)
    applied = applied and all(verdicts[step] is not Verdict.UNKNOWN or wrong for step in _VERIFYING)
    verdicts[Step.APPLY] = _applied(target, verdicts, declared=len(declared), applied=applied)
    notes = {Step.APPLY: _note(target, declared=len(declared), missing=missing, wrong=wrong)}
    steps = [
        StepNow(
            step=step,
            state=state,
            verdict=verdicts[step],
            commands=tuple(commands.get(step, ())),
            checks=tuple(gravest_first(by_step[step])),
            note=notes.get(step, "") or ("" if by_step[step] else "nothing is checked here"),
        )
        for step, state in _states(verdicts, applied=applied)
    ]
    return Guide(target=target, steps=tuple(steps), exit_code=_exit_code(target, steps))


def _states(verdicts: Mapping[Step, Verdict], *, applied: bool) -> Iterator[tuple[Step, State]]:
    """Iterate over how each step stands: after the first that is not done, the others wait for it."""
    waiting = False
    for step in Step:
        done = verdicts[step] in (Verdict.PASS, Verdict.WARN, Verdict.SKIPPED)
        if applied and step in _BEFORE:
            yield step, State.PAST
        elif waiting:
            yield step, State.WAITING
        else:
            yield step, State.DONE if done else State.NEXT
            waiting = not done


def _step_of(check: CheckResult) -> Step:
    if check.phase is Phase.PRE and check.name == "backup":
        return Step.BACKUP
    return Step(str(check.phase))


def _verdict(checks: Sequence[CheckResult], target: TargetReport) -> Verdict:
    if target.error:
        return Verdict.UNKNOWN
    return whole(checks, strict=False)


def _applied(
    target: TargetReport, verdicts: Mapping[Step, Verdict], *, declared: int, applied: bool
) -> Verdict:
    if target.error or not declared:
        return Verdict.UNKNOWN
    if any(verdicts[step] is Verdict.UNKNOWN for step in _VERIFYING) and not applied:
        return Verdict.UNKNOWN
    return Verdict.PASS if applied else Verdict.FAIL


def _note(target: TargetReport, *, declared: int, missing: int, wrong: int) -> str:
    if target.error:
        return target.error
    if not declared:
        return "which migrations, --migrations or the key `migrations` says"
    if not wrong:
        return f"all of the {declared} objects that the migrations make are there"
    return f"of {declared} objects that the migrations make, {missing} are missing; {wrong} findings in all"


def _findings(by_step: Mapping[Step, Sequence[CheckResult]]) -> list[Finding]:
    return [
        finding
        for step in _VERIFYING
        for check in by_step[step]
        if check.name.startswith("migration_")
        for finding in check.findings
    ]


def _missing(findings: Sequence[Finding], declared: Sequence[Key]) -> int:
    """Return how many of `declared` are not there; of a table that is missing, only itself is a finding."""
    absent = {one.object for one in findings if one.labels.get("problem") == "missing"}
    return sum(
        str(key) in absent
        or bool(key.table and str(replace(key, name=key.table, table="")) in absent)
        for key in declared
    )


def _exit_code(target: TargetReport, steps: Sequence[StepNow]) -> int:
    """Return 0 where nothing is left to do; not to know what is next is 3."""
    ahead = next((one for one in steps if one.state is State.NEXT), None)
    if target.error:
        return EXIT_UNMEASURED
    if ahead is None:
        return EXIT_PASS
    later = any(
        one.verdict is Verdict.FAIL for one in steps if one.state in (State.NEXT, State.WAITING)
    )
    return EXIT_UNMEASURED if ahead.verdict is Verdict.UNKNOWN and not later else EXIT_NO
