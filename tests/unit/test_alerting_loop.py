"""Evaluate, decide and save, as the daemon does at each slot; only the clock is made up."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import yaml

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import Answered, Outcome, QueryRun, Unreachable
from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.slots import next_slot
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.route import Routing, log_only
from pgwatch.promql.engine import Engine
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import AlertingRule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.state.schema import StateError
from pgwatch.state.store import State

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
DEBT = Source("db", "core/debt", "app")
GONE = Unreachable(reason="connection refused")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def rule(name: str, expr: str = "debt > 0", **more: str) -> dict[str, str]:
    return {"alert": name, "expr": expr, **more}


DEBT_RULE = rule("Debt")


def group(*rules: Mapping[str, object], name: str = "g") -> RuleGroup:
    file = {"groups": [{"name": name, "interval": "15s", "rules": list(rules)}]}
    return parse_rules(yaml.safe_dump(file), file="rules.yml")[0]


class House:
    """One state file and the daemon's halves over it; `begin` is a start or, with one running, a reload."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.state = State.open(self.path)
        self.measuring = Measuring(Store(), Exposition())
        self.metrics = OwnMetrics(version="1")
        self.watched: Callable[[Source], bool] = lambda source: source.target in ("db", "other")
        self.alerting: Alerting | None = None
        self.wakes = 0
        self.surroundings = Surroundings()

    def begin(self, *groups: RuleGroup, now: float = 0, routing: Routing | None = None) -> None:
        self.alerting = Alerting(
            groups=groups,
            routing=routing or log_only(),
            accepted=(),
            measuring=self.measuring,
            watches=self._watches,
            state=self.state,
            metrics=self.metrics,
            on_enqueued=self._wake,
            now=at(now),
            surroundings=self.surroundings,
            previous=self.alerting,
        )

    def restart(self, *groups: RuleGroup, now: float) -> None:
        """Begin again with nothing but the state file, as after `kill -9`."""
        self.state.close()
        self.state = State.open(self.path)
        self.measuring = Measuring(Store(), Exposition())
        self.alerting = None
        self.begin(*groups, now=now)

    def sees(
        self, seconds: float, value: float | None, source: Source = DEBT, *, missing: int = 0
    ) -> None:
        """The source answers with one series, or (None) with no row; `missing` more are cut off."""
        labels = Labels({METRIC_NAME: "debt", "target": source.target, "datname": source.database})
        series = [] if value is None else [(labels, value)]
        collected = Collected(
            source=source,
            time_ms=round(at(seconds).timestamp() * 1000),
            families=(Family("debt", MetricType.GAUGE, ""),),
            labels=[labels for labels, _ in series],
            values=[value for _, value in series],
            dropped={"max_series": missing} if missing else {},
        )
        outcome = Answered(columns=(), rows=(), elapsed=timedelta(0))
        self._take(source, outcome, seconds, collected)

    def fails(self, seconds: float, source: Source = DEBT, outcome: Outcome = GONE) -> None:
        self._take(source, outcome, seconds, None)

    def _take(
        self, source: Source, outcome: Outcome, seconds: float, collected: Collected | None
    ) -> None:
        self.measuring.take(
            QueryRun(
                source=source,
                outcome=outcome,
                collected=collected,
                time_ms=round(at(seconds).timestamp() * 1000),
                elapsed_seconds=0.0,
            )
        )

    def evaluate(self, seconds: float) -> None:
        """Evaluate every group, and flush what is due then."""
        assert self.alerting is not None
        for each in self.alerting.groups:
            self.alerting.evaluate_group(each, at(seconds))
        self.alerting.flush(at(seconds))

    @property
    def alerts(self) -> dict[str, Alert]:
        """The alerts that are not over, by name."""
        assert self.alerting is not None
        return {
            alert.labels["alertname"]: alert
            for of_rule in self.alerting.alerts.values()
            for alert in of_rule
            if alert.state is not AlertState.RESOLVED
        }

    def state_of(self, name: str = "Debt") -> AlertState | None:
        alert = self.alerts.get(name)
        return alert.state if alert else None

    @property
    def told(self) -> list[str]:
        """The reasons of everything that was enqueued, oldest first."""
        return [message.reason for message in reversed(self.state.messages())]

    def found(self, expression: str, seconds: float) -> list[float]:
        result = Engine(self.measuring.store).instant(
            expression, round(at(seconds).timestamp() * 1000)
        )
        return [value for _, value in result.vector]

    def _watches(self, source: Source) -> bool:
        return self.watched(source)

    def _wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.state.close()


