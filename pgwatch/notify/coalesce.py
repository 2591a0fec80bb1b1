"""What is left to tell when a newer snapshot of a group meets an older one that was never delivered."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason, in_order
from pgwatch.samples.labels import Labels

WAITING_SINCE: Final = (
    "waiting_since"  # in `extra`: the decision time of the oldest undelivered snapshot
)
NEVER_TOLD: Final = "never_told"  # in `extra`: "true" if the receiver has heard nothing of it yet

_STRONGEST_FIRST: Final = (
    Reason.TEST,
    Reason.HEARTBEAT,
    Reason.DEAD_LETTER,
    Reason.DEPLOY_OVER,
    Reason.FIRST,
    Reason.NEW_ALERTS,
    Reason.UNMUTED,
    Reason.SOME_RESOLVED,
    Reason.ALL_RESOLVED,
    Reason.UNOWNED,
    Reason.ACKNOWLEDGED,
    Reason.SILENCE_ENDS,
    Reason.REPEAT,
)


def supersede(older: Notification, newer: Notification) -> Notification:
    """Return the one notification that tells what the undelivered `older` and `newer` would have told.

    Alerts that fired and ended while nothing could be delivered stay in it, as resolved.
    """
    shown = {alert.labels for alert in newer.alerts}
    ended = (a for a in older.alerts if a.ends_at is not None and a.labels not in shown)
    unheard = {alert.labels for alert in older.alerts if alert.news in (News.NEW, News.MISSED)}
    alerts = (_as_heard(a, unheard) for a in newer.alerts)
    merged = replace(newer, alerts=in_order((*alerts, *ended)))
    if newer.reason is Reason.SNAPSHOT:
        return merged
    never_told = older.reason is Reason.FIRST or NEVER_TOLD in older.extra
    extra = {WAITING_SINCE: older.time.isoformat(), **older.extra}
    if never_told:
        extra[NEVER_TOLD] = "true"
    if merged.status == "resolved":
        reason = Reason.ALL_RESOLVED
    else:
        reason = min(older.reason, newer.reason, key=_STRONGEST_FIRST.index)
        reason = Reason.FIRST if never_told else reason
    return replace(merged, reason=reason, extra={**newer.extra, **extra})


def _as_heard(alert: NotifiedAlert, unheard: set[Labels]) -> NotifiedAlert:
    """Return `alert` as it is to those who have heard nothing of the `unheard` ones."""
    if alert.labels not in unheard:
        return alert
    return replace(alert, news=News.NEW if alert.ends_at is None else News.MISSED)


def waiting_since(notification: Notification) -> datetime | None:
    """Return since when something of `notification` has waited to be delivered; None: nothing has."""
    text = notification.extra.get(WAITING_SINCE)
    return None if text is None else datetime.fromisoformat(text)
