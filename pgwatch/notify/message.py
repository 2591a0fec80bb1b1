"""What a message says, whatever the channel: what, where, since when, which value, and the cure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pgwatch.notify.coalesce import NEVER_TOLD, waiting_since
from pgwatch.notify.notes import clock_time, evidence_text, notes
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason
from pgwatch.notify.occasion import occasion
from pgwatch.units import format_duration

_SEVERITIES: Final = ("critical", "warning", "info")  # worst first
_NOT_SHOWN: Final = frozenset({"alertname", "severity", "phase", "instance", "job"})
_LATE: Final = timedelta(minutes=1)  # a message that waited longer says so
_TEXT_LIMIT: Final = 1000  # characters of a description or a cure
_LABEL_LIMIT: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One alert as a message shows it; the channel renders times, for it may know the reader's zone."""

    resolved: bool
    headline: str
    description: str
    starts_at: datetime
    ends_at: datetime | None
    lasted: str  # `2m30s`, up to the end or the notification
    value: str
    no_data_since: datetime | None
    labels: tuple[tuple[str, str], ...]  # what tells this alert from others
    fix: str
    runbook_url: str
    is_new: bool  # not told before
    notes: tuple[str, ...]  # sentences: who looks after it, why it was quiet, the value at recovery
    evidence: str  # rows from the database as they were when it fired, as lines; often empty
    page: str  # where a person acknowledges or silences it; empty if there is no such page


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A whole notification in words."""

    title: str  # `[FIRING:2] PostgresBlockedSession on roofing`
    severity: str  # critical, warning, info; of what fires, else of what did
    resolved: bool  # nothing fires any more
    remark: str  # why this message comes, or comes late; often empty
    items: tuple[Item, ...]
    omitted: int  # alerts that are not among the items
    link: str  # to pgwatch's own page, empty if it has no address


def compose(notification: Notification, *, max_items: int) -> Message:
    """Return the words of `notification`, with at most `max_items` alerts."""
    alerts = notification.alerts
    firing = [alert for alert in alerts if alert.ends_at is None]
    return Message(
        title=_title(notification, len(firing)),
        severity=worst_severity(firing or alerts),
        resolved=not firing,
        remark=_remark(notification),
        items=tuple(_item(alert, notification) for alert in alerts[:max_items]),
        omitted=max(0, len(alerts) - max_items) + notification.truncated,
        link=notification.external_url,
    )


def worst_severity(alerts: Sequence[NotifiedAlert]) -> str:
    """Return the worst label `severity` of `alerts`; a missing or unknown one is a warning."""
    found = {alert.labels.label("severity") for alert in alerts}
    known = {one if one in _SEVERITIES else "warning" for one in found}
    return min(known, key=_SEVERITIES.index, default="warning")


def shortened(text: str, limit: int) -> str:
    """Return `text` with at most `limit` characters, the last being `…` if some are gone."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _title(notification: Notification, firing: int) -> str:
    status = f"[FIRING:{firing}]" if firing else "[RESOLVED]"
    if notification.alerts and all(one.news is News.TAKEN for one in notification.alerts):
        status = "[ACKNOWLEDGED]"
    names = {alert.labels.label("alertname") for alert in notification.alerts}
    targets = {alert.labels.label("target") for alert in notification.alerts} - {""}
    what = names.pop() if len(names) == 1 else f"{len(names)} kinds of alerts"
    where = targets.pop() if len(targets) == 1 else f"{len(targets)} targets" if targets else ""
    words = f"{status} {what}" + (f" on {where}" if where else "")
    return shortened(" ".join(words.split()), 140)


def _remark(notification: Notification) -> str:
    return " ".join(filter(None, (_delay(notification), occasion(notification))))


def _delay(notification: Notification) -> str:
    since = waiting_since(notification)
    if since is not None and notification.time - since > _LATE:
        if notification.status == "resolved" and NEVER_TOLD in notification.extra:
            return f"This fired and ended while it could not be delivered here (since {clock_time(since)})."
        return f"This comes late: nothing could be delivered here since {clock_time(since)}."
    return ""


def page_of(alert: NotifiedAlert, notification: Notification) -> str:
    """Return the address of pgwatch's page of an alert that fires; empty if there is none."""
    made_up = notification.reason in (Reason.TEST, Reason.HEARTBEAT)
    if alert.ends_at is not None or made_up or not notification.external_url:
        return ""
    return f"{notification.external_url}/alert/{alert.labels.fingerprint()}"


def _item(alert: NotifiedAlert, notification: Notification) -> Item:
    annotations = alert.annotations
    name = alert.labels.label("alertname") or "alert"
    lasted = (alert.ends_at or notification.time) - alert.starts_at
    return Item(
        resolved=alert.ends_at is not None,
        headline=shortened(" ".join(annotations.get("summary", "").split()) or name, 250),
        description=shortened(annotations.get("description", "").strip(), _TEXT_LIMIT),
        starts_at=alert.starts_at,
        ends_at=alert.ends_at,
        lasted=format_duration(timedelta(seconds=round(lasted.total_seconds()))),
        value=f"{alert.value:.6g}",
        no_data_since=alert.no_data_since,
        labels=tuple(
            (key, shortened(value, _LABEL_LIMIT))
            for key, value in alert.labels.items()
            if key not in _NOT_SHOWN
        ),
        fix=shortened(annotations.get("fix", "").strip(), _TEXT_LIMIT),
        runbook_url=annotations.get("runbook_url", ""),
        is_new=alert.news is News.NEW,
        notes=notes(alert),
        evidence=evidence_text(alert.evidence, _TEXT_LIMIT) if alert.evidence else "",
        page=page_of(alert, notification),
    )