def test_an_alert_fires_and_resolves_and_both_are_told(house: House) -> None:
    house.begin(group(rule("Debt", **{"for": "30s"})))
    house.sees(0, 1)
    house.evaluate(0)
    assert (house.state_of(), house.told) == (AlertState.PENDING, [])
    house.sees(30, 1)
    house.evaluate(30)
    assert (house.state_of(), house.told, house.wakes) == (
        AlertState.FIRING,
        ["first notification"],
        1,
    )
    house.sees(45, None)
    house.evaluate(45)
    assert house.state_of() is None
    house.evaluate(100)
    assert house.told == ["first notification", "all alerts resolved"]
    kinds = [event.kind for event in house.state.events()]
    assert kinds == ["alert_resolved", "alert_firing"]


def test_external_labels_are_seen_outside_only(house: House) -> None:
    house.surroundings = Surroundings(
        external_url="https://pg.example", external_labels={"site": "berlin", "datname": "theirs"}
    )
    text = {"summary": "{{ $externalLabels.site }} {{ $externalURL }}"}
    house.begin(group({**DEBT_RULE, "annotations": text}))
    house.sees(0, 1)
    house.evaluate(0)
    alert = house.alerts["Debt"]
    assert alert.annotations == {"summary": "berlin https://pg.example"}
    assert "site" not in alert.labels
    assert alert.generator_url == "https://pg.example/graph?g0.expr=debt+%3E+0&g0.tab=1"
    (queued,) = house.state.take(list(house.state.waiting()), at(1))
    (told,) = queued.notification.alerts
    assert dict(told.labels) == {**alert.labels, "site": "berlin"}  # what it has itself stays
    assert told.generator_url == alert.generator_url
    assert house.alerting is not None
    found = house.alerting.deciding.find(told.labels.fingerprint(), at(1))
    assert found is not None
    assert found.labels == told.labels
    assert house.alerting.deciding.find(alert.labels.fingerprint(), at(1)) is None
    house.sees(15, None)
    house.evaluate(15)
    assert house.alerting.deciding.find(told.labels.fingerprint(), at(15)) is None
    house.evaluate(100)
    assert house.told == ["first notification", "all alerts resolved"]


def test_an_end_says_the_value_that_was_compared_then(house: House) -> None:
    house.begin(group(rule("Debt", "debt > 5")))
    house.sees(0, 7)
    house.evaluate(0)
    house.sees(15, 2)
    house.evaluate(15)
    assert house.alerting is not None
    (ended,) = house.alerting.alerts[house.alerting.groups[0].rules[0].id]
    assert (ended.state, ended.value, ended.value_at_recovery) == (AlertState.RESOLVED, 7.0, 2.0)
    house.evaluate(100)
    (queued,) = house.state.take([ChannelId("log", "log[0]")], at(100))
    assert queued.notification.alerts[0].value_at_recovery == 2.0
    assert house.state.events()[0].detail["value_at_recovery"] == "2.0"
    house.restart(group(rule("Debt", "debt > 5")), now=120)
    assert house.alerting is not None
    (ended,) = house.alerting.alerts[house.alerting.groups[0].rules[0].id]
    assert ended.value_at_recovery == 2.0


def test_no_data_is_not_resolved(house: House) -> None:
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    house.fails(15)
    for seconds in range(15, 4000, 300):
        house.evaluate(seconds)
    assert house.state_of() is AlertState.FIRING
    assert house.alerts["Debt"].no_data_since == at(15)
    assert house.told == ["first notification"]
    house.sees(4000, None)
    house.evaluate(4000)
    assert house.state_of() is None


def test_what_fell_behind_the_cut_of_an_answer_is_not_resolved(house: House) -> None:
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    house.sees(15, None, missing=5)
    house.evaluate(15)
    assert house.state_of() is AlertState.FIRING
    assert house.alerts["Debt"].no_data_since == at(15)
    house.sees(30, None)
    house.evaluate(30)
    assert house.state_of() is None


def test_an_answer_after_the_slot_was_not_in_the_evaluation(house: House) -> None:
    """The thread was busy: slot 20 is evaluated when the target is back, but sees the gap."""
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    house.fails(15)
    house.sees(20.1, 1)
    house.evaluate(20)
    assert house.state_of() is AlertState.FIRING
    house.evaluate(35)
    assert house.alerts["Debt"].no_data_since is None


