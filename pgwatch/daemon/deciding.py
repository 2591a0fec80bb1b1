"""From what the rules find, others post and people say to what is told; each step in one transaction."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from pgwatch.alerts.adopt import adopt
from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import Change, ChangeKind, unwatched
from pgwatch.alerts.lookup import Lookup
from pgwatch.alerts.outward import outward, outward_labels
from pgwatch.alerts.posted import PostedAlert, heard, next_lapse, resumed
from pgwatch.daemon.evaluating import Outcome
from pgwatch.notify.acknowledged import tell_unowned
from pgwatch.notify.dispatch import (
    Decisions,
    DispatchState,
    StartDelay,
    advance,
    next_look,
    restore,
)
from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.group import Group, GroupId
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Notification
from pgwatch.notify.route import Routing
from pgwatch.rules.rule import Rule
from pgwatch.samples.labels import Labels
from pgwatch.state.history import Event, acknowledgement_end
from pgwatch.state.store import State, Transaction

logger = logging.getLogger(__name__)

# What stands in the history; the rest is only of interest while it lasts.
_TOLD = {ChangeKind.FIRED: "alert_firing", ChangeKind.RESOLVED: "alert_resolved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """To whom, and with which labels, alerts go under one configuration."""

    routing: Routing
    external_labels: Mapping[str, str]
    limits: FlapLimits = DEFAULT_LIMITS
    delay: StartDelay | None = None


class Deciding:
    """What is known and decided; it changes on the alerting thread only, and is saved before it is true."""

    def __init__(self, told: Told, *, state: State, on_enqueued: Callable[[], None]) -> None:
        """Read nothing yet: `restore` does that."""
        self._told = told
        self._state = state
        self._on_enqueued = on_enqueued
        self._dispatch = DispatchState()
        self.alerts: Mapping[str, tuple[Alert, ...]] = {}  # by rule
        self.posted: Mapping[Labels, PostedAlert] = {}
        self.interventions = Interventions()
        self._of_rules = Lookup(lambda labels: outward_labels(labels, told.external_labels))
        self._of_posted = Lookup(lambda labels: labels)

    @property
    def routing(self) -> Routing:
        """The routes in force."""
        return self._told.routing

    @property
    def groups(self) -> Mapping[GroupId, Group]:
        """The groups that there are."""
        return self._dispatch.groups

    @property
    def dispatch(self) -> DispatchState:
        """The groups, and what was told of them."""
        return self._dispatch

    def everything(self, now: datetime) -> Iterator[Alert]:
        """Return all alerts with the labels that routes see, also posted ones and those that are over."""
        return self.view(now)()

    def view(self, now: datetime) -> Callable[[], Iterator[Alert]]:
        """Return what gives `everything` as it is now, whatever changes until it is asked for."""
        alerts, posted = self.alerts, self.posted

        def everything() -> Iterator[Alert]:
            for of_rule in self._outward(alerts).values():
                yield from of_rule
            for one in posted.values():
                yield one.as_alert(now)

        return everything

    def find(self, fingerprint: str, now: datetime) -> Alert | None:
        """Return the alert that fires with `fingerprint`, of the labels that routes see; in any thread."""
        alerts, posted = self.alerts, self.posted
        of_rules = [one for of_rule in alerts.values() for one in of_rule]
        found = self._of_rules.find(alerts, (one.labels for one in of_rules), fingerprint)
        same = [one for one in of_rules if found is not None and one.labels == found]
        same = list(self._outward({"": tuple(same)})[""])
        if (labels := self._of_posted.find(posted, posted, fingerprint)) is not None:
            same.append(posted[labels].as_alert(now))
        return next((one for one in same if one.state is AlertState.FIRING), None)

    def next_look(self, now: datetime) -> datetime | None:
        """Return when `decide` must be called next though nothing new is known; None: not before."""
        times = (
            next_look(self._dispatch, self.interventions, now),
            next_lapse(self.posted.values()),
        )
        return min((time for time in times if time is not None), default=None)

    def decide(
        self,
        at: datetime,
        outcome: Outcome | None = None,
        *,
        interventions: Interventions | None = None,
        posted: Iterable[PostedAlert] = (),
        happened: Iterable[Event] = (),
        tell: Sequence[Notification] = (),
    ) -> None:
        """Save what is new at `at`, and all that follows from it; raises StateError, and nothing has changed.

        `interventions` are all that hold from now on. `happened` goes into the history, and `tell` into the
        outbox beside what is decided.
        """
        outcome = outcome or Outcome()
        said, lapsed = (interventions or self.interventions).without_lapsed(at)
        unowned = tell_unowned(lapsed, self._told.routing, self._dispatch, said, at)
        over = (acknowledgement_end(one.labels, at) for one in lapsed)
        known, news = heard(self.posted, posted, at)
        gone = self.posted.keys() - known.keys()
        decisions = advance(
            self._told.routing,
            self._dispatch,
            self._outward(outcome.alerts),
            at,
            changed=[one.as_alert(at) for one in (*news, *(self.posted[i] for i in gone))],
            interventions=said,
            limits=self._told.limits,
        )
        with self._state.transaction() as changes:
            if outcome.alerts and self._has_timers(outcome):
                changes.save_evaluation(at)  # each is a write to the disk, so only if it matters
            for rule, of_rule in outcome.alerts.items():
                changes.save_alerts(rule, of_rule)
            changes.save_posted(news, forget=gone)
            self._save_said(changes, said)
            changes.save_decisions(decisions)
            began_and_ended = chain(_events(outcome.changes), self._posted_events(news, at))
            changes.record_all(chain(happened, over, began_and_ended))
            for notification in (*unowned, *tell):
                changes.enqueue(notification)
        self.alerts = {**self.alerts, **outcome.alerts}
        self.posted = known
        self.interventions = decisions.left_of(said)
        self._take(decisions)
        if tell or unowned:
            self._on_enqueued()
        for change in outcome.changes:
            _log_change(change)

    def restore(self, rules: Mapping[str, Rule], now: datetime, *, started: bool) -> None:
        """Take over what is saved: alerts of rules that are gone are ended, groups keep their timers.

        `started`: nobody was there until `now`. Raises StateError, and then nothing has changed.
        """
        saved = self._state.load_alerts()
        alerts = adopt(saved, rules.values())
        seen = self._state.last_evaluation() if started else None
        if seen is not None and seen < now:
            alerts = {rule: unwatched(of_rule, seen) for rule, of_rule in alerts.items()}
        posted = self._state.load_posted()
        # Who posts could not reach us: that an alert was not renewed says nothing.
        renewed = resumed(posted.values(), now, self._told.routing.resolve_timeout)
        posted |= {one.labels: one for one in renewed if started}
        said = self._state.load_interventions()
        everything = [one for of_rule in self._outward(alerts).values() for one in of_rule]
        everything += [one.as_alert(now) for one in posted.values()]
        before = replace(self._state.load_dispatch(), delay=self._told.delay)
        restored = restore(self._told.routing, before, everything, now, reloaded=not started)
        gone = {rule: () for rule in alerts if rule not in rules}
        decisions = advance(
            self._told.routing,
            restored.state,
            gone,
            now,
            interventions=said,
            limits=self._told.limits,
        )
        kept = {rule: of_rule for rule, of_rule in alerts.items() if rule in rules}
        with self._state.transaction() as changes:
            changes.save_decisions(restored)
            changes.save_decisions(decisions)
            changes.save_posted(renewed if started else ())
            for rule in {**saved, **kept}:
                changes.save_alerts(rule, kept.get(rule, ()))
        self.alerts, self.posted, self.interventions = kept, posted, decisions.left_of(said)
        self._take(decisions)

    def _take(self, decisions: Decisions) -> None:
        self._dispatch = decisions.state
        if decisions.enqueue:
            self._on_enqueued()

    def _outward(self, alerts: Mapping[str, tuple[Alert, ...]]) -> Mapping[str, tuple[Alert, ...]]:
        """Return `alerts` as routes and receivers see them."""
        external_labels = self._told.external_labels
        return outward(alerts, external_labels) if external_labels else alerts

    def _save_said(self, changes: Transaction, said: Interventions) -> None:
        """Save what differs from before in what people say."""
        before = self.interventions
        changes.save_silences(
            one for i, one in said.silences.items() if before.silences.get(i) != one
        )
        for labels, one in said.acknowledgements.items():
            if before.acknowledgements.get(labels) != one:
                changes.save_acknowledgement(one)
        changes.release(before.acknowledgements.keys() - said.acknowledgements.keys())

    def _posted_events(self, news: Iterable[PostedAlert], at: datetime) -> Iterator[Event]:
        """Return what began and ended among the posted alerts."""
        for one in news:
            before, alert = self.posted.get(one.labels), one.as_alert(at)
            fired = before is not None and before.ends_at > before.updated_at
            if fired is (alert.state is AlertState.RESOLVED):
                kind = ChangeKind.RESOLVED if fired else ChangeKind.FIRED
                yield from _events([Change(kind=kind, alert=alert)])

    def _has_timers(self, outcome: Outcome) -> bool:
        """Return whether there are alerts whose `for` or `keep_firing_for` runs."""
        return any(
            alert.state is AlertState.PENDING or alert.keep_firing_since
            for of_rule in {**self.alerts, **outcome.alerts}.values()
            for alert in of_rule
        )


def _events(changes: Sequence[Change]) -> Iterator[Event]:
    for change in changes:
        if change.kind in _TOLD:
            alert = change.alert
            detail = {"value": str(alert.value), "summary": alert.annotations.get("summary", "")}
            if alert.value_at_recovery is not None:
                detail["value_at_recovery"] = str(alert.value_at_recovery)
            yield Event(
                time=alert.resolved_at or alert.fired_at or alert.active_at,
                kind=_TOLD[change.kind],
                subject=repr(alert.labels),
                detail=detail,
            )


def _log_change(change: Change) -> None:
    level = logging.INFO if change.kind in _TOLD else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    alert = change.alert
    extra = {"change": str(change.kind), "alert": repr(alert.labels), "value": alert.value}
    logger.log(level, "alert changes", extra=extra)
