"""From alerts to decisions: who joins which group, which groups are due, and what each channel is told.

Everything here is pure. The caller saves a `Decisions` in one transaction and only then takes its
`state` as the current one; a crash before that is as if nothing had been decided.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.group import Group, GroupId, LogEntry, LogKey, MemberId, reason_to_notify
from pgwatch.notify.notification import Notification, NotifiedAlert, Reason, in_order
from pgwatch.notify.receiver import ChannelSettings
from pgwatch.notify.route import Route, Routing, find_routes
from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchState:
    """All groups and the notification log."""

    groups: Mapping[GroupId, Group] = field(default_factory=dict)
    log: Mapping[LogKey, LogEntry] = field(default_factory=dict)

    def next_flush(self) -> datetime | None:
        """Return when the next group is due; None: there is no group."""
        return min((group.next_flush for group in self.groups.values()), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A notification to enqueue."""

    notification: Notification
    deliver: bool = True
    # False: the channel does not want it (`send_resolved: false`); it only ends an older one still unsent


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What `advance` decided; the transaction that saves it holds all of it."""

    state: DispatchState
    saved: tuple[Group, ...] = ()  # groups that are new or changed
    ended: tuple[GroupId, ...] = ()  # groups that are no more
    logged: Mapping[LogKey, LogEntry] = field(default_factory=dict)
    enqueue: tuple[Decision, ...] = ()


def advance(
    routing: Routing,
    state: DispatchState,
    alerts: Mapping[str, Sequence[Alert]],
    now: datetime,
) -> Decisions:
    """Return what follows from the new `alerts` and from the time being `now`.

    `alerts` has, for each rule (by id) that was evaluated, *all* its alerts; a firing alert that is no
    longer among them counts as resolved. A rule that is gone is passed with no alerts.
    """
    groups = dict(state.groups)
    _leave(groups, alerts, now)
    _join(groups, routing.root, (one for of_rule in alerts.values() for one in of_rule), now)
    logged: dict[LogKey, LogEntry] = {}
    enqueue: list[Decision] = []
    for group in sorted(groups.values(), key=lambda group: (group.next_flush, group.id)):
        if group.next_flush > now:
            break
        route = _route_of(routing.root, group)
        _flush(group, route, routing, state.log, now, logged, enqueue)
        left = {i: member for i, member in group.members.items() if member.ends_at is None}
        if left:
            next_flush = now + route.group_interval
            groups[group.id] = replace(group, members=left, next_flush=next_flush)
        else:
            del groups[group.id]
    return _decisions(state, groups, {**state.log, **logged}, logged, enqueue)


def restore(
    routing: Routing, state: DispatchState, alerts: Iterable[Alert], now: datetime
) -> Decisions:
    """Return the groups after a start or a reload: `alerts` under `routing`, with the timers they had.

    `alerts` are all that were saved, also those of rules that are gone; `advance` with no alerts for such
    a rule then announces their end. A group whose route or receiver is gone is dropped, and its firing
    alerts join the groups of the new tree.
    """
    known = {(route.receiver, route.key) for route in _walk(routing.root)}
    groups = {
        i: replace(g, members={m: a for m, a in g.members.items() if a.ends_at is not None})
        for i, g in state.groups.items()
        if (i.receiver, g.route_key) in known
    }
    _join(groups, routing.root, (one for one in alerts if one.state is AlertState.FIRING), now)
    groups = {i: group for i, group in groups.items() if group.members}
    return _decisions(state, groups, state.log, {}, ())


def _decisions(
    before: DispatchState,
    groups: Mapping[GroupId, Group],
    log: Mapping[LogKey, LogEntry],
    logged: Mapping[LogKey, LogEntry],
    enqueue: Iterable[Decision],
) -> Decisions:
    """Return what changed since `before`; the log of a group ends with the group, when nothing fires."""
    saved = (g for i, g in groups.items() if _differs(g, before.groups.get(i)))
    return Decisions(
        state=DispatchState(
            groups=groups,
            log={
                key: e for key, e in log.items() if GroupId(key.receiver, key.group_key) in groups
            },
        ),
        saved=tuple(saved),
        ended=tuple(i for i in before.groups if i not in groups),
        logged={k: e for k, e in logged.items() if GroupId(k.receiver, k.group_key) in groups},
        enqueue=tuple(enqueue),
    )


def _differs(group: Group, before: Group | None) -> bool:
    """Return whether what is saved of a group (its firing members are the alerts') is new."""
    if group is before:
        return False
    return before is None or (
        (group.next_flush, group.route_key, group.resolved)
        != (before.next_flush, before.route_key, before.resolved)
    )


def _walk(route: Route) -> Iterable[Route]:
    yield route
    for child in route.routes:
        yield from _walk(child)


def _route_of(root: Route, group: Group) -> Route:
    for route in _walk(root):
        if (route.receiver, route.key) == (group.id.receiver, group.route_key):
            return route
    raise KeyError(f"group {group.id} has no route; restore() was not called after the reload")


def _leave(
    groups: dict[GroupId, Group], alerts: Mapping[str, Sequence[Alert]], now: datetime
) -> None:
    """End the members that resolved, or that their rule no longer has."""
    current = {
        MemberId(rule, one.labels): one
        for rule, of_rule in alerts.items()
        for one in of_rule
        if one.state is not AlertState.PENDING
    }
    for group in list(groups.values()):
        ended = {
            i: _ended(member, current.get(i), now)
            for i, member in group.members.items()
            if i.rule in alerts and member.ends_at is None and not _fires(current.get(i))
        }
        if ended:
            groups[group.id] = replace(group, members={**group.members, **ended})


def _fires(alert: Alert | None) -> bool:
    return alert is not None and alert.state is AlertState.FIRING


def _ended(member: NotifiedAlert, alert: Alert | None, now: datetime) -> NotifiedAlert:
    if alert is None:
        return replace(member, ends_at=now)
    return replace(
        member,
        annotations=alert.annotations,
        value=alert.value,
        ends_at=alert.resolved_at or now,
    )


def _join(
    groups: dict[GroupId, Group], root: Route, alerts: Iterable[Alert], now: datetime
) -> None:
    """Put each firing alert into the groups that its routes lead to, and refresh those already there."""
    joined: dict[GroupId, dict[MemberId, NotifiedAlert]] = {}
    for alert in alerts:
        if alert.state is not AlertState.FIRING:
            continue
        member = _notified(alert)
        for route in find_routes(root, alert.labels):
            labels = route.group_labels(alert.labels)
            group_id = GroupId(route.receiver, route.group_key(labels))
            if group_id not in groups:
                groups[group_id] = Group(
                    id=group_id,
                    route_key=route.key,
                    labels=labels,
                    next_flush=now + route.group_wait,
                )
            joined.setdefault(group_id, {})[MemberId(alert.rule, alert.labels)] = member
    for group_id, members in joined.items():
        group = groups[group_id]
        if any(group.members.get(i) != member for i, member in members.items()):
            groups[group_id] = replace(group, members={**group.members, **members})


def _notified(alert: Alert) -> NotifiedAlert:
    return NotifiedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.fired_at or alert.active_at,
        ends_at=None,
        value=alert.value,
        generator_url=alert.generator_url,
        no_data_since=alert.no_data_since,
    )


