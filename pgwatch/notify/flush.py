"""What each channel of a receiver is told of a group that is due, if anything."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.notify.group import Group, LogEntry, LogKey, Quiet, reason_to_notify
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.interventions import Acknowledgement, Silencer
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason, in_order
from pgwatch.notify.receiver import ChannelSettings
from pgwatch.notify.route import Route, Routing
from pgwatch.samples.labels import Labels

_INHIBITED = "inhibited by another alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A notification to enqueue."""

    notification: Notification
    deliver: bool = True
    # False: the channel does not want it (`send_resolved: false`); it only ends an older one still unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What a flush decides."""

    logged: Mapping[LogKey, LogEntry]
    enqueue: tuple[Decision, ...]
    quiet: Mapping[str, Quiet] = field(default_factory=dict)
    # of one group: what fires and is muted now, for it to remember


@dataclass(frozen=True, slots=True, kw_only=True)
class Muting:
    """What keeps alerts quiet or unrepeated at the time of a flush."""

    inhibitor: Inhibitor
    silencer: Silencer
    acknowledgements: Mapping[Labels, Acknowledgement]  # that hold

    def of(self, labels: Labels, since: datetime) -> Quiet | None:
        """Return why an alert with `labels` is not told, `since` this flush; None: it may be told."""
        if silences := self.silencer.silencing(labels):
            ids = tuple(one.id for one in silences)
            return Quiet(since=since, because=silences[0].because, silences=ids)
        if self.inhibitor.inhibits(labels):
            return Quiet(since=since, because=_INHIBITED, tell_again=False)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alerts:
    """A group's alerts at a flush."""

    by_labels: Mapping[Labels, NotifiedAlert]
    digests: Mapping[Labels, str]
    hidden: Mapping[Labels, Quiet]  # inhibited or silenced

    def shown(self, announced: frozenset[str]) -> dict[Labels, NotifiedAlert]:
        """Return what may be told: not what is hidden, unless it is the end of what was announced."""
        return {
            labels: one
            for labels, one in self.by_labels.items()
            if labels not in self.hidden
            or (one.ends_at is not None and self.digests[labels] in announced)
        }

    def entry(self, announced: frozenset[str], now: datetime) -> LogEntry:
        """Return what will have been told after telling `shown`.

        What was announced and is hidden since still counts as told, so that its end is told too.
        """
        shown = self.shown(announced)
        firing = (
            digest
            for labels, digest in self.digests.items()
            if self.by_labels[labels].ends_at is None and (labels in shown or digest in announced)
        )
        resolved = (self.digests[i] for i, one in shown.items() if one.ends_at is not None)
        return LogEntry(time=now, firing=frozenset(firing), resolved=frozenset(resolved))

    def muted(self, before: Mapping[str, Quiet]) -> dict[str, Quiet]:
        """Return what fires and is not told now, since when it has not been told."""
        return {
            digest: replace(quiet, since=known.since) if (known := before.get(digest)) else quiet
            for labels, quiet in self.hidden.items()
            if self.by_labels[labels].ends_at is None and (digest := self.digests[labels])
        }


def flush(
    group: Group,
    route: Route,
    routing: Routing,
    *,
    muting: Muting,
    log: Mapping[LogKey, LogEntry],
    now: datetime,
) -> Flushed:
    """Decide for each channel of the group's receiver whether and why it is told."""
    alerts = _alerts(group, muting, now)
    quiet = alerts.muted(group.quiet)
    logged: dict[LogKey, LogEntry] = {}
    enqueue: list[Decision] = []
    for channel in routing.receivers[group.id.receiver].channels:
        key = LogKey(group.id.receiver, channel.name, group.id.key)
        told = log.get(key)
        announced = told.firing if told else frozenset[str]()
        entry = alerts.entry(announced, now)
        shown = in_order(
            _as_told(one, alerts.digests[one.labels], announced, group.quiet, muting)
            for one in alerts.shown(announced).values()
        )
        reason = reason_to_notify(
            told, entry, send_resolved=channel.send_resolved, repeat_interval=route.repeat_interval
        )
        reason = _reconsidered(reason, shown, told, now)
        if reason is None or not shown:
            continue
        logged[key] = entry
        notification = notification_to(
            key,
            reason,
            now,
            group_labels=group.labels,
            alerts=shown,
            external_url=routing.external_url,
        )
        enqueue.append(_decision(notification, channel))
    return Flushed(logged=logged, enqueue=tuple(enqueue), quiet=quiet)


