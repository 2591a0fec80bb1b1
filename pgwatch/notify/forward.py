"""What real Alertmanagers are told: all alerts as they are now, again and again, as Prometheus does it.

An alert that is held for want of data still fires, so they do not take it for over.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.posted import POSTED
from pgwatch.notify.flush import notification_to
from pgwatch.notify.group import LogKey
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason, in_order
from pgwatch.notify.route import Routing

PAUSE: Final = timedelta(minutes=1)  # Prometheus's --rules.alert.resend-delay
_GROUP_KEY: Final = (
    "{}:{}"  # one for all: a newer snapshot supersedes one that could not be delivered
)


def snapshots(routing: Routing, alerts: Iterable[Alert], now: datetime) -> tuple[Notification, ...]:
    """Return what each Alertmanager is told; nothing if nothing fires or has just ended.

    Alerts that others have posted here are theirs to tell.
    """
    told = in_order(
        _told(one)
        for one in alerts
        if one.fired_at is not None and one.state is not AlertState.PENDING and one.rule != POSTED
    )
    if not told:
        return ()
    keys = (
        LogKey(receiver.name, channel.name, _GROUP_KEY)
        for receiver in routing.hidden
        for channel in receiver.channels
    )
    return tuple(
        notification_to(key, Reason.SNAPSHOT, now, alerts=told, external_url=routing.external_url)
        for key in keys
    )


def _told(alert: Alert) -> NotifiedAlert:
    return NotifiedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.fired_at or alert.active_at,
        ends_at=alert.resolved_at if alert.state is AlertState.RESOLVED else None,
        value=alert.value,
        generator_url=alert.generator_url,
    )
