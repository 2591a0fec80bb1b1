"""The state machine of alerts: time lines as in Prometheus, and what it does better."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import RESOLVED_RETENTION, Change, ChangeKind, step, unwatched
from pgwatch.alerts.series import AlertSeries
from pgwatch.promql.parser import parse
from pgwatch.rules.evaluate import Evaluation, Finding
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Source

START = datetime(2026, 1, 1, tzinfo=UTC)
DB1, DB2 = Source("db1", "core/x"), Source("db2", "core/x")


def rule(*, hold: float = 0, keep: float = 0) -> AlertingRule:
    return AlertingRule(
        id="f;g;A;0",
        name="A",
        query="m > 1",
        expr=parse("m > 1"),
        hold=timedelta(minutes=hold),
        keep_firing_for=timedelta(minutes=keep),
    )


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def found(*names: str, value: float = 2, sources: Sequence[Source] = (DB1,)) -> Evaluation:
    return Evaluation(
        findings=tuple(
            Finding(
                labels=Labels({"alertname": "A", "i": name}),
                annotations={"summary": f"{name} is {value}"},
                value=value,
            )
            for name in names
        ),
        sources=frozenset(sources),
    )


@dataclass(frozen=True, kw_only=True)
class Tick:
    """One evaluation of a time line and what it should leave; times in minutes."""

    minute: float
    found: bool | None = True  # None: the evaluation failed
    silent: bool = False  # the alert's source did not answer
    state: AlertState | None
    change: ChangeKind | None = None
    held: bool = False


PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED

TIMELINES: dict[str, tuple[AlertingRule, list[Tick]]] = {
    "without for it fires at once": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "for counts from the first finding and is reached exactly": (
        rule(hold=5),
        [
            Tick(minute=0, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=4.9, state=PENDING),
            Tick(minute=5, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=10, state=FIRING),
            Tick(minute=15, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "pending and gone is forgotten": (
        rule(hold=5),
        [
            Tick(minute=0, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=1, found=False, state=None, change=ChangeKind.DROPPED),
            Tick(minute=2, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=6, state=PENDING),
        ],
    ),
    "resolved is kept 15 minutes, and then forgotten": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
            Tick(minute=16, found=False, state=RESOLVED),
            Tick(minute=16.1, found=False, state=None),
        ],
    ),
    "found again while resolved is kept starts over": (
        rule(hold=5),
        [
            Tick(minute=0, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=5, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=6, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
            Tick(minute=7, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=12, state=FIRING, change=ChangeKind.FIRED),
        ],
    ),
    "keep_firing_for counts from the first miss, strictly below": (
        rule(keep=5),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=10, found=False, state=FIRING),
            Tick(minute=14.9, found=False, state=FIRING),
            Tick(minute=15, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "keep_firing_for starts over when found again": (
        rule(keep=5),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, found=False, state=FIRING),
            Tick(minute=4, state=FIRING),
            Tick(minute=5, found=False, state=FIRING),
            Tick(minute=9, found=False, state=FIRING),
            Tick(minute=10, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "keep_firing_for does not keep a pending alert": (
        rule(hold=5, keep=5),
        [
            Tick(minute=0, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=1, found=False, state=None, change=ChangeKind.DROPPED),
        ],
    ),
    "a failed evaluation changes nothing": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, found=None, state=FIRING, change=ChangeKind.HELD, held=True),
            Tick(minute=60, found=None, state=FIRING, held=True),
            Tick(minute=61, state=FIRING, change=ChangeKind.SEEN_AGAIN),
        ],
    ),
    "a failed evaluation does not let a pending alert fire": (
        rule(hold=5),
        [
            Tick(minute=0, state=PENDING, change=ChangeKind.PENDING),
            Tick(minute=10, found=None, state=PENDING, change=ChangeKind.HELD, held=True),
            Tick(minute=11, state=FIRING, change=ChangeKind.FIRED),
        ],
    ),
    "a source that is silent holds the alert until it answers": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(
                minute=1, found=False, silent=True, state=FIRING, change=ChangeKind.HELD, held=True
            ),
            Tick(minute=2, found=False, silent=True, state=FIRING, held=True),
            Tick(minute=3, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "a silent source does not use up keep_firing_for": (
        rule(keep=5),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(
                minute=1, found=False, silent=True, state=FIRING, change=ChangeKind.HELD, held=True
            ),
            Tick(minute=20, found=False, state=FIRING, change=ChangeKind.SEEN_AGAIN),
            Tick(minute=25, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
        ],
    ),
    "what is found is not held, whoever is silent": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, silent=True, state=FIRING),
        ],
    ),
    "a failure does not keep a resolved alert": (
        rule(),
        [
            Tick(minute=0, state=FIRING, change=ChangeKind.FIRED),
            Tick(minute=1, found=False, state=RESOLVED, change=ChangeKind.RESOLVED),
            Tick(minute=2, found=None, state=RESOLVED),
            Tick(minute=30, found=None, state=None),
        ],
    ),
}


@pytest.mark.parametrize("name", TIMELINES)
def test_timeline(name: str) -> None:
    tested, ticks = TIMELINES[name]
    alerts: tuple[Alert, ...] = ()
    for tick in ticks:
        evaluation = None if tick.found is None else found("a") if tick.found else found()
        silent = {DB1} if tick.silent else set()
        result = step(tested, alerts, evaluation, now=at(tick.minute), silent=silent)
        alerts = result.alerts
        where = f"minute {tick.minute}"
        assert [alert.state for alert in alerts] == ([tick.state] if tick.state else []), where
        kinds = [change.kind for change in result.changes]
        assert kinds == ([tick.change] if tick.change else []), where
        assert any(alert.no_data_since for alert in alerts) is tick.held, where


def test_times_and_value_of_an_alert() -> None:
    tested = rule(hold=5, keep=2)
    first = step(tested, (), found("a", value=2), now=at(0), generator_url="http://x/graph")
    second = step(tested, first.alerts, found("a", value=7), now=at(5))
    held = step(tested, second.alerts, None, now=at(6))
    held = step(tested, held.alerts, None, now=at(6.5))
    kept = step(tested, held.alerts, found(), now=at(7))
    over = step(tested, kept.alerts, found(), now=at(9))
    assert first.alerts[0].generator_url == "http://x/graph"
    assert (second.alerts[0].active_at, second.alerts[0].fired_at) == (at(0), at(5))
    assert (held.alerts[0].no_data_since, held.alerts[0].value) == (at(6), 7)
    assert kept.alerts[0].keep_firing_since == at(7)
    (alert,) = over.alerts
    assert (alert.state, alert.resolved_at, alert.fired_at) == (RESOLVED, at(9), at(5))
    assert (alert.value, alert.annotations["summary"]) == (7, "a is 7")
    assert (alert.keep_firing_since, alert.no_data_since) == (None, None)


@pytest.mark.parametrize("failed", [False, True], ids=["silent source", "failed evaluation"])
def test_for_does_not_count_time_in_which_nothing_was_seen(*, failed: bool) -> None:
    tested = rule(hold=10)
    alerts = step(tested, (), found("a"), now=at(0)).alerts
    alerts = step(tested, alerts, found("a"), now=at(4)).alerts
    blind = None if failed else found()
    for minute in (5, 60, 125):
        alerts = step(tested, alerts, blind, now=at(minute), silent={DB1}).alerts
    (alert,) = alerts = step(tested, alerts, found("a"), now=at(125)).alerts
    assert (alert.state, alert.active_at) == (PENDING, at(120))  # five minutes were counted
    (alert,) = alerts = step(tested, alerts, found("a"), now=at(129.9)).alerts
    assert alert.state is PENDING
    (alert,) = step(tested, alerts, found("a"), now=at(130)).alerts
    assert (alert.state, alert.fired_at) == (FIRING, at(130))


def test_keep_firing_for_does_not_count_time_in_which_nothing_was_seen() -> None:
    tested = rule(keep=10)
    alerts = step(tested, (), found("a"), now=at(0)).alerts
    alerts = step(tested, alerts, found(), now=at(1)).alerts
    alerts = step(tested, alerts, found(), now=at(5), silent={DB1}).alerts
    (alert,) = alerts = step(tested, alerts, found(), now=at(60)).alerts
    assert (alert.state, alert.keep_firing_since) == (FIRING, at(56))
    assert step(tested, alerts, found(), now=at(66)).alerts[0].state is RESOLVED


def test_nobody_looked_while_the_program_was_not_there() -> None:
    pending = step(rule(hold=10), (), found("a"), now=at(0)).alerts
    firing = step(rule(), (), found("a"), now=at(0)).alerts
    held = step(rule(hold=10), pending, None, now=at(2)).alerts
    assert [alert.no_data_since for alert in unwatched([*pending, *held], at(4))] == [at(4), at(2)]
    assert unwatched(firing, at(4)) == firing
    (resumed,) = step(rule(hold=10), unwatched(pending, at(4)), found("a"), now=at(60)).alerts
    assert resumed.active_at == at(56)


def test_a_longer_for_does_not_take_back_what_was_announced() -> None:
    firing = step(rule(), (), found("a"), now=at(0)).alerts
    assert step(rule(hold=30), firing, found("a"), now=at(1)).alerts[0].state is FIRING


def test_alerts_come_in_label_order_and_each_changes_alone() -> None:
    before = step(rule(), (), found("b", "c"), now=at(0)).alerts
    after = step(rule(), before, found("c", "a"), now=at(1))
    assert [(alert.labels["i"], alert.state) for alert in after.alerts] == [
        ("a", FIRING),
        ("b", RESOLVED),
        ("c", FIRING),
    ]
    assert [(change.alert.labels["i"], change.kind) for change in after.changes] == [
        ("a", ChangeKind.FIRED),
        ("b", ChangeKind.RESOLVED),
    ]


OWN_SOURCE = [
    # the alert's labels, the silent source, whether the alert is held
    ({}, Source("db2", "core/x"), True),  # aggregated over targets: any of them counts
    ({"target": "db1"}, Source("db1", "core/x"), True),
    ({"target": "db1"}, Source("db2", "core/x"), False),
    ({"target": "db1"}, Source("db1", "core/other"), False),  # did not feed the rule
    ({"target": "db1", "datname": "a"}, Source("db1", "core/y", "a"), True),
    ({"target": "db1", "datname": "a"}, Source("db1", "core/y", "b"), False),
    ({"target": "db1", "datname": "a"}, Source("db1", "core/x"), True),
    ({"target": "db1"}, Source("", "rule/f;g;r;0"), True),  # a recording rule
    # The rule says another name: it is nobody's, so any of them may have fed the alert.
    ({"target": "prod"}, Source("db1", "core/x"), True),
    ({"target": "db1", "datname": "shop"}, Source("db1", "core/y", "a"), True),
    ({"target": "prod", "datname": "a"}, Source("db1", "core/y", "b"), False),
]


@pytest.mark.parametrize(("labels", "silent", "held"), OWN_SOURCE)
def test_only_sources_that_can_have_fed_an_alert_hold_it(
    labels: dict[str, str], silent: Source, held: bool
) -> None:
    fed = {silent for _, silent, _ in OWN_SOURCE} - {Source("db1", "core/other")}
    finding = Finding(labels=Labels({"alertname": "A", **labels}), annotations={}, value=1)
    evaluation = Evaluation(findings=(finding,), sources=frozenset(fed))
    alerts = step(rule(), (), evaluation, now=at(0)).alerts
    gone = Evaluation(findings=(), sources=frozenset())
    (alert,) = step(rule(), alerts, gone, now=at(1), silent={silent}).alerts
    assert (alert.state is FIRING) is held


@pytest.mark.parametrize(
    ("name", "value", "silent"),
    [("target", "db2", DB1), ("datname", "b", Source("db1", "core/y", "a"))],
    ids=["target", "datname"],
)
def test_a_label_that_the_rule_sets_does_not_say_who_fed_the_alert(
    name: str, value: str, silent: Source
) -> None:
    tested = replace(rule(), labels={name: value})
    finding = Finding(labels=Labels({"alertname": "A", name: value}), annotations={}, value=1)
    fed = frozenset({silent, DB2, Source("db1", "core/y", "b")})
    alerts = step(tested, (), Evaluation(findings=(finding,), sources=fed), now=at(0)).alerts
    gone = Evaluation(findings=(), sources=frozenset())
    (alert,) = step(tested, alerts, gone, now=at(1), silent={silent}).alerts
    assert alert.state is FIRING


def test_series_of_alerts() -> None:
    alerts = step(rule(hold=1), (), found("a"), now=at(0)).alerts
    alerts = step(rule(hold=1), alerts, found("a", "b"), now=at(1)).alerts
    gone = replace(alerts[0], labels=Labels({"alertname": "A", "i": "z"}), state=RESOLVED)
    collected = AlertSeries(rule()).at([*alerts, gone], 1_000)
    start = START.timestamp()
    assert collected.time_ms == 1_000
    assert dict(zip(map(repr, collected.labels), collected.values, strict=True)) == {
        'ALERTS{alertname="A", alertstate="firing", i="a"}': 1,
        'ALERTS{alertname="A", alertstate="pending", i="b"}': 1,
        'ALERTS_FOR_STATE{alertname="A", i="a"}': start,
        'ALERTS_FOR_STATE{alertname="A", i="b"}': start + 60,
    }


def test_series_of_an_alert_that_goes_on_are_the_same() -> None:
    pending = step(rule(hold=1), (), found("a", "b"), now=at(0)).alerts
    firing = step(rule(hold=1), pending[:1], found("a"), now=at(1)).alerts
    series = AlertSeries(rule())
    before, again, after = (series.at(one, 1_000).labels for one in (pending, pending, firing))
    assert all(one is other for one, other in zip(before, again, strict=True))
    assert list(map(repr, after)) == [
        'ALERTS{alertname="A", alertstate="firing", i="a"}',
        'ALERTS_FOR_STATE{alertname="A", i="a"}',
    ]


_STEPS = st.lists(
    st.tuples(
        st.integers(min_value=1, max_value=600),  # seconds since the step before
        st.one_of(st.none(), st.sets(st.sampled_from("abc"))),
        st.booleans(),  # the source is silent
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(_STEPS, st.integers(0, 10), st.integers(0, 10))
def test_whatever_happens(
    steps: list[tuple[int, set[str] | None, bool]], hold: int, keep: int
) -> None:
    tested = rule(hold=hold, keep=keep)
    alerts: tuple[Alert, ...] = ()
    now = START
    for seconds, names, silent in steps:
        now += timedelta(seconds=seconds)
        evaluation = None if names is None else found(*names)
        before = {alert.labels: alert for alert in alerts}
        result = step(tested, alerts, evaluation, now=now, silent={DB1} if silent else ())
        alerts = result.alerts
        labels = [alert.labels for alert in alerts]
        assert labels == sorted(set(labels))
        for alert in alerts:
            _check_one(alert, tested, now)
            was = before.get(alert.labels)
            if alert.state is RESOLVED and (was is None or was.state is not RESOLVED):
                # Only a good evaluation on fresh data ends an alert, and only a firing one.
                assert names is not None
                assert not silent
                assert alert.labels["i"] not in names
                assert was is not None
                assert was.state is FIRING
        for name in names or ():
            assert any(
                alert.labels["i"] == name and alert.state is not RESOLVED for alert in alerts
            )
        _check_told(before, alerts, result.changes, evaluation is None or silent)


def _check_one(alert: Alert, tested: AlertingRule, now: datetime) -> None:
    assert alert.active_at <= now
    assert (alert.fired_at is None) is (alert.state is PENDING)
    assert (alert.resolved_at is None) is (alert.state is not RESOLVED)
    if alert.fired_at is not None:
        assert alert.fired_at - alert.active_at >= tested.hold
    if alert.resolved_at is not None:
        assert now - alert.resolved_at <= RESOLVED_RETENTION
        assert alert.no_data_since is None
    if alert.keep_firing_since is not None:
        assert alert.state is FIRING


def _check_told(
    before: dict[Labels, Alert], alerts: Sequence[Alert], changes: Sequence[Change], blind: bool
) -> None:
    """Every change of state is told, once, and a blind step ends nothing."""
    after = {alert.labels: alert for alert in alerts}
    told = {change.alert.labels: change.kind for change in changes}
    assert len(told) == len(changes)
    for labels in {*before, *after}:
        was = before[labels].state if labels in before else None
        is_now = after[labels].state if labels in after else None
        if is_now is not None and is_now is not was:
            assert told[labels].value in {"pending", "fired", "resolved"}
        if blind and was in (PENDING, FIRING):
            assert is_now in (PENDING, FIRING)
