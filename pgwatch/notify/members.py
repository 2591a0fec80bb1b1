"""Who belongs to which group: firing alerts join, and leave when they have ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.flap import Flap, FlapLimits
from pgwatch.notify.flush import with_owner
from pgwatch.notify.group import Group, GroupId, MemberId
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.notification import NotifiedAlert
from pgwatch.notify.route import Route, find_routes, walk
from pgwatch.samples.labels import Labels

Groups = dict[GroupId, Group]


@dataclass(slots=True)
class Flaps:
    """The counters while one step is decided."""

    limits: FlapLimits
    known: dict[MemberId, Flap]
    changed: dict[MemberId, Flap] = field(default_factory=dict)

    def ended(self, member: MemberId, at: datetime) -> Flap:
        """Count one end, once however many groups the alert is in."""
        if member not in self.changed:
            self.changed[member] = self.known.get(member, Flap()).after(at, self.limits)
            self.known[member] = self.changed[member]
        return self.changed[member]

    def recent(self, member: MemberId, now: datetime) -> int:
        """Return how often it ended lately, 0 where that is not often."""
        flap = self.known.get(member)
        count = flap.recent(now, self.limits) if flap else 0
        return count if 0 < self.limits.firings <= count + 1 else 0


def leave(
    groups: Groups,
    alerts: Mapping[str, Sequence[Alert]],
    flaps: Flaps,
    acknowledgements: Mapping[Labels, Acknowledgement],
    now: datetime,
    *,
    changed: Iterable[Alert] = (),
) -> None:
    """End the members that resolved, or that their rule no longer has; what flaps is held a while.

    Of the rules of `changed` alerts, those that are not among them are as they were.

    The `acknowledgements` end with their alerts, so what has ended keeps who looked after it.
    """
    current = {
        MemberId(rule, one.labels): one
        for rule, of_rule in alerts.items()
        for one in of_rule
        if one.state is not AlertState.PENDING
    }
    # Those that fire end nothing here, and ten thousand may be posted at once.
    known = {
        MemberId(one.rule, one.labels): one for one in changed if one.state is not AlertState.FIRING
    }
    if not alerts and not known:
        return
    current |= known
    for group in list(groups.values()):
        ended = {
            i: with_owner(_ended(i, member, current.get(i), flaps, now), acknowledgements)
            for i, member in group.members.items()
            if (i.rule in alerts or i in known)
            and member.ends_at is None
            and member.held_until is None
            and not _fires(current.get(i))
        }
        ended |= {
            i: corrected
            for i, member in group.members.items()
            if i in known and (corrected := _corrected(member, known[i])) != member
        }
        if ended:
            groups[group.id] = replace(group, members={**group.members, **ended})


def join(groups: Groups, root: Route, alerts: Iterable[Alert], flaps: Flaps, now: datetime) -> None:
    """Put each firing alert into the groups that its routes lead to, and refresh those already there."""
    joined: dict[GroupId, dict[MemberId, NotifiedAlert]] = {}
    for alert in alerts:
        if alert.state is not AlertState.FIRING:
            continue
        member_id = MemberId(alert.rule, alert.labels)
        member = _notified(alert, flaps.recent(member_id, now))
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
            joined.setdefault(group_id, {})[member_id] = member
    for group_id, members in joined.items():
        group = groups[group_id]
        if any(group.members.get(i) != member for i, member in members.items()):
            groups[group_id] = replace(group, members={**group.members, **members})


def route_of(root: Route, group: Group, now: datetime) -> Route:
    """Return the route of `group`; of several alike (office hours, and the rest), one not quiet `now`.

    Raises KeyError if the tree has none.
    """
    alike = [
        route
        for route in walk(root)
        if (route.receiver, route.key) == (group.id.receiver, group.route_key)
    ]
    if not alike:
        raise KeyError(f"group {group.id} has no route; restore() was not called after the reload")
    if len(alike) > 1:
        # One whose children take all its alerts is not where they end.
        ends = [one for i in group.members for one in find_routes(root, i.labels)]
        alike = [one for one in alike if one in ends] or alike
    fit = [one for one in alike if one.group_by_all or one.group_by.issuperset(group.labels)]
    awake = [one for one in fit if not one.schedule.is_quiet(now)]
    return (awake or fit or alike)[0]


def calmed(group: Group, now: datetime) -> Group:
    """Return `group` with what flapped and has been calm since ended, at its real last end."""
    over = {
        i: replace(one, ends_at=one.held_since or now, held_until=None, held_since=None)
        for i, one in _held(group).items()
        if one.held_until and one.held_until <= now
    }
    return replace(group, members={**group.members, **over}) if over else group


def _held(group: Group) -> Mapping[MemberId, NotifiedAlert]:
    return {i: one for i, one in group.members.items() if one.held_until is not None}


def _fires(alert: Alert | None) -> bool:
    return alert is not None and alert.state is AlertState.FIRING


def _ended(
    member_id: MemberId, member: NotifiedAlert, alert: Alert | None, flaps: Flaps, now: datetime
) -> NotifiedAlert:
    at = alert.resolved_at or now if alert else now
    flap = flaps.ended(member_id, at)
    held_until = flap.held_until(flaps.limits)
    if alert is not None:
        member = replace(
            member,
            annotations=alert.annotations,
            starts_at=alert.fired_at or alert.active_at,
            value=alert.value,
            value_at_recovery=alert.value_at_recovery,
        )
    if held_until is None:
        return replace(member, ends_at=at)
    recent = flaps.recent(member_id, now)
    return replace(member, held_until=held_until, held_since=at, flaps=recent)


def _corrected(member: NotifiedAlert, alert: Alert) -> NotifiedAlert:
    """Return `member`, which is over, as who posts it says now."""
    if alert.resolved_at is None or member.ends_at is None:
        return member
    return replace(
        member,
        annotations=alert.annotations,
        starts_at=alert.fired_at or alert.active_at,
        ends_at=alert.resolved_at,
    )


def _notified(alert: Alert, flaps: int) -> NotifiedAlert:
    return NotifiedAlert(
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.fired_at or alert.active_at,
        ends_at=None,
        value=alert.value,
        generator_url=alert.generator_url,
        no_data_since=alert.no_data_since,
        evidence=alert.evidence,
        flaps=flaps,
    )
