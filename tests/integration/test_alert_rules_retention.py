"""The shipped rules do with what the daemon keeps: their tests once more, over an hour of history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path

import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import step
from pgwatch.alerts.testfile import RuleTest, load_tests
from pgwatch.promql.engine import Engine
from pgwatch.rules.evaluate import evaluate
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store
from tests.servers import ROOT

FILES = sorted((ROOT / "alerts" / "tests").glob("*.yml"))
DEFAULT_RETENTION = timedelta(hours=1)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_hour_of_history_is_enough(file: Path) -> None:
    tests = load_tests(file)
    rules = [
        rule
        for group in load_rules(tests.rule_files)
        for rule in group.rules
        if isinstance(rule, AlertingRule)
    ]
    for test, case in ((one, case) for one in tests.tests for case in one.alerts):
        named = [rule for rule in rules if rule.name == case.alertname]
        firing = run(named, test, tests.evaluation_interval, until=case.eval_time)
        expected = [(one.labels, dict(one.annotations)) for one in case.expected]
        assert [(one.labels, dict(one.annotations)) for one in firing] == expected, test.name


def run(
    rules: list[AlertingRule], test: RuleTest, interval: timedelta, *, until: timedelta
) -> list[Alert]:
    """Return the alerts that fire at `until`, after an evaluation at every interval from 0."""
    store = Store(retention=DEFAULT_RETENTION)
    engine = Engine(store)
    samples = list(timed_samples(test))
    alerts: dict[str, tuple[Alert, ...]] = {rule.id: () for rule in rules}
    for turn in range(until // interval + 1):
        now = datetime.fromtimestamp(0, UTC) + interval * turn
        now_ms = round(now.timestamp() * 1000)
        while samples and samples[0].time_ms <= now_ms:
            store.append(samples.pop(0))
        for rule in rules:
            found = evaluate(rule, engine, now_ms)
            alerts[rule.id] = step(rule, alerts[rule.id], found, now=now).alerts
    every = (alert for some in alerts.values() for alert in some)
    return sorted(
        (alert for alert in every if alert.state is AlertState.FIRING),
        key=lambda alert: alert.labels,
    )


def timed_samples(test: RuleTest) -> Iterator[Collected]:
    """The input series as answers in the order of time, each series a source of its own."""
    every_ms = test.interval // timedelta(milliseconds=1)
    for index, row in enumerate(zip_longest(*(series.values for series in test.series))):
        for number, (series, value) in enumerate(zip(test.series, row, strict=True)):
            if value is None:
                continue
            gone = value == "stale"
            yield Collected(
                source=Source("t", f"s{number}"),
                time_ms=index * every_ms,
                families=(),
                labels=[] if gone else [series.labels],
                values=[] if gone else [float(value)],
            )
