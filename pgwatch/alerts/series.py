"""The series that Prometheus writes about alerts, so that rules and dashboards can read them."""

from collections.abc import Iterable

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.rules.evaluate import rule_source
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import METRIC_NAME
from pgwatch.samples.sample import Collected, Family, MetricType

ALERTS = Family("ALERTS", MetricType.GAUGE, "1 for each alert that is pending or firing")
FOR_STATE = Family(
    "ALERTS_FOR_STATE", MetricType.GAUGE, "Since when each alert has been active, in Unix seconds"
)


def alert_series(rule: AlertingRule, alerts: Iterable[Alert], time_ms: int) -> Collected:
    """Return the series of the pending and firing `alerts` of `rule` at `time_ms`."""
    active = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
    states = [
        alert.labels.merged({METRIC_NAME: ALERTS.name, "alertstate": alert.state})
        for alert in active
    ]
    since = [alert.labels.merged({METRIC_NAME: FOR_STATE.name}) for alert in active]
    return Collected(
        source=rule_source(rule),
        time_ms=time_ms,
        families=(ALERTS, FOR_STATE),
        labels=[*states, *since],
        values=[1.0] * len(active) + [float(int(alert.active_at.timestamp())) for alert in active],
    )
