"""Webhooks: Alertmanager's JSON, version 4, so that whatever takes its messages takes ours."""

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import Receipt, shown
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.notify.receiver import WebhookSettings
from pgwatch.notify.template import Templates, as_pattern, common
from pgwatch.secret import Secret

NO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's zero time: an alert that fires has no end
_FEW: Final = 10  # alerts that a receiver is sent that found more too many


class WebhookChannel(PostingChannel):
    """Posts to any address."""

    kind: ClassVar[str] = "webhook"
    tells_owner_briefly = False

    def __init__(self, settings: WebhookSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def _send(self, notification: Notification, memory: str, words: Words) -> Receipt:  # noqa: ARG002
        url: Secret | str = self._settings.url
        if self._settings.url.value is not None and "{{" in self._settings.url.value:
            url = Secret(value=words.address(self._settings.url.value))
        most = self._settings.max_alerts
        if words.plain:
            most = min(most or _FEW, _FEW)
        answer = self._sender.post(url, payload(notification, most), key=notification.id)
        return Receipt(answer=shown(answer))


def payload(notification: Notification, max_alerts: int) -> dict[str, Any]:
    """Return the JSON object; more alerts than `max_alerts` (0: any number) are counted, not listed.

    Source: Alertmanager `notify/webhook/webhook.go` and `template/template.go`.
    """
    alerts = notification.alerts
    listed = alerts[:max_alerts] if max_alerts else alerts
    return {
        "receiver": as_pattern(notification.receiver),
        "status": notification.status,
        "alerts": [_alert(alert) for alert in listed],
        "groupLabels": dict(notification.group_labels),
        "commonLabels": common([alert.labels for alert in alerts]),
        "commonAnnotations": common([alert.annotations for alert in alerts]),
        "externalURL": notification.external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(listed) + notification.truncated,
        "notification_reason": notification.reason,
    }


def _alert(alert: NotifiedAlert) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": NO_TIME if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.labels.fingerprint(),
    }


def rfc3339(time: datetime) -> str:
    """Return `time` as Go writes it into JSON."""
    text = time.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"