def test_a_rule_that_cannot_be_evaluated_keeps_its_alerts(house: House) -> None:
    """Two series of equal labels on one side: an error that only the data bring about."""
    matching = rule("Debt", "debt > 0 and on() debt * on(target) debt > 0")
    house.begin(group(matching, rule("Simple")))
    house.sees(0, 1)
    house.evaluate(0)
    assert house.state_of() is AlertState.FIRING
    house.sees(10, 1, Source("db", "core/debt", "second"))
    house.evaluate(15)
    assert house.alerts["Debt"].no_data_since == at(15)
    assert house.state_of("Simple") is AlertState.FIRING
    assert house.alerting is not None
    errors = [health.error for health in house.alerting.health.values()]
    assert "many-to-many matching not allowed" in errors[0]
    assert errors[1] == ""
    assert b"prometheus_rule_evaluation_failures_total" in house.metrics.render()


def test_a_bug_in_one_rule_leaves_the_others_alone(house: House) -> None:
    both = group(DEBT_RULE, rule("Broken"))
    assert isinstance(both.rules[1], AlertingRule)
    broken = replace(both.rules[1], annotations={"summary": cast("str", 1)})
    house.begin(replace(both, rules=(broken, both.rules[0])))
    house.sees(0, 1)
    house.evaluate(0)
    assert house.state_of() is AlertState.FIRING
    assert house.alerting is not None
    assert "a bug in pgwatch" in house.alerting.health[broken.id].error


def test_pending_and_firing_survive_a_restart(house: House) -> None:
    rules = group(DEBT_RULE, rule("Slow", **{"for": "1m"}))
    house.begin(rules)
    house.sees(0, 1)
    house.evaluate(0)
    house.restart(rules, now=20)
    house.evaluate(20)  # nothing has answered yet
    assert house.state_of() is AlertState.FIRING
    assert house.state_of("Slow") is AlertState.PENDING
    house.sees(50, 1)
    house.evaluate(60)
    assert house.state_of("Slow") is AlertState.PENDING
    house.evaluate(119)
    assert house.state_of("Slow") is AlertState.PENDING
    house.evaluate(120)
    assert house.state_of("Slow") is AlertState.FIRING
    assert house.alerts["Debt"].fired_at == at(0)
    assert house.told == ["first notification", "first notification"]


def test_for_goes_on_after_a_restart_where_it_was(house: House) -> None:
    rules = group(rule("Slow", **{"for": "1m"}))
    house.begin(rules)
    for seconds in range(0, 46, 15):
        house.sees(seconds, 1)
        house.evaluate(seconds)
    house.restart(rules, now=7200)
    house.sees(7200, 1)
    house.evaluate(7200)
    assert house.state_of("Slow") is AlertState.PENDING
    assert house.alerts["Slow"].active_at == at(7200 - 45)
    house.evaluate(7214)
    assert house.state_of("Slow") is AlertState.PENDING
    house.evaluate(7215)
    assert house.state_of("Slow") is AlertState.FIRING


def test_a_reload_does_not_stop_for(house: House) -> None:
    rules = group(rule("Slow", **{"for": "1m"}))
    house.begin(rules)
    house.sees(0, 1)
    house.evaluate(0)
    house.begin(rules, now=20)
    house.evaluate(60)
    assert house.state_of("Slow") is AlertState.FIRING


def test_what_cannot_be_saved_has_not_happened(house: House) -> None:
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    with closing(sqlite3.connect(house.path)) as other:
        refuse = "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        other.execute(f"CREATE TRIGGER full BEFORE INSERT ON alert {refuse}")
        other.commit()
        with pytest.raises(StateError, match="disk is full"):
            house.evaluate(0)
        assert (house.state_of(), house.told) == (None, [])
        assert house.alerting is not None
        assert house.alerting.late(at(60), 3) == []
        assert house.alerting.late(at(61), 3) == ["rule group g: not evaluated for 61 s"]
        other.execute("DROP TRIGGER full")
        other.commit()
    house.evaluate(15)
    assert house.state_of() is AlertState.FIRING
    assert house.told == ["first notification"]
    assert house.alerting.late(at(61), 3) == []