def notification_to(
    key: LogKey,
    reason: Reason,
    time: datetime,
    *,
    alerts: tuple[NotifiedAlert, ...],
    external_url: str,
    group_labels: Labels | None = None,
    extra: Mapping[str, str] | None = None,
) -> Notification:
    """Return what one channel is told of one group at `time`; its id is the same when decided again."""
    return Notification(
        receiver=key.receiver,
        channel=key.channel,
        group_key=key.group_key,
        reason=reason,
        time=time,
        group_labels=group_labels or Labels(),
        alerts=alerts,
        external_url=external_url,
        id=hashlib.sha256("\0".join((*key, time.isoformat())).encode()).hexdigest()[:32],
        extra=extra or {},
    )


def digest_of(labels: Labels) -> str:
    """Return the key of an alert in the log."""
    # Not the fingerprint: that is a loop over bytes in Python, and 10,000 alerts are flushed at once.
    return hashlib.blake2b(repr(labels).encode(), digest_size=12).hexdigest()


def with_owner(
    alert: NotifiedAlert, acknowledgements: Mapping[Labels, Acknowledgement]
) -> NotifiedAlert:
    """Return `alert` with who has acknowledged it, if anybody has."""
    acknowledged = acknowledgements.get(alert.labels)
    if acknowledged is None:
        return alert
    return replace(alert, owner=acknowledged.owner, owner_comment=acknowledged.comment)


def _reconsidered(
    reason: Reason | None,
    shown: Iterable[NotifiedAlert],
    told: LogEntry | None,
    now: datetime,
) -> Reason | None:
    """Return the reason after what Alertmanager does not know: ends of mutes, and acknowledgements."""
    if reason not in (None, Reason.REPEAT):
        return reason
    firing = [one for one in shown if one.ends_at is None]
    # A report of a deploy's end has just told the same.
    again = told is not None and told.time < now
    if again and any(one.quiet_since and not one.owner for one in firing):
        return Reason.UNMUTED
    return None if firing and all(one.owner for one in firing) else reason


def _as_told(
    alert: NotifiedAlert,
    digest: str,
    announced: frozenset[str],
    quiet: Mapping[str, Quiet],
    muting: Muting,
) -> NotifiedAlert:
    """Return `alert` with what it is to the readers of one channel."""
    told = News.STILL if digest in announced else News.NEW
    news = told if alert.ends_at is None else News.RESOLVED
    was = quiet.get(digest)
    if was and alert.ends_at is None and (was.tell_again or news is News.NEW):
        alert = replace(alert, quiet_since=was.since, quiet_because=was.because)
    alert = with_owner(alert, muting.acknowledgements)
    return alert if alert.news is news else replace(alert, news=news)


def _decision(snapshot: Notification, channel: ChannelSettings) -> Decision:
    if channel.send_resolved:
        return Decision(notification=snapshot)
    if snapshot.reason is Reason.ALL_RESOLVED:
        return Decision(notification=snapshot, deliver=False)
    firing = tuple(alert for alert in snapshot.alerts if alert.ends_at is None)
    return Decision(notification=replace(snapshot, alerts=firing))


def _alerts(group: Group, muting: Muting, now: datetime) -> _Alerts:
    merged = _merged(group.members.values())
    return _Alerts(
        by_labels=merged,
        digests={labels: digest_of(labels) for labels in merged},
        hidden={labels: quiet for labels in merged if (quiet := muting.of(labels, now))},
    )


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
