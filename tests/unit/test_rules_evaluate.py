"""One rule at one time, over a real store: labels, templates, what fails, what a recording rule writes."""

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.evaluate import evaluate, record, rule_source
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import AlertingRule, RecordingRule
from pgwatch.rules.template import Surroundings
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

SOURCE = Source("db1", "core/x")
NOW = 1_700_000_000_000


@pytest.fixture
def store() -> Store:
    store = Store()
    series = {
        Labels({METRIC_NAME: "m", "target": "db1", "i": "a"}): 3.0,
        Labels({METRIC_NAME: "m", "target": "db1", "i": "b"}): 1.0,
        Labels({METRIC_NAME: "m", "target": "db1", "i": "c"}): 5.0,
    }
    store.append(
        Collected(
            source=SOURCE,
            time_ms=NOW - 1_000,
            families=(Family("m", MetricType.GAUGE, ""),),
            labels=list(series),
            values=list(series.values()),
        )
    )
    return store


def alerting(text: str) -> AlertingRule:
    (group,) = parse_rules(f"groups: [{{name: g, rules: [{text}]}}]", file="f")
    (rule,) = group.rules
    assert isinstance(rule, AlertingRule)
    return rule


def recording(text: str) -> RecordingRule:
    (group,) = parse_rules(f"groups: [{{name: g, rules: [{text}]}}]", file="f")
    (rule,) = group.rules
    assert isinstance(rule, RecordingRule)
    return rule


def test_findings_have_final_labels_and_expanded_annotations(store: Store) -> None:
    rule = alerting(
        "{alert: A, expr: m > 2,"
        " labels: {severity: info, i: 'x-{{ $labels.i }}', alertname: no, gone: '{{ $labels.q }}'},"
        " annotations: {summary: '{{ $labels.__name__ }} {{ $labels.i }} is {{ $value }}'}}"
    )
    evaluation = evaluate(rule, Engine(store), NOW)
    assert [
        (found.labels, found.annotations["summary"], found.value) for found in evaluation.findings
    ] == [
        (
            Labels({"alertname": "A", "target": "db1", "i": "x-a", "severity": "info"}),
            "m a is 3",
            3.0,
        ),
        (
            Labels({"alertname": "A", "target": "db1", "i": "x-c", "severity": "info"}),
            "m c is 5",
            5.0,
        ),
    ]
    assert evaluation.sources == {SOURCE}


def test_a_scalar_is_one_finding_without_labels(store: Store) -> None:
    evaluation = evaluate(alerting("{alert: A, expr: 1}"), Engine(store), NOW)
    (found,) = evaluation.findings
    assert (found.labels, found.value) == (Labels({"alertname": "A"}), 1.0)


def test_a_template_can_query_and_a_failing_one_does_not_fail_the_rule(store: Store) -> None:
    rule = alerting(
        "{alert: A, expr: m > 4, annotations: {n: '{{ query \"count(m)\" | first | value }}',"
        " u: '{{ externalURL }}', bad: '{{ query \"m[\" }}'}}"
    )
    surroundings = Surroundings(external_url="http://here")
    (found,) = evaluate(rule, Engine(store), NOW, surroundings=surroundings).findings
    assert (found.annotations["n"], found.annotations["u"]) == ("3", "http://here")
    assert found.annotations["bad"].startswith("<error expanding template: ")


def test_query_offset_reads_the_past(store: Store) -> None:
    rule = alerting("{alert: A, expr: m > 4}")
    assert evaluate(rule, Engine(store), NOW + 1_000, query_offset_ms=1_000).findings
    assert not evaluate(rule, Engine(store), NOW, query_offset_ms=2_000).findings


FAILURES = [
    ("{alert: A, expr: m, labels: {i: same}}", 0, "same labelset after applying alert labels"),
    ("{alert: A, expr: m}", 2, "exceeded limit of 2 with 3 alerts"),
    ("{alert: A, expr: 'm[5m]'}", 0, "rule result is not a vector or scalar"),
    ("{alert: A, expr: '\"text\"'}", 0, "rule result is not a vector or scalar"),
    ("{alert: A, expr: 'm + on () m'}", 0, "many-to-many"),
]


@pytest.mark.parametrize(("text", "limit", "message"), FAILURES)
def test_what_fails_an_evaluation(store: Store, text: str, limit: int, message: str) -> None:
    with pytest.raises(PromqlError, match=message):
        evaluate(alerting(text), Engine(store), NOW, limit=limit)


def test_a_limit_that_is_reached_is_not_exceeded(store: Store) -> None:
    assert len(evaluate(alerting("{alert: A, expr: m}"), Engine(store), NOW, limit=3).findings) == 3


def test_recorded_series_can_be_read_back(store: Store) -> None:
    rule = recording("{record: 'i:m:x2', expr: m * 2 > 4, labels: {k: v, target: ''}}")
    written = record(rule, Engine(store), NOW)
    assert written.sources == {SOURCE}
    assert written.collected.source == rule_source(rule)
    store.append(written.collected)
    result = Engine(store).instant('{__name__="i:m:x2"}', NOW)
    assert result.vector == (
        (Labels({METRIC_NAME: "i:m:x2", "i": "a", "k": "v"}), 6.0),
        (Labels({METRIC_NAME: "i:m:x2", "i": "c", "k": "v"}), 10.0),
    )
    assert result.sources == {rule_source(rule)}


@pytest.mark.parametrize(
    ("text", "limit", "message"),
    [
        ("{record: r, expr: m, labels: {i: same}}", 0, "same labelset after applying rule labels"),
        ("{record: r, expr: m}", 1, "exceeded limit of 1 with 3 series"),
    ],
)
def test_what_fails_a_recording_rule(store: Store, text: str, limit: int, message: str) -> None:
    with pytest.raises(PromqlError, match=message):
        record(recording(text), Engine(store), NOW, limit=limit)
