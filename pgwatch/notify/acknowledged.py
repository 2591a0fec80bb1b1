"""Somebody looks after an alert: what those are told who were told of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from pgwatch.notify.dispatch import DispatchState
from pgwatch.notify.flush import digest_of, notification_to, with_owner
from pgwatch.notify.group import Group, LogEntry, LogKey
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.interventions import Acknowledgement, Interventions, Silencer
from pgwatch.notify.notification import News, Notification, NotifiedAlert, Reason, in_order
from pgwatch.notify.route import Route, Routing, walk
from pgwatch.samples.labels import Labels

ACKNOWLEDGED_BY: Final = "acknowledged_by"  # in `extra`
ACKNOWLEDGED_COMMENT: Final = "acknowledged_comment"


def news_of(
    new: Iterable[Acknowledgement], before: Interventions, now: datetime
) -> tuple[Acknowledgement, ...]:
    """Return those of `new` acknowledgements that somebody else, or nobody, had made before."""
    held = before.held_acknowledgements(now)
    return tuple(
        one for one in new if (was := held.get(one.labels)) is None or was.owner != one.owner
    )


def tell_owner(
    new: Iterable[Acknowledgement],
    routing: Routing,
    state: DispatchState,
    said: Interventions,
    now: datetime,
) -> tuple[Notification, ...]:
    """Return what each channel is told that was told of an alert of `new`; one owner at a time.

    Each is the whole group as its channel knows it, for it takes the place of a message that still waits;
    who is quiet now (silence, inhibition, quiet hours) is not told. `said` holds with `new` in it.
    """
    taken = {one.labels: one for one in new}
    return tuple(
        _message(key, Reason.ACKNOWLEDGED, now, group, alerts, about=taken, routing=routing)
        for key, group, alerts in _who_knows(taken, News.TAKEN, routing, state, said=said, now=now)
    )


def tell_unowned(
    over: Iterable[Acknowledgement],
    routing: Routing,
    state: DispatchState,
    said: Interventions,
    now: datetime,
) -> tuple[Notification, ...]:
    """Return what those are told who know of alerts of `over`, which fire on: nobody looks after them.

    As `tell_owner`; `said` holds without `over`.
    """
    left = {one.labels: one for one in over}
    return tuple(
        _message(key, Reason.UNOWNED, now, group, alerts, about=left, routing=routing)
        for key, group, alerts in _who_knows(left, News.LEFT, routing, state, said=said, now=now)
    )


def _who_knows(
    concerned: Collection[Labels],
    news: News,
    routing: Routing,
    state: DispatchState,
    *,
    said: Interventions,
    now: datetime,
) -> Iterator[tuple[LogKey, Group, tuple[NotifiedAlert, ...]]]:
    """Yield the channels that were told of alerts with the labels `concerned`, and what they know to fire."""
    if not concerned:
        return
    groups = [g for g in state.groups.values() if not _labels(g).isdisjoint(concerned)]
    if not groups:
        return
    routes = {(route.receiver, route.key): route for route in walk(routing.root)}
    silencer = Silencer(said.silences.values(), now)
    firing = (labels for group in state.groups.values() for labels in _firing(group))
    inhibitor = Inhibitor(routing.inhibit_rules, firing)
    owners = said.held_acknowledgements(now)
    for group in groups:
        if _is_quiet(routes.get((group.id.receiver, group.route_key)), now):
            continue
        loud = {
            labels
            for labels in _labels(group).intersection(concerned)
            if not silencer.silencing(labels) and not inhibitor.inhibits(labels)
        }
        for channel in routing.receivers[group.id.receiver].channels:
            key = LogKey(group.id.receiver, channel.name, group.id.key)
            entry = state.log.get(key)
            alerts = _as_known(group, entry, loud, news, owners) if entry else ()
            if any(one.news is news for one in alerts):
                yield key, group, alerts


def brief(notification: Notification) -> Notification:
    """Return of a message that says who looks after alerts only that; any other as it is."""
    if notification.reason is not Reason.ACKNOWLEDGED:
        return notification
    taken = tuple(_shortened(one) for one in notification.alerts if one.news is News.TAKEN)
    return replace(notification, alerts=taken or notification.alerts)


def is_looked_after(notification: Notification) -> bool:
    """Return whether there is somebody for all that fires of a group, and it fires."""
    firing = [alert for alert in notification.alerts if alert.ends_at is None]
    return bool(firing) and all(alert.owner for alert in firing)


def _shortened(alert: NotifiedAlert) -> NotifiedAlert:
    summary = alert.annotations.get("summary", "")
    return replace(alert, annotations={"summary": summary}, evidence=None, owner="", flaps=0)


def _labels(group: Group) -> frozenset[Labels]:
    return frozenset(member.labels for member in group.members.values())


def _firing(group: Group) -> Iterator[Labels]:
    for member in group.members.values():
        if member.ends_at is None and member.held_until is None:
            yield member.labels


def _is_quiet(route: Route | None, now: datetime) -> bool:
    return route is None or route.schedule.is_quiet(now)


def _as_known(
    group: Group,
    entry: LogEntry,
    concerned: Collection[Labels],
    news: News,
    owners: Mapping[Labels, Acknowledgement],
) -> tuple[NotifiedAlert, ...]:
    """Return what the channel of `entry` was told to fire; an end that is not told yet is its flush's."""
    known = {
        one.labels: replace(
            with_owner(one, owners),
            ends_at=None,
            value_at_recovery=None,
            news=news if one.labels in concerned else News.STILL,
        )
        for one in group.members.values()
        if digest_of(one.labels) in entry.firing
    }
    return in_order(known.values())


def _message(
    key: LogKey,
    reason: Reason,
    now: datetime,
    group: Group,
    alerts: tuple[NotifiedAlert, ...],
    *,
    about: Mapping[Labels, Acknowledgement],
    routing: Routing,
) -> Notification:
    concerned = (News.TAKEN, News.LEFT)
    said = next(about[one.labels] for one in alerts if one.news in concerned)
    return notification_to(
        key,
        reason,
        now,
        group_labels=group.labels,
        alerts=alerts,
        external_url=routing.external_url,
        extra={ACKNOWLEDGED_BY: said.owner, ACKNOWLEDGED_COMMENT: said.comment},
    )