def test_that_nothing_can_be_saved_is_logged_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """On the real clock: two groups try again and again, and then both can be saved."""
    always = rule("Always", "vector(1) > 0")
    fast = [replace(group(always, name=n), interval=timedelta(seconds=0.05)) for n in "ab"]
    house.begin(*fast)
    alerting = house.alerting
    assert alerting is not None

    def told(word: str) -> int:
        return sum(word in record.getMessage() for record in caplog.records)

    async def run(other: sqlite3.Connection) -> None:
        with ThreadPoolExecutor(1) as thread:
            running = asyncio.create_task(alerting.run(thread))
            await asyncio.sleep(1.5)  # a failure is tried again after a second
            other.execute("DROP TRIGGER full")
            other.commit()
            for _ in range(500):
                if told("saved again") == 2:
                    break
                await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.wait({running})  # it uses the thread

    caplog.set_level(logging.INFO)
    with closing(sqlite3.connect(house.path)) as other:
        refuse = "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        other.execute(f"CREATE TRIGGER full BEFORE INSERT ON alert {refuse}")
        other.commit()
        asyncio.run(run(other))
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == ["consequences cannot be saved"]
    assert told("saved again") == 2


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
def test_an_alert_of_a_target_that_was_removed_ends(house: House, *, restarted: bool) -> None:
    rules = group(DEBT_RULE)
    house.begin(rules)
    house.sees(0, 1)
    house.evaluate(0)
    house.watched = lambda source: False
    if restarted:
        house.restart(rules, now=10)
    else:
        house.begin(rules, now=10)
        house.measuring.keep_only(house.watched, round(at(10).timestamp() * 1000))
    house.evaluate(15)
    assert house.state_of() is None
    house.evaluate(100)
    assert house.told == ["first notification", "all alerts resolved"]


def test_an_alert_of_a_rule_that_was_removed_ends(house: House) -> None:
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    assert house.found("ALERTS", 1) == [1.0]
    house.begin(group(name="other"), now=10)
    assert house.found("ALERTS", 11) == []
    house.evaluate(100)
    assert house.told == ["first notification", "all alerts resolved"]
    assert house.state.load_alerts() == {}
    shown = house.measuring.exposition.page()
    assert shown is not None
    assert b"pgwatch_alerts" not in shown.body
    assert b'rule_group="rules.yml;g"' not in house.metrics.render()


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
def test_an_alert_of_a_rule_that_moved_goes_on(house: House, *, restarted: bool) -> None:
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    moved = group(DEBT_RULE, name="moved")
    if restarted:
        house.restart(moved, now=10)
    else:
        house.begin(moved, now=10)
    house.sees(12, 1)
    house.evaluate(100)
    assert house.state_of() is AlertState.FIRING
    assert house.alerts["Debt"].fired_at == at(0)
    assert house.told == ["first notification"]
    assert list(house.state.load_alerts()) == [moved.rules[0].id]


def test_an_alert_through_a_recording_rule_is_held_too(house: House) -> None:
    rules = group({"record": "debt:sum", "expr": "sum(debt)"}, rule("Total", "debt:sum > 0"))
    house.begin(rules)
    house.sees(0, 1)
    house.evaluate(0)
    house.fails(15)
    house.evaluate(15)
    house.evaluate(30)
    assert house.state_of("Total") is AlertState.FIRING
    house.restart(rules, now=40)
    house.evaluate(45)
    assert house.state_of("Total") is AlertState.FIRING
    house.sees(50, 0)
    house.evaluate(60)
    assert house.state_of("Total") is None


def test_an_alert_through_a_recording_rule_of_two_targets_waits_for_its_own(house: House) -> None:
    """Longer than an answer stands: by then only the other target's series are recorded."""
    other = Source("other", "core/debt", "app")
    rules = group(
        {"record": "debt:max", "expr": "max by (target) (debt)"}, rule("Worst", "debt:max > 0")
    )
    house.begin(rules)
    house.sees(0, 1)
    house.sees(0, 0, other)
    house.evaluate(0)
    house.fails(15)
    for seconds in range(15, 900, 15):
        house.sees(seconds, 0, other)
        house.evaluate(seconds)
    assert house.state_of("Worst") is AlertState.FIRING
    house.sees(900, 0)
    house.sees(900, 0, other)
    house.evaluate(900)
    assert house.state_of("Worst") is None


