"""Webhooks: Alertmanager's JSON, version 4, so that whatever takes its messages takes ours."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import HttpSender
from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.notify.receiver import WebhookSettings

_NO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's zero time: an alert that fires has no end


class WebhookChannel:
    """Posts to any address."""

    kind: ClassVar[str] = "webhook"
    min_interval = timedelta(0)

    def __init__(self, settings: WebhookSettings) -> None:
        self._max_alerts = settings.max_alerts
        self._sender = HttpSender(settings.url, settings.http, settings.timeout)

    def deliver(self, notification: Notification) -> str:
        """Post the notification; returns the start of the answer."""
        return self._sender.post(payload(notification, self._max_alerts), key=notification.id)

    def close(self) -> None:
        """Close the connection that is kept open."""
        self._sender.close()


def payload(notification: Notification, max_alerts: int) -> dict[str, Any]:
    """Return the JSON object; more alerts than `max_alerts` (0: any number) are counted, not listed.

    Source: Alertmanager `notify/webhook/webhook.go` and `template/template.go`.
    """
    alerts = notification.alerts
    shown = alerts[:max_alerts] if max_alerts else alerts
    return {
        "receiver": re.sub(
            r"([\\.+*?()|\[\]{}^$])", r"\\\1", notification.receiver
        ),  # as a pattern
        "status": notification.status,
        "alerts": [_alert(alert) for alert in shown],
        "groupLabels": dict(notification.group_labels),
        "commonLabels": _common([dict(alert.labels) for alert in alerts]),
        "commonAnnotations": _common([dict(alert.annotations) for alert in alerts]),
        "externalURL": notification.external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(shown) + notification.truncated,
        "notification_reason": notification.reason,
    }


def _alert(alert: NotifiedAlert) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": _rfc3339(alert.starts_at),
        "endsAt": _NO_TIME if alert.ends_at is None else _rfc3339(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.labels.fingerprint(),
    }


def _common(sets: list[dict[str, str]]) -> dict[str, str]:
    """Return the pairs that all of `sets` have."""
    first, *others = sets or [{}]
    return {k: v for k, v in first.items() if all(other.get(k) == v for other in others)}


def _rfc3339(time: datetime) -> str:
    text = time.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"
