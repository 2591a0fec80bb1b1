"""Real Alertmanagers: pgwatch is to them what Prometheus is, except that nothing is dropped.

Source: Alertmanager `api/v2/openapi.yaml`, Prometheus `notifier/` and `rules/manager.go`.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from pgwatch.notify.channels.base import DeliveryError, Receipt
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.webhook import rfc3339
from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.notify.services import AlertmanagerSettings
from pgwatch.notify.template import Templates
from pgwatch.secret import Secret

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=4)  # as Prometheus: four times the pause between two messages
_BATCH: Final = 256  # alerts in one request, as Prometheus


class AlertmanagerChannel(PostingChannel):
    """Posts all alerts as they are now."""

    kind: ClassVar[str] = "alertmanager"

    def __init__(self, settings: AlertmanagerSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def deliver(self, notification: Notification, _memory: str = "") -> Receipt:
        """Post the alerts; the answer is why some were refused. Raises DeliveryError."""
        url = Secret(value=self._settings.url.reveal().rstrip("/") + "/api/v2/alerts")
        # Not from the time of the decision: a message that comes late must not end what fires.
        until = datetime.now(UTC) + LEASE
        refused = ""
        for batch in payloads(notification, until):
            try:
                self._sender.post(url, batch, key=notification.id)
            except DeliveryError as error:
                if not error.unreadable:
                    raise
                refused = str(error)  # it has stored the others of the batch
        if refused:
            logger.warning("Alertmanager refuses some alerts", extra={"because": refused})
        return Receipt(answer=refused)


def payloads(notification: Notification, until: datetime) -> Iterator[list[dict[str, Any]]]:
    """Return the alerts in batches; what fires is over `until` unless it is posted again before."""
    alerts = notification.alerts
    for start in range(0, len(alerts), _BATCH):
        yield [_alert(one, until) for one in alerts[start : start + _BATCH]]


def _alert(alert: NotifiedAlert, until: datetime) -> dict[str, Any]:
    return {
        "labels": alert.labels.to_dict(),
        "annotations": {name: text for name, text in alert.annotations.items() if text},
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(alert.ends_at or until),
        "generatorURL": alert.generator_url,
    }
