"""The tests of the shipped rules once more, through our own engine and life cycle instead of promtool's."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import step
from pgwatch.promql.ast import VectorSelector
from pgwatch.promql.engine import Engine
from pgwatch.promql.parser import parse
from pgwatch.rules.evaluate import evaluate
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store
from pgwatch.units import parse_duration
from tests.servers import ROOT

TESTS = ROOT / "alerts" / "tests"
STALE = "stale"
Value = float | str | None  # a number, STALE, or nothing at that time
_ITEM = re.compile(r"(_|stale|-?[\d.]+(?:e\d+)?)(?:([+-][\d.]+))?(?:x(\d+))?")


def read_values(text: str) -> Iterator[Value]:
    """Expand promtool's notation, as far as the shipped tests use it: `1 0x4 5+2x3 _x2 stale`."""
    for item in text.split():
        match = _ITEM.fullmatch(item)
        assert match is not None, item
        start, growth, times = match.groups()
        if start == "_":
            yield from [None] * int(times or 1)
        elif start == STALE:
            yield STALE
        else:
            for count in range(int(times or 0) + 1):
                yield float(start) + float(growth or 0) * count


def read_labels(series: str) -> Labels:
    selector = parse(series)
    assert isinstance(selector, VectorSelector)
    return Labels((matcher.name, matcher.value) for matcher in selector.matchers)


def cases() -> Iterator[Any]:
    for file in sorted(TESTS.glob("*.yml")):
        document = yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
        interval = document.get("evaluation_interval", "1m")
        for test in document["tests"]:
            yield pytest.param(file, interval, test, id=test["name"])


@pytest.mark.parametrize(("file", "evaluation_interval", "test"), list(cases()))
def test_embedded_engine_agrees(file: Path, evaluation_interval: str, test: dict[str, Any]) -> None:
    (expected,) = test["alert_rule_test"]
    firing = run(file, evaluation_interval, test, expected["alertname"])
    assert [(alert.labels, dict(alert.annotations)) for alert in firing] == [
        (Labels({"alertname": expected["alertname"], **one["exp_labels"]}), one["exp_annotations"])
        for one in expected["exp_alerts"]
    ]


def run(file: Path, evaluation_interval: str, test: dict[str, Any], name: str) -> list[Alert]:
    """Return the firing alerts of rules `name` at the case's time, from an evaluation at every interval."""
    groups = load_rules([file.parent.parent / file.name])
    rules = [
        rule
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertingRule) and rule.name == name
    ]
    every = parse_duration(evaluation_interval)
    until = parse_duration(test["alert_rule_test"][0]["eval_time"])
    store = Store(retention=timedelta(hours=1))  # the default: rules must do with it
    engine = Engine(store)
    samples = list(timed_samples(test))
    alerts: dict[str, tuple[Alert, ...]] = {rule.id: () for rule in rules}
    for turn in range(until // every + 1):
        now = datetime.fromtimestamp(0, UTC) + every * turn
        now_ms = round(now.timestamp() * 1000)
        while samples and samples[0].time_ms <= now_ms:
            store.append(samples.pop(0))
        for rule in rules:
            found = evaluate(rule, engine, now_ms)
            alerts[rule.id] = step(rule, alerts[rule.id], found, now=now).alerts
    return sorted(
        (alert for some in alerts.values() for alert in some if alert.state is AlertState.FIRING),
        key=lambda alert: alert.labels,
    )


def timed_samples(test: dict[str, Any]) -> Iterator[Collected]:
    """The input series as answers in the order of time, each series a source of its own."""
    every_ms = parse_duration(test["interval"]) // timedelta(milliseconds=1)
    columns = [
        (Source("t", f"s{number}"), read_labels(one["series"]), list(read_values(one["values"])))
        for number, one in enumerate(test["input_series"])
    ]
    for index in range(max(len(values) for *_, values in columns)):
        for source, labels, values in columns:
            value = values[index] if index < len(values) else None
            if value is None:
                continue
            gone = value == STALE
            yield Collected(
                source=source,
                time_ms=index * every_ms,
                families=(),
                labels=[] if gone else [labels],
                values=[] if gone else [float(value)],
            )
