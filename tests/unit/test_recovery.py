"""The value that an alert has when it ends."""

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.rules.load import parse_rules
from pgwatch.rules.recovery import values_now
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def engine() -> Engine:
    store = Store()
    store.append(
        Collected(
            source=Source("db", "core/x"),
            time_ms=NOW_MS,
            families=(Family("load", MetricType.GAUGE, ""), Family("up", MetricType.GAUGE, "")),
            labels=[
                Labels({METRIC_NAME: "load", "target": "db", "cpu": "0"}),
                Labels({METRIC_NAME: "load", "target": "db", "cpu": "1"}),
                Labels({METRIC_NAME: "up", "target": "db"}),
            ],
            values=[10.0, 30.0, 1.0],
        )
    )
    return Engine(store)


def rule(expr: str) -> AlertingRule:
    text = (
        f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}', labels: {{severity: info}}}}]}}]"
    )
    (only,) = parse_rules(text, file="r.yml")[0].rules
    assert isinstance(only, AlertingRule)
    return only


ALERT = Labels({"alertname": "A", "severity": "info", "target": "db"})


@pytest.mark.parametrize(
    ("expr", "value"),
    [
        pytest.param("sum by (target) (load) > 80", 40.0, id="what is compared"),
        pytest.param("100 < sum by (target) (load)", 40.0, id="on the other side"),
        pytest.param("(max by (target) (load) > 80) and on(target) up == 1", 30.0, id="condition"),
        pytest.param("up == 0", 1.0, id="without its name"),
        pytest.param("max by (target) (load) > on(target) up * 50", 30.0, id="two vectors"),
        pytest.param("up == bool 0", None, id="bool"),
        pytest.param("absent(up)", None, id="nothing compared"),
        pytest.param("sum(load) > 80", None, id="other labels"),
        pytest.param("load * on(cpu) load > on() up * up", None, id="fails"),
    ],
)
def test_value_of_an_alert_that_ended(engine: Engine, expr: str, value: float | None) -> None:
    assert values_now(rule(expr), engine, NOW_MS).get(ALERT) == value