def test_an_alert_through_a_recording_rule_waits_for_that_rule(house: House) -> None:
    """The target is back, but what was recorded during the outage says nothing yet."""
    recording = group({"record": "debt:sum", "expr": "sum(debt)"}, name="a")
    alerting = group(rule("Total", "debt:sum > 0"), name="b")
    house.begin(recording, alerting)
    house.sees(0, 1)
    house.evaluate(0)
    house.fails(15)
    house.evaluate(15)
    house.sees(20, 1)
    assert house.alerting is not None
    house.alerting.evaluate_group(alerting, at(25))
    assert house.state_of("Total") is AlertState.FIRING
    house.evaluate(30)
    assert house.alerts["Total"].no_data_since is None
    house.sees(40, 0)
    house.evaluate(45)
    assert house.state_of("Total") is None


def test_after_a_start_an_alert_waits_for_the_recording_rule_that_feeds_it(house: House) -> None:
    recording = group({"record": "debt:sum", "expr": "sum(debt)"}, name="a")
    alerting = group(rule("Total", "debt:sum > 0"), name="b")
    house.begin(recording, alerting)
    house.sees(0, 1)
    house.evaluate(0)
    house.restart(recording, alerting, now=20)
    house.sees(25, 1)
    assert house.alerting is not None
    house.alerting.evaluate_group(alerting, at(30))  # what it reads has not been recorded again
    assert house.state_of("Total") is AlertState.FIRING
    house.alerting.evaluate_group(recording, at(31))
    house.alerting.evaluate_group(alerting, at(45))
    assert house.alerts["Total"].no_data_since is None


@pytest.mark.parametrize("looks", [[True, False], [False, True]], ids=["comes", "goes"])
def test_a_source_that_comes_or_goes_during_an_evaluation_proves_nothing(
    house: House, looks: list[bool]
) -> None:
    """Whether the source is watched is asked before an evaluation and after it; it has no answer."""
    house.begin(group(DEBT_RULE))
    house.sees(0, 1)
    house.evaluate(0)
    house.restart(group(DEBT_RULE), now=10)
    asked = iter(looks)
    house.watched = lambda _source: next(asked, False)
    house.evaluate(15)
    assert house.state_of() is AlertState.FIRING
    house.evaluate(30)
    assert house.state_of() is None, "nobody watches it any more"


def test_a_recording_rule_that_cannot_be_evaluated_is_no_data(house: House) -> None:
    both = {"record": "debt:both", "expr": "debt > 0 and on() debt * on(target) debt"}
    house.begin(group(both, rule("Both", "debt:both > 0")))
    house.sees(0, 1)
    house.evaluate(0)
    house.sees(10, 1, Source("db", "core/debt", "second"))
    house.evaluate(15)
    house.sees(320, 1)
    house.sees(320, 1, Source("db", "core/debt", "second"))
    house.evaluate(325)
    assert house.alerts["Both"].no_data_since == at(325)


def test_an_alert_about_alerts_ends(house: House) -> None:
    house.begin(group(DEBT_RULE, rule("Many", "count(ALERTS{alertname='Debt'}) > 0")))
    house.sees(0, 1)
    house.evaluate(0)
    house.evaluate(15)
    assert house.state_of("Many") is AlertState.FIRING
    house.sees(20, None)
    house.evaluate(30)
    house.evaluate(45)
    assert house.alerts == {}


def test_an_alert_about_our_own_counts_ends(house: House) -> None:
    outcomes = "pgwatch_query_outcomes_total{outcome='unreachable'}"
    house.begin(group(rule("Deaf", f"increase({outcomes}[1m]) > 0")))
    for seconds in (0, 15, 30):
        house.fails(seconds)
        house.measuring.publish_counts(round(at(seconds).timestamp() * 1000))
    house.evaluate(31)
    assert house.state_of("Deaf") is AlertState.FIRING
    for seconds in (45, 60, 75, 90, 105):
        house.sees(seconds, None)
        house.measuring.publish_counts(round(at(seconds).timestamp() * 1000))
    house.evaluate(106)
    assert house.state_of("Deaf") is None


def test_slots_keep_their_phase_over_restarts() -> None:
    rules = group(DEBT_RULE)
    first = next_slot(rules, START)
    assert START < first <= at(15)
    assert next_slot(rules, first) == first + timedelta(seconds=15)
    assert next_slot(rules, at(7200)) - first == timedelta(seconds=7200)
