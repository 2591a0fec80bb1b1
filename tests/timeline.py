"""A dispatcher on a line of time that only a test moves; what it decides is kept, as by the daemon."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.dispatch import Decisions, DispatchState, advance, next_look
from pgwatch.notify.interventions import Acknowledgement, Interventions
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import LogSettings, Receiver
from pgwatch.notify.route import Route, Routing
from pgwatch.notify.silence import Silence, expired
from pgwatch.samples.labels import Labels

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def alert(
    name: str = "A",
    *,
    since: float = 0,
    resolved: float | None = None,
    state: AlertState = AlertState.FIRING,
    value: float = 1.0,
    rule: str = "r",
    **labels: str,
) -> Alert:
    return Alert(
        rule=rule,
        labels=Labels({"alertname": name, **labels}),
        state=state if resolved is None else AlertState.RESOLVED,
        value=value,
        active_at=at(since),
        fired_at=at(since),
        resolved_at=None if resolved is None else at(resolved),
    )


def routing(*, send_resolved: bool = True, **route: Any) -> Routing:
    root = Route(
        receiver="log",
        group_by=frozenset({"alertname"}),
        group_wait=timedelta(seconds=30),
        group_interval=timedelta(minutes=5),
        repeat_interval=timedelta(hours=1),
    )
    log = Receiver(name="log", channels=(LogSettings(send_resolved=send_resolved),))
    return Routing(root=replace(root, **route), receivers={"log": log})


def silence(text: str, start: float, end: float, **more: Any) -> Silence:
    full = Silence(
        id=text,
        matchers=parse_matchers(text).matchers,
        starts_at=at(start),
        ends_at=at(end),
        updated_at=at(start),
        created_by="ada",
        comment="moving",
    )
    return replace(full, **more)


class Timeline:
    """`push` brings alerts of a rule; `pass_time` to a time without news returns what is told then."""

    def __init__(self, config: Routing) -> None:
        self.routing = config
        self.state = DispatchState()
        self.said = Interventions()

    def push(self, seconds: float, *alerts: Alert, rule: str = "r") -> Decisions:
        return self._take(self._advance({rule: alerts}, seconds))

    def pass_time(self, seconds: float) -> Sequence[Notification]:
        decisions = self._take(self._advance({}, seconds))
        return [one.notification for one in decisions.enqueue if one.deliver]

    def run(self, start: float, end: float) -> list[tuple[float, Notification]]:
        """Look whenever a look is due from `start` to `end`; returns what is told, and when."""
        told = []
        now = at(start)
        while now <= at(end):
            seconds = (now - START).total_seconds()
            told += [(seconds, one) for one in self.pass_time(seconds)]
            due = next_look(self.state, self.said, now)
            assert due is None or due > now, "it is over and over due"
            if due is None:
                break
            now = due
        return told

    def silence(self, *silences: Silence) -> None:
        known = {**self.said.silences, **{one.id: one for one in silences}}
        self.said = replace(self.said, silences=known)

    def expire(self, text: str, seconds: float) -> None:
        self.silence(expired(self.said.silences[text], at(seconds)))

    def acknowledge(self, one: Alert, seconds: float, *, until: float | None = None) -> None:
        said = Acknowledgement(
            labels=one.labels,
            owner="ada",
            comment="on it",
            at=at(seconds),
            until=None if until is None else at(until),
        )
        self.said = replace(self.said, acknowledgements={one.labels: said})

    def _advance(self, alerts: dict[str, tuple[Alert, ...]], seconds: float) -> Decisions:
        return advance(self.routing, self.state, alerts, at(seconds), interventions=self.said)

    def _take(self, decisions: Decisions) -> Decisions:
        self.state = decisions.state
        self.said = decisions.left_of(self.said)
        return decisions


def shown(notification: Notification) -> list[tuple[str, str]]:
    return [
        (one.labels.label("n") or one.labels["alertname"], one.status)
        for one in notification.alerts
    ]
