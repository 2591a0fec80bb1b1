"""From alerts to decisions: who joins which group, which groups are due, and what each channel is told.

Everything here is pure. The caller saves a `Decisions` in one transaction and only then takes its
`state` as the current one; a crash before that is as if nothing had been decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.flush import Decision, flush
from pgwatch.notify.group import Group, GroupId, LogEntry, LogKey, MemberId
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.notification import NotifiedAlert
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
    # Nothing waits longer than this; what does was set before the clock was set back.
    longest = max(max(one.group_wait, one.group_interval) for one in _walk(routing.root))
    due = [one for one in groups.values() if not now < one.next_flush <= now + longest]
    inhibitor = Inhibitor(routing.inhibit_rules if due else (), _all_firing(groups.values()))
    for group in sorted(due, key=lambda group: (group.next_flush, group.id)):
        route = _route_of(routing.root, group)
        left = {i: member for i, member in group.members.items() if member.ends_at is None}
        if not route.schedule.is_quiet(now):
            told = flush(group, route, routing, inhibitor=inhibitor, log=state.log, now=now)
            logged |= told.logged
            enqueue += told.enqueue
        elif _was_told(group, state.log):
            left = dict(group.members)  # what ended while nothing may be told is told afterwards
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


def _all_firing(groups: Iterable[Group]) -> Iterable[Labels]:
    for group in groups:
        for member in group.members.values():
            if member.ends_at is None:
                yield member.labels


def _was_told(group: Group, log: Mapping[LogKey, LogEntry]) -> bool:
    return any((key.receiver, key.group_key) == group.id for key in log)
