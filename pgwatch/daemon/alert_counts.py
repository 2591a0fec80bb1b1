"""`pgwatch_alerts`: what is pending or firing, for dashboards of a Prometheus that has no rules loaded."""

from collections import Counter
from collections.abc import Iterable

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

ALERT_COUNTS = Family("pgwatch_alerts", MetricType.GAUGE, "Alerts that are pending or firing")
_SOURCE = Source("", "pgwatch/alerts")


def alert_counts(alerts: Iterable[Alert], time_ms: int) -> Collected:
    """Return the number of `alerts` by target, name, severity and state, as an answer of its own source."""
    counts = Counter(
        (
            alert.labels.label("target"),
            alert.labels.label("alertname"),
            alert.labels.label("severity"),
            str(alert.state),
        )
        for alert in alerts
        if alert.state is not AlertState.RESOLVED
    )
    names = ("target", "alertname", "severity", "alertstate")
    ordered = sorted(counts.items())
    return Collected(
        source=_SOURCE,
        time_ms=time_ms,
        families=(ALERT_COUNTS,),
        labels=[
            Labels({METRIC_NAME: ALERT_COUNTS.name, **dict(zip(names, key, strict=True))})
            for key, _ in ordered
        ],
        values=[float(count) for _, count in ordered],
    )
