"""When an alert that was not seen any more ends, and when it waits: sources, rules and recordings that go."""

import pytest

from pgwatch.alerts.alert import AlertState
from pgwatch.samples.sample import Source
from tests.house import DEBT_RULE, House, at, group, rule


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