def _flush(  # noqa: PLR0917 (the two collections of results stand last)
    group: Group,
    route: Route,
    routing: Routing,
    log: Mapping[LogKey, LogEntry],
    now: datetime,
    logged: dict[LogKey, LogEntry],
    enqueue: list[Decision],
) -> None:
    """Decide for each channel of the group's receiver; adds to `logged` and `enqueue`."""
    alerts = _merged(group.members.values())
    firing, resolved = _digests(alerts, ended=False), _digests(alerts, ended=True)
    entry = LogEntry(time=now, firing=firing, resolved=resolved)
    shown = in_order(alerts.values())
    for channel in routing.receivers[group.id.receiver].channels:
        key = LogKey(group.id.receiver, channel.name, group.id.key)
        reason = reason_to_notify(
            log.get(key),
            entry,
            send_resolved=channel.send_resolved,
            repeat_interval=route.repeat_interval,
        )
        if reason is None:
            continue
        logged[key] = entry
        snapshot = Notification(
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
        enqueue.append(_decision(snapshot, channel))


def _decision(snapshot: Notification, channel: ChannelSettings) -> Decision:
    if channel.send_resolved:
        return Decision(notification=snapshot)
    if snapshot.reason is Reason.ALL_RESOLVED:
        return Decision(notification=snapshot, deliver=False)
    firing = tuple(alert for alert in snapshot.alerts if alert.ends_at is None)
    return Decision(notification=replace(snapshot, alerts=firing))


def _digests(alerts: Mapping[Labels, NotifiedAlert], *, ended: bool) -> frozenset[str]:
    return frozenset(_digest(i) for i, one in alerts.items() if (one.ends_at is not None) is ended)


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
