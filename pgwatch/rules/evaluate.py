"""One rule at one time: what an alerting rule finds, what a recording rule writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgwatch.promql.engine import Engine, InstantResult, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule
from pgwatch.rules.template import Query, Surroundings, rule_template
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

ALERT_NAME = "alertname"
NOWHERE = Surroundings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One element of an alerting rule's result."""

    labels: Labels  # final: of the sample without its name, the rule's over them, and alertname
    annotations: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an alerting rule found at one time; the labels of the findings are unique."""

    findings: tuple[Finding, ...]
    sources: frozenset[Source]  # whose samples the evaluation read
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recording rule writes at one time."""

    collected: Collected
    sources: frozenset[Source]  # whose samples the evaluation read


def evaluate(
    rule: AlertingRule,
    engine: Engine,
    now_ms: int,
    *,
    query_offset_ms: int = 0,
    limit: int = 0,
    surroundings: Surroundings = NOWHERE,
) -> Evaluation:
    """Return what `rule` finds at `now_ms`, reading the samples of `query_offset_ms` before.

    Raises PromqlError where Prometheus fails the evaluation: the expression fails, two findings have the same
    labels, or there are more than `limit` (0: none) of them.
    """
    at = now_ms - query_offset_ms
    result = _vector(rule, engine, at)

    def query(expression: str) -> Sequence[tuple[Labels, float]]:
        return engine.instant(expression, at).vector

    findings: dict[Labels, Finding] = {}
    for labels, value in result.vector:
        finding = _finding(rule, labels, value, surroundings, query)
        if finding.labels in findings:
            raise PromqlError(
                "vector contains metrics with the same labelset after applying alert labels"
            )
        findings[finding.labels] = finding
    if 0 < limit < len(findings):
        raise PromqlError(f"exceeded limit of {limit} with {len(findings)} alerts")
    return Evaluation(
        findings=tuple(findings.values()), sources=result.sources, warnings=result.warnings
    )


def record(
    rule: RecordingRule,
    engine: Engine,
    now_ms: int,
    *,
    query_offset_ms: int = 0,
    limit: int = 0,
) -> Recording:
    """Return the series that `rule` writes at `now_ms`; raises PromqlError as `evaluate` does."""
    at = now_ms - query_offset_ms
    fixed = {**rule.labels, METRIC_NAME: rule.name}
    result = _vector(rule, engine, at)
    series: dict[Labels, float] = {}
    for labels, value in result.vector:
        final = labels.merged(fixed)
        if final in series:
            raise PromqlError(
                "vector contains metrics with the same labelset after applying rule labels"
            )
        series[final] = value
    if 0 < limit < len(series):
        raise PromqlError(f"exceeded limit of {limit} with {len(series)} series")
    collected = Collected(
        source=rule_source(rule),
        time_ms=at,
        families=(Family(rule.name, MetricType.UNTYPED, "Recorded by a rule"),),
        labels=tuple(series),
        values=tuple(series.values()),
    )
    return Recording(collected=collected, sources=result.sources)


def rule_source(rule: Rule) -> Source:
    """Return the source of the series that `rule` brings: recorded ones, or ALERTS."""
    return Source("", f"rule/{rule.id}")


def _vector(rule: Rule, engine: Engine, at_ms: int) -> InstantResult:
    result = engine.instant(rule.expr, at_ms)
    if result.kind not in (Kind.VECTOR, Kind.SCALAR):
        raise PromqlError("rule result is not a vector or scalar")
    return result


def _finding(
    rule: AlertingRule, labels: Labels, value: float, surroundings: Surroundings, query: Query
) -> Finding:
    """Return the finding of one element; a template sees the element's own labels, with its name."""

    def expand(text: str) -> str:
        template = rule_template(text, rule.name)
        return template.expand(labels, value, surroundings=surroundings, query=query)

    own = {name: expand(text) for name, text in rule.labels.items()}
    return Finding(
        labels=labels.merged({**own, METRIC_NAME: "", ALERT_NAME: rule.name}),
        annotations={name: expand(text) for name, text in rule.annotations.items()},
        value=value,
    )
