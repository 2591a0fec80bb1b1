"""PagerDuty, Events API v2: one incident for each group, under the key that Alertmanager gives it.

Source: https://developer.pagerduty.com/docs/send-alert-event
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Final

from pgwatch.notify.acknowledged import is_looked_after
from pgwatch.notify.channels.base import Receipt
from pgwatch.notify.channels.fit import fitting
from pgwatch.notify.channels.letter import text
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import compose, shortened
from pgwatch.notify.notification import Notification, Reason
from pgwatch.notify.services import PagerDutySettings
from pgwatch.notify.template import Templates

_LIMIT: Final = 512_000  # bytes of an event
_SUMMARY: Final = 1024  # characters
_MAX_ITEMS: Final = 100
_SEVERITIES: Final = frozenset({"critical", "error", "warning", "info"})


class PagerDutyChannel(PostingChannel):
    """Triggers, acknowledges and resolves."""

    kind: ClassVar[str] = "pagerduty"
    tells_owner_briefly = False
    at_once = 4  # each group is an incident of its own

    def __init__(self, settings: PagerDutySettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def _send(self, notification: Notification, words: Words) -> Receipt:
        key = self._settings.routing_key.reveal()
        answer = ""
        for event in events(notification, self._settings, words, words.address(key)):
            answer = self._sender.post(self._settings.url, event, key=notification.id, hide=[key])
        return Receipt(answer=_said(answer))


def incident_key(group_key: str) -> str:
    """Return the key of a group's incident, as Alertmanager computes it (`notify.Key.Hash`)."""
    return hashlib.sha256(group_key.encode()).hexdigest()


def events(
    notification: Notification, settings: PagerDutySettings, words: Words, routing_key: str
) -> Iterator[dict[str, Any]]:
    """Return what is posted: the incident counts as acknowledged once somebody looks after all that fires."""
    if notification.reason is not Reason.ACKNOWLEDGED:
        yield payload(notification, settings, words, routing_key)
    if is_looked_after(notification):
        key = incident_key(notification.group_key)
        yield {"routing_key": routing_key, "event_action": "acknowledge", "dedup_key": key}


def payload(
    notification: Notification, settings: PagerDutySettings, words: Words, routing_key: str
) -> dict[str, Any]:
    """Return the event; details that are too long lose alerts."""
    firing = notification.status == "firing"
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger" if firing else "resolve",
        "dedup_key": incident_key(notification.group_key),
    }
    if not firing:
        return event
    title = compose(notification, max_items=0).title
    event |= {
        "client": words(settings.client, "pgwatch"),
        "client_url": words(settings.client_url, notification.external_url),
        "images": [words.all(asdict(one)) for one in settings.images],
        "links": [words.all(asdict(one)) for one in settings.links],
    }
    inside = {
        "summary": shortened(words(settings.description, title), _SUMMARY),
        "severity": _severity(notification, words(settings.severity)),
        "source": words(settings.source) or _source(notification),
        "component": words(settings.component),
        "group": words(settings.group),
        "class": words(settings.class_),
    }
    own = words.all(settings.details)

    def build(most: int) -> dict[str, Any]:
        details = {**_details(notification, most), **(own if most else {})}
        return {**event, "payload": {**inside, "custom_details": details}}

    made: dict[str, Any] = fitting(build, _LIMIT, _MAX_ITEMS)
    return made


def _details(notification: Notification, most: int) -> dict[str, str]:
    message = compose(notification, max_items=most)
    ended = sum(alert.ends_at is not None for alert in notification.alerts)
    return {
        "firing": text(message, notification.group_key) if most else "too long to be sent",
        "num_firing": str(len(notification.alerts) - ended),
        "num_resolved": str(ended),
    }


def _severity(notification: Notification, wanted: str) -> str:
    severity = wanted or compose(notification, max_items=0).severity
    return severity if severity in _SEVERITIES else "error"


def _source(notification: Notification) -> str:
    targets = {alert.labels.label("target") for alert in notification.alerts} - {""}
    return ", ".join(sorted(targets)[:5]) or "pgwatch"


def _said(answer: str) -> str:
    try:
        return str(json.loads(answer).get("message", ""))
    except (ValueError, AttributeError):
        return ""
