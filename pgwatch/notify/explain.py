"""Why an alert with given labels goes where it goes: path, group, timers, and what keeps it quiet now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.group import Group, GroupId
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.interventions import Acknowledgement, Interventions, Silencer
from pgwatch.notify.route import Route, Routing, find_routes
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One route that the alert ends at."""

    path: tuple[Route, ...]  # from the root to the route
    channels: tuple[str, ...]  # of its receiver; none: nobody is told
    group_labels: Labels
    group_key: str
    group: Group | None  # None: it would make a new one
    is_quiet: bool  # the time intervals of the route mute it now
    delayed_until: datetime | None = None  # nobody is told before it (`notifications.start_delay`)

    @property
    def route(self) -> Route:
        """The route itself."""
        return self.path[-1]

    def next_flush(self, now: datetime) -> datetime:
        """Return when its group is looked at next, if the alert fires `now`."""
        due = self.group.next_flush if self.group else now + self.route.group_wait
        return due if self.delayed_until is None else max(due, self.delayed_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is known about an alert with these labels."""

    labels: Labels
    destinations: tuple[Destination, ...]
    silences: tuple[Silence, ...]
    inhibited_by: tuple[Labels, ...]
    acknowledged: Acknowledgement | None


def explain(
    routing: Routing,
    labels: Labels,
    now: datetime,
    *,
    groups: Mapping[GroupId, Group],
    said: Interventions,
    alerts: Iterable[Alert],
    delayed_until: datetime | None = None,
) -> Explanation:
    """Return what holds `now` for an alert with `labels`; `groups` and `alerts` are those there are."""
    firing = [one.labels for one in alerts if one.state is AlertState.FIRING]
    destinations = []
    for route in find_routes(routing.root, labels):
        group_labels = route.group_labels(labels)
        key = route.group_key(group_labels)
        destinations.append(
            Destination(
                path=_path(routing.root, route),
                channels=tuple(one.name for one in routing.receivers[route.receiver].channels),
                group_labels=group_labels,
                group_key=key,
                group=groups.get(GroupId(route.receiver, key)),
                is_quiet=route.schedule.is_quiet(now),
                delayed_until=delayed_until,
            )
        )
    return Explanation(
        labels=labels,
        destinations=tuple(destinations),
        silences=Silencer(said.silences.values(), now).silencing(labels),
        inhibited_by=tuple(Inhibitor(routing.inhibit_rules, firing).explanations(labels)),
        acknowledged=said.held_acknowledgements(now).get(labels),
    )


def _path(node: Route, route: Route) -> tuple[Route, ...]:
    """Return the nodes from `node` down to `route`, none where it is not below it."""
    if node is route:
        return (node,)
    for child in node.routes:
        if below := _path(child, route):
            return (node, *below)
    return ()
