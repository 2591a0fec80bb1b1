"""From rules, and how the queries that feed them ended, to the verdict of each check. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from pgwatch.check.verdict import CheckResult, Finding, Verdict, of_findings, worst
from pgwatch.collect.outcome import Answered, Blocked, Denied, NotApplicable, QueryRun
from pgwatch.promql.ast import needs_history, selectors
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import evaluate
from pgwatch.rules.rule import AlertingRule, Phase, RecordingRule, Rule, RuleGroup, Severity
from pgwatch.samples.labels import METRIC_NAME, Labels, MatchType

_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
# A finding's object is made of the labels that name one, outermost first.
_OBJECT_LABELS = ("schemaname", "relname", "matviewname", "indexrelname", "conname", "tgname")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One check: the alerting rules that share a name."""

    name: str
    rules: tuple[AlertingRule, ...]

    @property
    def severity(self) -> Severity:
        """The gravest severity of its rules."""
        return min((rule.severity for rule in self.rules), key=_SEVERITIES.index)

    @property
    def phase(self) -> Phase:
        """The phase of its first rule."""
        return self.rules[0].phase

    @property
    def needs_history(self) -> bool:
        """Whether no rule of it can be told from a single observation."""
        return all(needs_history(rule.expr) for rule in self.rules)


def check_specs(
    groups: Iterable[RuleGroup],
    *,
    phases: Collection[Phase],
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> tuple[CheckSpec, ...]:
    """Return the checks of `phases` in the rules' order; `only` and `skip` are names or patterns."""
    by_name: dict[str, list[AlertingRule]] = {}
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, AlertingRule):
                by_name.setdefault(rule.name, []).append(rule)
    specs = (CheckSpec(name=name, rules=tuple(rules)) for name, rules in by_name.items())
    return tuple(
        spec
        for spec in specs
        if spec.phase in phases
        and (not only or any(fnmatchcase(spec.name, pattern) for pattern in only))
        and not any(fnmatchcase(spec.name, pattern) for pattern in skip)
    )


class Producers:
    """Which queries and probes bring the metrics that a rule reads."""

    def __init__(
        self, by_metric: Mapping[str, Iterable[str]], groups: Iterable[RuleGroup] = ()
    ) -> None:
        """Take the source names per metric; recording rules pass on those of what they read."""
        self._by_metric = {metric: frozenset(names) for metric, names in by_metric.items()}
        self._all = frozenset[str]().union(*self._by_metric.values())
        for group in groups:
            for rule in group.rules:
                if isinstance(rule, RecordingRule):
                    known = self._by_metric.get(rule.name, frozenset())
                    self._by_metric[rule.name] = known | self.of(rule)

    def of(self, rule: Rule) -> frozenset[str]:
        """Return the names of all sources that bring a metric which `rule` reads."""
        return frozenset[str]().union(*(self.of_metric(name) for name in metric_names(rule)))

    def of_metric(self, name: str) -> frozenset[str]:
        """Return the sources of one metric; of every metric if `name` is empty."""
        return self._by_metric.get(name, frozenset()) if name else self._all


