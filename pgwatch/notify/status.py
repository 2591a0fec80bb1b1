"""What holds an alert back at one time, as the API and the pages show it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.interventions import Acknowledgement, Interventions, Silencer
from pgwatch.notify.route import Route, Routing, find_routes


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStatus:
    """One firing alert, and who does or does not hear of it."""

    alert: Alert
    routes: tuple[Route, ...]  # that it ends at
    silenced_by: tuple[str, ...] = ()  # ids
    inhibited_by: tuple[str, ...] = ()  # fingerprints
    acknowledged: Acknowledgement | None = None
    muted: bool = False  # all of its routes are in quiet hours

    @property
    def is_suppressed(self) -> bool:
        """Whether nobody is told of it now."""
        return bool(self.silenced_by or self.inhibited_by)

    @property
    def receivers(self) -> tuple[str, ...]:
        """The receivers of its routes, each once."""
        return tuple(dict.fromkeys(route.receiver for route in self.routes))


def alert_statuses(
    routing: Routing, interventions: Interventions, alerts: Iterable[Alert], now: datetime
) -> Sequence[AlertStatus]:
    """Return the firing ones of `alerts`, each label set once, in the order of their labels."""
    firing = {one.labels: one for one in alerts if one.state is AlertState.FIRING}
    silencer = Silencer(interventions.silences.values(), now)
    inhibitor = Inhibitor(routing.inhibit_rules, firing)
    acknowledged = interventions.held_acknowledgements(now)
    return [
        AlertStatus(
            alert=firing[labels],
            routes=(routes := find_routes(routing.root, labels)),
            silenced_by=tuple(one.id for one in silencer.silencing(labels)),
            inhibited_by=tuple(one.fingerprint() for one in inhibitor.explanations(labels)),
            acknowledged=acknowledged.get(labels),
            muted=all(route.schedule.is_quiet(now) for route in routes),
        )
        for labels in sorted(firing)
    ]
