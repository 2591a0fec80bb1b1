"""What each channel of a receiver is told of a group that is due, if anything."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pgwatch.notify.group import Group, LogEntry, LogKey, reason_to_notify
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason, in_order
from pgwatch.notify.receiver import ChannelSettings
from pgwatch.notify.route import Route, Routing
from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A notification to enqueue."""

    notification: Notification
    deliver: bool = True
    # False: the channel does not want it (`send_resolved: false`); it only ends an older one still unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What one flush of a group decides."""

    logged: Mapping[LogKey, LogEntry]
    enqueue: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alerts:
    """A group's alerts at a flush."""

    by_labels: Mapping[Labels, NotifiedAlert]
    digests: Mapping[Labels, str]
    hidden: frozenset[Labels]  # inhibited

    def shown(self, announced: frozenset[str]) -> dict[Labels, NotifiedAlert]:
        """Return what may be told: not what is inhibited, unless it is the end of what was announced."""
        return {
            labels: one
            for labels, one in self.by_labels.items()
            if labels not in self.hidden
            or (one.ends_at is not None and self.digests[labels] in announced)
        }

    def entry(self, announced: frozenset[str], now: datetime) -> LogEntry:
        """Return what will have been told after telling `shown`.

        What was announced and is inhibited since still counts as told, so that its end is told too.
        """
        shown = self.shown(announced)
        firing = (
            digest
            for labels, digest in self.digests.items()
            if self.by_labels[labels].ends_at is None and (labels in shown or digest in announced)
        )
        resolved = (self.digests[i] for i, one in shown.items() if one.ends_at is not None)
        return LogEntry(time=now, firing=frozenset(firing), resolved=frozenset(resolved))


def flush(
    group: Group,
    route: Route,
    routing: Routing,
    *,
    inhibitor: Inhibitor,
    log: Mapping[LogKey, LogEntry],
    now: datetime,
) -> Flushed:
    """Decide for each channel of the group's receiver whether and why it is told."""
    alerts = _alerts(group, inhibitor)
    logged: dict[LogKey, LogEntry] = {}
    enqueue: list[Decision] = []
    for channel in routing.receivers[group.id.receiver].channels:
        key = LogKey(group.id.receiver, channel.name, group.id.key)
        told = log.get(key)
        announced = told.firing if told else frozenset[str]()
        entry = alerts.entry(announced, now)
        reason = reason_to_notify(
            told, entry, send_resolved=channel.send_resolved, repeat_interval=route.repeat_interval
        )
        shown = in_order(alerts.shown(announced).values())
        if reason is None or not shown:
            continue
        logged[key] = entry
        notification = Notification(
            receiver=key.receiver,
            channel=key.channel,
            group_key=key.group_key,
            reason=reason,
            time=now,
            group_labels=group.labels,
            alerts=shown,
            external_url=routing.external_url,
            id=hashlib.sha256("\0".join((*key, now.isoformat())).encode()).hexdigest()[:32],
        )
        enqueue.append(_decision(notification, channel))
    return Flushed(logged=logged, enqueue=tuple(enqueue))


def _decision(snapshot: Notification, channel: ChannelSettings) -> Decision:
    if channel.send_resolved:
        return Decision(notification=snapshot)
    if snapshot.reason is Reason.ALL_RESOLVED:
        return Decision(notification=snapshot, deliver=False)
    firing = tuple(alert for alert in snapshot.alerts if alert.ends_at is None)
    return Decision(notification=replace(snapshot, alerts=firing))


def _alerts(group: Group, inhibitor: Inhibitor) -> _Alerts:
    merged = _merged(group.members.values())
    return _Alerts(
        by_labels=merged,
        digests={labels: _digest(labels) for labels in merged},
        hidden=frozenset(labels for labels in merged if inhibitor.inhibits(labels)),
    )


def _digest(labels: Labels) -> str:
    # Not the fingerprint: that is a loop over bytes in Python, and 10,000 alerts are flushed at once.
    return hashlib.blake2b(repr(labels).encode(), digest_size=12).hexdigest()


def _merged(members: Iterable[NotifiedAlert]) -> dict[Labels, NotifiedAlert]:
    """Return the members by labels; of equals the one that fires, and then the one that began first."""
    merged: dict[Labels, NotifiedAlert] = {}
    for member in members:
        other = merged.get(member.labels)
        if other is None or _precedes(member, other):
            merged[member.labels] = member
    return merged


def _precedes(one: NotifiedAlert, other: NotifiedAlert) -> bool:
    return (one.ends_at is not None, one.starts_at) < (other.ends_at is not None, other.starts_at)
