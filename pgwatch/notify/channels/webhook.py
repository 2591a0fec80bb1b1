"""Webhooks: Alertmanager's JSON, version 4, so that whatever takes its messages takes ours."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from pgwatch.alerts.evidence import Evidence
from pgwatch.notify.channels.base import Receipt, shown
from pgwatch.notify.channels.custom import rendered
from pgwatch.notify.channels.posting import PostingChannel
from pgwatch.notify.channels.words import Words
from pgwatch.notify.message import compose, page_of
from pgwatch.notify.notification import Notification, NotifiedAlert
from pgwatch.notify.receiver import WebhookSettings
from pgwatch.notify.template import Templates, as_pattern, common
from pgwatch.promql.format import api_number
from pgwatch.secret import Secret

NO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's zero time: an alert that fires has no end
_FEW: Final = 10  # alerts that a receiver is sent that found more too many


class WebhookChannel(PostingChannel):
    """Posts to any address."""

    kind: ClassVar[str] = "webhook"
    tells_owner_briefly = False
    at_once = 4  # a hundred groups may be told at once, and each answer takes its time

    def __init__(self, settings: WebhookSettings, templates: Templates) -> None:
        super().__init__(settings.http, templates)
        self._settings = settings

    def _send(self, notification: Notification, words: Words) -> Receipt:
        url: Secret | str = self._settings.url
        if self._settings.url.value is not None and "{{" in self._settings.url.value:
            url = Secret(value=words.address(self._settings.url.value))
        most = self._settings.max_alerts
        if words.plain:
            most = min(most or _FEW, _FEW)
        if self._settings.payload is None:
            body = payload(notification, most)
        else:
            body = self._own_payload(notification, most, plain=words.plain)
        answer = self._sender.post(url, body, key=notification.id)
        return Receipt(answer=shown(answer))

    def _own_payload(self, notification: Notification, most: int, *, plain: bool) -> Any:
        alerts = notification.alerts
        listed = replace(notification, alerts=alerts[:most] if most else alerts)
        words = Words(self._templates, listed, plain=plain)
        return rendered(self._settings.payload, words, compose(notification, max_items=0).title)


def payload(notification: Notification, max_alerts: int) -> dict[str, Any]:
    """Return the JSON object; more alerts than `max_alerts` (0: any number) are counted, not listed.

    Source: Alertmanager `notify/webhook/webhook.go` and `template/template.go`.
    """
    alerts = notification.alerts
    listed = alerts[:max_alerts] if max_alerts else alerts
    return {
        "receiver": as_pattern(notification.receiver),
        "status": notification.status,
        "alerts": [_alert(alert, notification) for alert in listed],
        "groupLabels": notification.group_labels.to_dict(),
        "commonLabels": common([alert.labels for alert in alerts]),
        "commonAnnotations": common([alert.annotations for alert in alerts]),
        "externalURL": notification.external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": len(alerts) - len(listed) + notification.truncated,
        "notification_reason": notification.reason,
    }


def _alert(alert: NotifiedAlert, notification: Notification) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels.to_dict(),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": NO_TIME if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.labels.fingerprint(),
        "pgwatch": _facts(alert, notification),
    }


def _facts(alert: NotifiedAlert, notification: Notification) -> dict[str, Any]:
    """Return what version 4 has no place for: only what there is; numbers as texts, for NaN and infinity."""
    recovered, evidence = alert.value_at_recovery, alert.evidence
    facts = {
        "url": page_of(alert, notification),
        "news": str(alert.news),
        "value": api_number(alert.value),
        "valueAtRecovery": None if recovered is None else api_number(recovered),
        "noDataSince": _time(alert.no_data_since),
        "owner": alert.owner,
        "ownerComment": alert.owner_comment,
        "quietSince": _time(alert.quiet_since),
        "quietBecause": alert.quiet_because,
        "endings": alert.flaps,
        "heldUntil": _time(alert.held_until),
        "evidence": _evidence(evidence) if evidence else None,
    }
    return {name: fact for name, fact in facts.items() if fact}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "query": evidence.query,
        "at": rfc3339(evidence.at),
        "columns": evidence.columns,
        "rows": evidence.rows,
        "omitted": evidence.omitted,
        "note": evidence.note,
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else rfc3339(time)


def rfc3339(time: datetime) -> str:
    """Return `time` as Go writes it into JSON."""
    text = time.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"
