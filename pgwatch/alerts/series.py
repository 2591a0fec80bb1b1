"""The series that Prometheus writes about alerts, so that rules and dashboards can read them."""

from collections.abc import Iterable

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.rules.evaluate import rule_source
from pgwatch.rules.rule import AlertingRule
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType

ALERTS = Family("ALERTS", MetricType.GAUGE, "1 for each alert that is pending or firing")
FOR_STATE = Family(
    "ALERTS_FOR_STATE", MetricType.GAUGE, "Since when each alert has been active, in Unix seconds"
)


class AlertSeries:
    """Makes the series of the alerts of one rule.

    An alert that goes on has the same label sets again: ten thousand alerts have twenty thousand of them.
    """

    def __init__(self, rule: AlertingRule) -> None:
        self._source = rule_source(rule)
        self._known: dict[Labels, tuple[AlertState, Labels, Labels]] = {}

    def at(self, alerts: Iterable[Alert], time_ms: int) -> Collected:
        """Return the series of the pending and firing `alerts` at `time_ms`."""
        active = [alert for alert in alerts if alert.state is not AlertState.RESOLVED]
        self._known = {alert.labels: self._labels(alert) for alert in active}
        states = [one for _, one, _ in self._known.values()]
        since = [one for _, _, one in self._known.values()]
        return Collected(
            source=self._source,
            time_ms=time_ms,
            families=(ALERTS, FOR_STATE),
            labels=states + since,
            values=[1.0] * len(active)
            + [float(int(alert.active_at.timestamp())) for alert in active],
        )

    def _labels(self, alert: Alert) -> tuple[AlertState, Labels, Labels]:
        known = self._known.get(alert.labels)
        if known is not None and known[0] is alert.state:
            return known
        state = alert.labels.merged({METRIC_NAME: ALERTS.name, "alertstate": alert.state})
        return alert.state, state, alert.labels.merged({METRIC_NAME: FOR_STATE.name})
