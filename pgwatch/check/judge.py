"""From rules, and how the queries that feed them ended, to the verdict of each check. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pgwatch.check.seen import Fed, Seen, feeding
from pgwatch.check.spec import (
    OF_THE_DAEMON,
    CheckSpec,
    Producers,
    absence_asked,
    asks_absence,
    asks_history,
    metric_name,
)
from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings, worst
from pgwatch.check.window import Fit, fit, lacks_of_count
from pgwatch.promql.ast import (
    BinaryExpr,
    Expr,
    VectorSelector,
    children,
    selectors,
)
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import Finding as Found
from pgwatch.rules.evaluate import evaluate
from pgwatch.rules.rule import AlertingRule, Severity
from pgwatch.samples.labels import Labels

_VERDICT = "verdict"  # a rule with the label `verdict: unknown` finds what could not be told
_SHOWN = 10  # of what could not be told, by name

# A finding's object is made of the labels that name one, outermost first; the first row that applies.
_OBJECTS = (
    ("schemaname", "relname", "matviewname", "indexrelname", "conname", "tgname"),
    ("table_name", "constraint_name"),
    ("view_name",),
    ("slot_name",),
    ("project_id",),
    ("probe",),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one rule said about one target."""

    verdict: Verdict
    reason: str = ""
    cures: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    lacks: str = ""  # which history it needs, where that is the reason
    doubted: bool = False


def judge(
    spec: CheckSpec,
    seen: Seen,
    *,
    target: str,
    database: str,
    producers: Producers,
    accepted: Sequence[Accepted] = (),
) -> CheckResult:
    """Return the verdict of `spec` on one target."""
    told = [_tell(rule, seen, producers, accepted) for rule in spec.rules]
    verdict = worst(one.verdict for one in told)
    found = any(one.verdict is Verdict.WARN for one in told)
    if verdict is Verdict.UNKNOWN and found and not _may_be_grave(spec, told):
        verdict = Verdict.WARN  # what was found counts, as it does within one rule
    sources = frozenset[str]().union(*(producers.of(rule) for rule in spec.rules))
    return CheckResult(
        name=spec.name,
        target=target,
        database=database,
        phase=spec.phase,
        severity=spec.severity,
        verdict=verdict,
        reason="; ".join(dict.fromkeys(_notes(told, verdict))),
        cure="\n".join(dict.fromkeys(cure for one in told for cure in one.cures)),
        findings=tuple(finding for one in told for finding in one.findings),
        sources=tuple(sorted(sources & seen.runs.keys())),
        duration_seconds=sum(
            run.elapsed_seconds for name in sources & seen.runs.keys() for run in seen.runs[name]
        ),
        doubted=any(one.doubted for one in told),
    )


def _may_be_grave(spec: CheckSpec, told: Sequence[_Told]) -> bool:
    """Return whether what could not be told would say no: a warning beside it must not end with 0."""
    return any(
        one.verdict is Verdict.UNKNOWN and rule.severity is Severity.CRITICAL
        for rule, one in zip(spec.rules, told, strict=True)
    )


def _notes(told: Sequence[_Told], verdict: Verdict) -> Iterator[str]:
    """Iterate over the reasons that explain `verdict`; why a part was skipped matters if all was."""
    lacking = [one.lacks for one in told if one.lacks]
    if verdict is Verdict.SKIPPED:
        yield from lacking
    for one in told:
        if one.reason and (one.verdict is verdict or one.verdict is not Verdict.SKIPPED):
            yield one.reason
    if verdict is not Verdict.SKIPPED:
        yield from (f"in part it {lacks}" for lacks in lacking)


def _tell(
    rule: AlertingRule, seen: Seen, producers: Producers, accepted: Sequence[Accepted]
) -> _Told:
    fed = feeding(rule, seen, producers)
    mistakes = producers.mistakes(rule)
    if (told := _without_looking(rule, fed, producers, mistakes)) is not None:
        return told
    fitted = _fitted(rule, seen, producers)
    try:
        evaluation = evaluate(
            replace(rule, expr=fitted.expr),
            seen.engine,
            round(seen.now.timestamp() * 1000),
            surroundings=seen.surroundings,
        )
    except PromqlError as error:
        return _Told(verdict=Verdict.UNKNOWN, reason=f"the rule could not be evaluated: {error}")
    counted, waived = _sorted_out(rule, evaluation.findings, accepted, seen.now)
    wanted = absence_asked(rule.expr)
    if not wanted.isdisjoint(fed.doubted):
        counted = []  # absent, maybe, only because nobody could look
    doubts = [*fed.doubts, *mistakes]
    if fitted.partial and producers.window is not None and not counted and not doubts:
        lacks = lacks_of_count(rule.expr, producers.window)
        return _Told(verdict=Verdict.SKIPPED, reason=lacks, lacks=lacks)
    notes = list(dict.fromkeys([*doubts, *([fitted.note] if fitted.note else [])]))
    if counted:
        notes += dict.fromkeys(fed.absent[metric] for metric in fed.absent if metric in wanted)
    if waived:
        notes.append(f"{len(waived)} accepted and not counted ({', '.join(dict.fromkeys(waived))})")
    if counted and rule.labels.get(_VERDICT) == Verdict.UNKNOWN:
        return _untold(counted, notes, fed.cures)
    verdict = worst([Verdict.PASS, *(of_findings(_severity(rule, f), found=True) for f in counted)])
    if doubts and not counted:
        verdict = Verdict.UNKNOWN
    return _Told(
        verdict=verdict,
        reason="; ".join(notes),
        cures=fed.cures,
        findings=tuple(_finding(found, _severity(rule, found)) for found in counted),
        doubted=bool(doubts),
    )