def metric_names(rule: Rule) -> tuple[str, ...]:
    """Return the metric names that a rule's expression reads, "" for a selector that names none."""
    names = dict.fromkeys(
        next(
            (
                matcher.value
                for matcher in selector.matchers
                if matcher.name == METRIC_NAME and matcher.type is MatchType.EQUAL
            ),
            "",
        )
        for selector in selectors(rule.expr)
    )
    return tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What one rule said about one target."""

    verdict: Verdict
    reason: str = ""
    cures: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def judge(
    spec: CheckSpec,
    *,
    target: str,
    database: str,
    runs: Mapping[str, Sequence[QueryRun]],
    producers: Producers,
    engine: Engine,
    now: datetime,
    accepted: Sequence[Accepted] = (),
) -> CheckResult:
    """Return the verdict of `spec` on one target.

    `runs` are this target's runs by source name, and `engine` sees this target's samples only.
    """
    told = [
        _tell(rule, runs=runs, producers=producers, engine=engine, now=now, accepted=accepted)
        for rule in spec.rules
    ]
    verdict = worst(one.verdict for one in told)
    reasons = dict.fromkeys(
        one.reason
        for one in told
        if one.reason and (one.verdict is verdict or one.verdict is not Verdict.SKIPPED)
    )
    sources = frozenset[str]().union(*(producers.of(rule) for rule in spec.rules))
    return CheckResult(
        name=spec.name,
        target=target,
        database=database,
        phase=spec.phase,
        severity=spec.severity,
        verdict=verdict,
        reason="; ".join(reasons),
        cure="\n".join(dict.fromkeys(cure for one in told for cure in one.cures)),
        findings=tuple(finding for one in told for finding in one.findings),
        sources=tuple(sorted(sources & runs.keys())),
        duration_seconds=sum(
            run.elapsed_seconds for name in sources & runs.keys() for run in runs[name]
        ),
    )


def _tell(
    rule: AlertingRule,
    *,
    runs: Mapping[str, Sequence[QueryRun]],
    producers: Producers,
    engine: Engine,
    now: datetime,
    accepted: Sequence[Accepted],
) -> _Told:
    if needs_history(rule.expr):
        return _Told(verdict=Verdict.SKIPPED, reason="needs history, which one run does not have")
    doubts: list[str] = []
    cures: list[str] = []
    for metric in metric_names(rule):
        feeding = [run for name in producers.of_metric(metric) for run in runs.get(name, ())]
        if not feeding:
            return _Told(verdict=Verdict.SKIPPED, reason=f"nothing here brings {metric}")
        if all(isinstance(run.outcome, NotApplicable) for run in feeding):
            return _Told(verdict=Verdict.SKIPPED, reason=_reasons(feeding))
        doubts += [doubt for run in feeding if (doubt := _doubt(run))]
        cures += [run.outcome.grant for run in feeding if isinstance(run.outcome, Denied)]
    try:
        evaluation = evaluate(rule, engine, round(now.timestamp() * 1000))
    except PromqlError as error:
        return _Told(verdict=Verdict.UNKNOWN, reason=f"the rule could not be evaluated: {error}")
    findings, waived = [], []
    for found in evaluation.findings:
        if entry := accepted_by(accepted, rule.name, found.labels, now):
            waived.append(entry.reason or "no reason given")
            continue
        findings.append(_finding(found.labels, found.annotations, found.value))
    notes = list(dict.fromkeys(doubts))
    if waived:
        notes.append(f"{len(waived)} accepted and not counted ({', '.join(dict.fromkeys(waived))})")
    verdict = of_findings(rule.severity, found=bool(findings))
    if doubts and not findings:
        verdict = Verdict.UNKNOWN
    return _Told(
        verdict=verdict, reason="; ".join(notes), cures=tuple(cures), findings=tuple(findings)
    )


def _doubt(run: QueryRun) -> str:
    """Return why the run's answer cannot be taken as complete, "" if it can."""
    outcome = run.outcome
    name = run.source.query
    if isinstance(outcome, Answered):
        cut = run.collected.dropped.get("max_series", 0) if run.collected else 0
        return f"{name} has {cut} more series than its max_series lets through" if cut else ""
    if isinstance(outcome, NotApplicable):
        return ""
    if isinstance(outcome, Denied):
        return outcome.reason
    if isinstance(outcome, Blocked) and outcome.pid is not None:
        return f"{name} met a lock held by pid {outcome.pid}: {outcome.reason}"
    return f"{name}: {outcome.reason}"


def _reasons(runs: Iterable[QueryRun]) -> str:
    return "; ".join(
        dict.fromkeys(run.outcome.reason for run in runs if isinstance(run.outcome, NotApplicable))
    )


def _finding(labels: Labels, annotations: Mapping[str, str], value: float) -> Finding:
    name = labels.label("alertname")
    shown = {
        key: text for key, text in labels.items() if key not in ("alertname", "severity", "phase")
    }
    return Finding(
        summary=annotations.get("summary") or f"{name} {labels.without(['alertname'])!r}",
        description=annotations.get("description", ""),
        fix=annotations.get("fix", ""),
        labels=shown,
        value=value,
        object=".".join(labels.label(name) for name in _OBJECT_LABELS if labels.label(name)),
    )
