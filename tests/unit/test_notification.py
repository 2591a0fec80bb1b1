"""The order in which a message lists its alerts."""

import random
from datetime import UTC, datetime

from pgwatch.notify.notification import NotifiedAlert, in_order
from pgwatch.samples.labels import Labels

NOW = datetime(2026, 8, 1, tzinfo=UTC)
# As Debian's Alertmanager lists them.
ORDER = [
    {"alertname": "C", "job": "j1"},
    {"alertname": "A", "instance": "i1", "job": "j2"},
    {"alertname": "A", "instance": "i2", "job": "j2"},
    {"alertname": "B", "instance": "i1"},
    {"alertname": "A"},
    {"alertname": "Z"},
    {"alertname": "0", "n": "10"},
    {"alertname": "0", "n": "9"},
    {"alertname": "A", "y": "1"},
    {"alertname": "A", "x": "1"},
    {"a": "1", "alertname": "A", "b": "1"},
]


def alert(labels: dict[str, str], *, over: bool = False) -> NotifiedAlert:
    ends_at = NOW if over else None
    return NotifiedAlert(
        labels=Labels(labels), annotations={}, starts_at=NOW, ends_at=ends_at, value=1.0
    )


def test_alerts_are_listed_in_alertmanagers_order() -> None:
    mixed = [alert(labels) for labels in ORDER]
    random.Random(1).shuffle(mixed)
    assert [one.labels.to_dict() for one in in_order(mixed)] == ORDER


def test_alerts_with_the_same_labels_are_in_the_same_order() -> None:
    labels = [{"instance": i, "n": n} for i in ("a", "b") for n in ("1", "10", "2")]
    listed = in_order(alert(one) for one in reversed(labels))
    assert [one.labels.to_dict() for one in listed] == labels


def test_what_fires_comes_before_what_is_over() -> None:
    listed = in_order([alert({"n": "1"}, over=True), alert({"n": "2"})])
    assert [one.status for one in listed] == ["firing", "resolved"]