def _without_looking(
    rule: AlertingRule, fed: Fed, producers: Producers, mistakes: Sequence[str]
) -> _Told | None:
    """Return what there is to say of a rule that no samples decide; None if they do."""
    lacks = producers.lacks(rule)
    if mistakes and (lacks or _is_mute(rule.expr, fed.absent)):
        # Never skipped, as it would be at every run: no configuration and no server brings it.
        return _Told(verdict=Verdict.UNKNOWN, reason="; ".join(mistakes))
    if lacks:
        if _is_mute(rule.expr, fed.empty):
            return _Told(verdict=Verdict.PASS)  # nothing is there whose history it would ask for
        return _Told(verdict=Verdict.SKIPPED, reason=lacks, lacks=lacks)
    if _is_mute(rule.expr, fed.absent):
        return _Told(verdict=Verdict.SKIPPED, reason="; ".join(dict.fromkeys(fed.absent.values())))
    return None


def _fitted(rule: AlertingRule, seen: Seen, producers: Producers) -> Fit:
    """Return the rule's expression as it is evaluated: over the window, where it asks for history."""
    if producers.window is None or not asks_history(rule, producers.historic):
        return Fit(expr=rule.expr)
    span = seen.now - seen.begun if seen.begun else timedelta(0)
    return fit(rule.expr, window=producers.window, span=span)


def _untold(counted: Sequence[Found], notes: Sequence[str], cures: tuple[str, ...]) -> _Told:
    """Return what a rule says whose findings are what could not be told (label `verdict: unknown`)."""
    findings = [_finding(found, None) for found in counted]
    shown = [finding.summary for finding in findings[:_SHOWN]]
    more = [f"and {len(findings) - _SHOWN} more"] if len(findings) > _SHOWN else []
    return _Told(
        verdict=Verdict.UNKNOWN,
        reason="; ".join([*notes, *shown, *more]),
        cures=(*cures, *(finding.fix for finding in findings if finding.fix)),
    )


def _is_mute(expr: Expr, absent: Collection[str]) -> bool:
    """Return whether `expr` says nothing where the metrics `absent` do not exist."""
    if isinstance(expr, VectorSelector):
        return metric_name(expr) in absent
    if asks_absence(expr):
        return any(metric_name(selector).startswith(OF_THE_DAEMON) for selector in selectors(expr))
    if isinstance(expr, BinaryExpr) and expr.op == "or":
        return _is_mute(expr.lhs, absent) and _is_mute(expr.rhs, absent)
    if isinstance(expr, BinaryExpr) and expr.op == "unless":
        return _is_mute(expr.lhs, absent)
    return any(_is_mute(child, absent) for child in children(expr))


def _sorted_out(
    rule: AlertingRule, findings: Iterable[Found], accepted: Sequence[Accepted], now: datetime
) -> tuple[list[Found], list[str]]:
    """Return the findings that count, and the reasons why the others were accepted."""
    counted: list[Found] = []
    waived: list[str] = []
    for found in findings:
        if entry := accepted_by(accepted, rule.name, found.labels, now):
            waived.append(entry.reason or "no reason given")
        else:
            counted.append(found)
    return counted, waived


def _severity(rule: AlertingRule, found: Found) -> Severity:
    """Return the severity of one finding: a rule may derive it from what it found."""
    try:
        return Severity(found.labels.label("severity"))
    except ValueError:
        return rule.severity


def _finding(found: Found, severity: Severity | None) -> Finding:
    labels, annotations = found.labels, found.annotations
    name = labels.label("alertname")
    shown = {
        key: text for key, text in labels.items() if key not in ("alertname", "severity", "phase")
    }
    return Finding(
        summary=annotations.get("summary") or f"{name} {labels.without(['alertname'])!r}",
        description=annotations.get("description", ""),
        fix=annotations.get("fix", ""),
        labels=shown,
        value=found.value,
        object=object_of(labels),
        severity=severity,
    )


def object_of(labels: Labels) -> str:
    """Return what a finding is about: `public.users.users_email_key`, `pid 4711`, else database or target."""
    for names in _OBJECTS:
        if named := ".".join(labels.label(name) for name in names if labels.label(name)):
            return named
    if pid := labels.label("pid"):
        return f"pid {pid}"
    return labels.label("datname") or labels.label("target")
