"""The pipeline from alerts to notifications on a clock that whoever plays moves; nothing is sent.

It decides with what the daemon decides with: `route test` and `simulate` tell what would happen.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.posted import PostedAlert, heard, next_lapse
from pgwatch.notify.dispatch import (
    Decisions,
    DispatchState,
    StartDelay,
    advance,
    next_look,
    restore,
)
from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Notification
from pgwatch.notify.route import Routing
from pgwatch.samples.labels import Labels

_NOTHING: Final[Mapping[str, Sequence[Alert]]] = {}


class Playback:
    """What is known at one time, and what is told on the way to a later one; times never go back."""

    def __init__(
        self,
        routing: Routing,
        *,
        limits: FlapLimits = DEFAULT_LIMITS,
        delay: StartDelay | None = None,
    ) -> None:
        """Begin with no alert, no group and no silence."""
        self.routing = routing
        self.said = Interventions()
        self.state = DispatchState(delay=delay)
        self._limits = limits
        self._alerts: dict[str, Sequence[Alert]] = {}  # of rules, by rule
        self._posted: Mapping[Labels, PostedAlert] = {}

    def alerts(self, now: datetime) -> list[Alert]:
        """Return all alerts, also those that are over."""
        found = [one for of_rule in self._alerts.values() for one in of_rule]
        return found + [one.as_alert(now) for one in self._posted.values()]

    def step(
        self,
        now: datetime,
        *,
        alerts: Mapping[str, Sequence[Alert]] = _NOTHING,
        posted: Iterable[PostedAlert] = (),
        said: Interventions | None = None,
    ) -> list[Notification]:
        """Take what is new at `now`, and return what is told then.

        `alerts` has all alerts of each rule that was evaluated; `said` is all that holds from now on.
        """
        self.said = said or self.said
        before = self._posted
        self._posted, news = heard(before, posted, now)
        gone = [before[labels] for labels in before.keys() - self._posted.keys()]
        self._alerts |= alerts
        return self._take(
            advance(
                self.routing,
                self.state,
                alerts,
                now,
                changed=[one.as_alert(now) for one in (*news, *gone)],
                interventions=self.said,
                limits=self._limits,
            )
        )

    def run_until(self, end: datetime, now: datetime) -> list[Notification]:
        """Return what is told after `now`, up to and at `end`, if nothing new becomes known."""
        told: list[Notification] = []
        while (due := self._due(now)) is not None and due <= end:
            now = max(now, due)
            told += self.step(now)
        return told

    def reload(self, routing: Routing, now: datetime) -> list[Notification]:
        """Go on under another configuration; returns what is told then."""
        self.routing = routing
        self._take(restore(routing, self.state, self.alerts(now), now, reloaded=True))
        return self.step(now)

    def _due(self, now: datetime) -> datetime | None:
        times = (next_look(self.state, self.said, now), next_lapse(self._posted.values()))
        return min((time for time in times if time is not None), default=None)

    def _take(self, decisions: Decisions) -> list[Notification]:
        self.state = decisions.state
        self.said = decisions.left_of(self.said)
        return [one.notification for one in decisions.enqueue if one.deliver]
