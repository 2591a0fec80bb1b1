"""Evaluate, decide and save, as the daemon does at each slot; only the clock is made up."""

import asyncio
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from pgwatch.alerts.alert import AlertState
from pgwatch.daemon.slots import next_slot
from pgwatch.notify.outbox import ChannelId
from pgwatch.rules.rule import AlertingRule
from pgwatch.rules.template import Surroundings
from pgwatch.samples.sample import Source
from pgwatch.state.schema import StateError
from tests.house import DEBT_RULE, START, House, at, group, rule


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


def test_slots_keep_their_phase_over_restarts() -> None:
    rules = group(DEBT_RULE)
    first = next_slot(rules, START)
    assert START < first <= at(15)
    assert next_slot(rules, first) == first + timedelta(seconds=15)
    assert next_slot(rules, at(7200)) - first == timedelta(seconds=7200)
