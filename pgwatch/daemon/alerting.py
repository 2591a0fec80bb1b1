"""Evaluates rule groups at their slots, and decides who is told; every consequence in one transaction."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from pgwatch.alerts.adopt import adopt
from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import Change, ChangeKind, step, unwatched
from pgwatch.alerts.outward import generator_url, outward
from pgwatch.alerts.series import alert_series
from pgwatch.daemon.alert_counts import alert_counts
from pgwatch.daemon.health import late_groups
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.slots import group_key, next_slot, slot_to_await
from pgwatch.daemon.unanswered import Unanswered
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.notify.dispatch import Decisions, DispatchState, advance, restore
from pgwatch.notify.route import Routing
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import (
    NOWHERE,
    Evaluation,
    evaluate,
    record,
    rule_source,
)
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.sample import Source
from pgwatch.state.history import Event
from pgwatch.state.store import State

logger = logging.getLogger(__name__)

_MISSED_AFTER = timedelta(seconds=1)
# What stands in the history; the rest is only of interest while it lasts.
_TOLD = {ChangeKind.FIRED: "alert_firing", ChangeKind.RESOLVED: "alert_resolved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHealth:
    """How the newest evaluation of a rule went."""

    error: str = ""
    at: datetime | None = None
    elapsed: timedelta = timedelta(0)


@dataclass(slots=True)
class _Outcome:
    """What one evaluation of a group changes."""

    alerts: dict[str, tuple[Alert, ...]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    failures: int = 0


class Alerting:
    """The alerting half of the daemon under one configuration.

    All state changes on one thread of its own; the event loop only says when.
    """

    def __init__(
        self,
        *,
        groups: Sequence[RuleGroup],
        routing: Routing,
        accepted: Sequence[Accepted],
        measuring: Measuring,
        watches: Callable[[Source], bool],
        state: State,
        metrics: OwnMetrics,
        on_enqueued: Callable[[], None],
        now: datetime,
        surroundings: Surroundings = NOWHERE,
        previous: "Alerting | None" = None,
    ) -> None:
        """Take over what is saved: alerts of rules that are gone are ended, groups keep their timers.

        `watches` says whether an answer of a source is to be expected. `previous` (which runs no more) is
        what this one replaces after a reload. Raises StateError, and then nothing has changed.
        """
        self.groups = tuple(groups)
        self.health: dict[str, RuleHealth] = dict(previous.health) if previous else {}
        self._evaluated: dict[str, datetime] = dict(previous._evaluated) if previous else {}
        self._unsaved = Counter[str]()  # failures since it was saved last, by what cannot be saved
        self._began = now
        self._rules = {rule.id: rule for group in groups for rule in group.rules}
        self._routing = routing
        self._accepted = tuple(accepted)
        self._surroundings = surroundings
        self._measuring = measuring
        self._engine = Engine(measuring.store)
        self._state = state
        self._metrics = metrics
        self._on_enqueued = on_enqueued
        self._unanswered: Unanswered = Unanswered(
            self._rules.values(),
            answered=measuring.answered,
            watches=watches,
            previous=previous._unanswered if previous else None,
        )
        self.alerts: Mapping[str, tuple[Alert, ...]] = {}
        self._dispatch = self._restored(now, started=previous is None)
        if previous is not None:
            self._end_series(previous, now)
        self._count_alerts(now)

    async def run(self, thread: ThreadPoolExecutor) -> None:
        """Evaluate and flush on `thread`, the one alerting thread, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for group in self.groups:
                tasks.create_task(self._evaluate_at_slots(group, thread))
            tasks.create_task(self._flush_when_due(thread))

    def evaluate_group(self, group: RuleGroup, at: datetime) -> None:
        """Evaluate `group` at `at` and save all that follows; on the alerting thread only.

        If it cannot be saved nothing has happened, and the next slot tries again.
        """
        begun = time.perf_counter()
        outcome = self._evaluate(group, at)
        decisions = advance(self._routing, self._dispatch, self._outward(outcome.alerts), at)
        self._save(decisions, outcome, at)
        self._evaluated[group_key(group)] = at
        self._count_alerts(at)
        self._metrics.evaluated(
            group_key(group),
            at=at,
            elapsed=timedelta(seconds=time.perf_counter() - begun),
            rules=len(group.rules),
            failures=outcome.failures,
        )

    def flush(self, now: datetime) -> None:
        """Decide for the groups that are due at `now`; on the alerting thread only."""
        decisions = advance(self._routing, self._dispatch, {}, now)
        self._save(decisions, _Outcome(), now)

    def late(self, now: datetime, intervals: int) -> list[str]:
        """Return the groups whose evaluation is late by more than `intervals`, one line each."""
        since, evaluated = self._began, self._evaluated
        return late_groups(self.groups, evaluated, since=since, now=now, intervals=intervals)

    # Evaluation

    def _evaluate(self, group: RuleGroup, at: datetime) -> _Outcome:
        outcome = _Outcome()
        for rule in group.rules:
            error, begun = "", time.perf_counter()
            try:
                if isinstance(rule, RecordingRule):
                    self._record(rule, group, at)
                elif isinstance(rule, AlertingRule):
                    error = self._alert(rule, group, at, outcome)
            except PromqlError as failure:
                error = str(failure)
                self._unanswered.failed(rule)
            except Exception as bug:  # a unit of work: other rules go on, this one's alerts stay
                logger.exception("rule meets a bug", extra={"rule": rule.name})
                error = f"a bug in pgwatch: {type(bug).__name__}"
                self._unanswered.failed(rule)
            if error:
                outcome.failures += 1
                self._log_failure(rule, error)
            elapsed = timedelta(seconds=time.perf_counter() - begun)
            self.health[rule.id] = RuleHealth(error=error, at=at, elapsed=elapsed)
        return outcome

    def _record(self, rule: RecordingRule, group: RuleGroup, at: datetime) -> None:
        recording = record(
            rule,
            self._engine,
            _ms(at),
            query_offset_ms=_in_ms(group.query_offset),
            limit=group.limit,
        )
        self._unanswered.recorded(rule, recording.sources, _ms(at - group.query_offset))
        self._measuring.append(recording.collected)

    def _alert(self, rule: AlertingRule, group: RuleGroup, at: datetime, outcome: _Outcome) -> str:
        """Step the alerts of `rule`; returns the error of its evaluation."""
        previous = self.alerts.get(rule.id, ())
        evaluation, error = None, ""
        fed = frozenset[Source]().union(*{alert.sources for alert in previous})
        looked_at_ms = _ms(at - group.query_offset)
        # Before and after: what came or went meanwhile may not have been in the evaluation.
        silent = self._unanswered.among(fed, looked_at_ms)
        try:
            evaluation = self._without_accepted(
                rule,
                evaluate(
                    rule,
                    self._engine,
                    _ms(at),
                    query_offset_ms=_in_ms(group.query_offset),
                    limit=group.limit,
                    surroundings=self._surroundings,
                ),
                at,
            )
        except PromqlError as failure:
            error = str(failure)
        silent |= self._unanswered.among(fed, looked_at_ms)
        after = step(
            rule,
            previous,
            evaluation,
            now=at,
            silent=silent,
            generator_url=generator_url(self._surroundings.external_url, rule.query),
        )
        outcome.alerts[rule.id] = after.alerts
        outcome.changes += after.changes
        # For our own rules and queries only: on /metrics it would collide with the ALERTS of a
        # Prometheus that has loaded the same rules.
        self._measuring.append(alert_series(rule, after.alerts, looked_at_ms))
        self._unanswered.alerted(rule)
        return error

    def _without_accepted(
        self, rule: AlertingRule, evaluation: Evaluation, at: datetime
    ) -> Evaluation:
        findings = tuple(
            one
            for one in evaluation.findings
            if accepted_by(self._accepted, rule.name, one.labels, at) is None
        )
        return replace(evaluation, findings=findings)

    def _log_failure(self, rule: Rule, error: str) -> None:
        before = self.health.get(rule.id)
        if before is None or before.error != error:
            logger.warning("rule cannot be evaluated", extra={"rule": rule.name, "error": error})

    # Saving

    def _save(self, decisions: Decisions, outcome: _Outcome, at: datetime) -> None:
        with self._state.transaction() as changes:
            if outcome.alerts and self._has_timers(outcome):
                changes.save_evaluation(at)  # each is a write to the disk, so only if it matters
            for rule, alerts in outcome.alerts.items():
                changes.save_alerts(rule, alerts)
            changes.save_decisions(decisions)
            for change in outcome.changes:
                if change.kind in _TOLD:
                    changes.record(_event(change))
        self.alerts = {**self.alerts, **outcome.alerts}
        self._dispatch = decisions.state
        for change in outcome.changes:
            _log_change(change)
        if decisions.enqueue:
            self._on_enqueued()

    def _has_timers(self, outcome: _Outcome) -> bool:
        """Return whether there are alerts whose `for` or `keep_firing_for` runs."""
        return any(
            alert.state is AlertState.PENDING or alert.keep_firing_since
            for of_rule in {**self.alerts, **outcome.alerts}.values()
            for alert in of_rule
        )

    def _restored(self, now: datetime, *, started: bool) -> DispatchState:
        saved = self._state.load_alerts()
        alerts = adopt(saved, self._rules.values())
        seen = self._state.last_evaluation() if started else None
        if seen is not None and seen < now:
            alerts = {rule: unwatched(of_rule, seen) for rule, of_rule in alerts.items()}
        everything = [one for of_rule in self._outward(alerts).values() for one in of_rule]
        restored = restore(self._routing, self._state.load_dispatch(), everything, now)
        gone = {rule: () for rule in alerts if rule not in self._rules}
        decisions = advance(self._routing, restored.state, gone, now)
        kept = {rule: of_rule for rule, of_rule in alerts.items() if rule in self._rules}
        with self._state.transaction() as changes:
            changes.save_decisions(restored)
            changes.save_decisions(decisions)
            for rule in {**saved, **kept}:
                changes.save_alerts(rule, kept.get(rule, ()))
        self.alerts = kept
        if decisions.enqueue:
            self._on_enqueued()
        return decisions.state

    def _outward(self, alerts: Mapping[str, Sequence[Alert]]) -> Mapping[str, Sequence[Alert]]:
        """Return `alerts` as routes and receivers see them."""
        external_labels = self._surroundings.external_labels
        return outward(alerts, external_labels) if external_labels else alerts

    def _end_series(self, previous: "Alerting", now: datetime) -> None:
        """End what rules and groups that are gone have written."""
        for rule in previous._rules.values():
            if rule.id not in self._rules:
                self._measuring.end(rule_source(rule), _ms(now))
                self.health.pop(rule.id, None)
        keys = {group_key(group) for group in self.groups}
        for group in previous.groups:
            if group_key(group) not in keys:
                self._metrics.forget_group(group_key(group))
                self._evaluated.pop(group_key(group), None)

    def _count_alerts(self, at: datetime) -> None:
        everything = (alert for of_rule in self.alerts.values() for alert in of_rule)
        self._measuring.exposition.accept(alert_counts(everything, _ms(at)))

    # When

    async def _evaluate_at_slots(self, group: RuleGroup, thread: ThreadPoolExecutor) -> None:
        slot = next_slot(group, datetime.now(UTC))
        while True:
            slot = await _until(slot, group)
            await self._on(thread, partial(self.evaluate_group, group, slot), group_key(group))
            now = datetime.now(UTC)
            following = slot + group.interval
            if now - following > _MISSED_AFTER:
                # As Prometheus: what was missed is counted and not made up for.
                missed = (now - following) // group.interval + 1
                self._metrics.missed(group_key(group), missed)
                following += missed * group.interval
            slot = following

    async def _flush_when_due(self, thread: ThreadPoolExecutor) -> None:
        while True:
            due = self._dispatch.next_flush()
            now = datetime.now(UTC)
            if due is not None and due <= now:
                await self._on(thread, lambda: self.flush(datetime.now(UTC)), "flush")
                continue
            pause = timedelta(seconds=1) if due is None else min(due - now, timedelta(seconds=1))
            await asyncio.sleep(pause.total_seconds())

    async def _on(self, thread: ThreadPoolExecutor, work: Callable[[], None], what: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(thread, work)
        except PgwatchError as error:
            if not self._unsaved:
                extra = {"of": what, "error": str(error)}
                logger.error("consequences cannot be saved", extra=extra)  # noqa: TRY400
            self._unsaved[what] += 1
            await asyncio.sleep(1)
            return
        if failures := self._unsaved.pop(what, 0):
            logger.info("consequences are saved again", extra={"of": what, "failures": failures})


async def _until(slot: datetime, group: RuleGroup) -> datetime:
    """Wait for `slot`, or another if the clock is set back meanwhile; returns which it was."""
    while (now := datetime.now(UTC)) < slot:
        slot = slot_to_await(group, slot, now)
        await asyncio.sleep(min(slot - now, group.interval).total_seconds())
    return slot


def _event(change: Change) -> Event:
    alert = change.alert
    return Event(
        time=alert.resolved_at or alert.fired_at or alert.active_at,
        kind=_TOLD[change.kind],
        subject=repr(alert.labels),
        detail={"value": str(alert.value), "summary": alert.annotations.get("summary", "")},
    )


def _log_change(change: Change) -> None:
    level = logging.INFO if change.kind in _TOLD else logging.DEBUG
    alert = change.alert
    extra = {"change": str(change.kind), "alert": repr(alert.labels), "value": alert.value}
    logger.log(level, "alert changes", extra=extra)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _in_ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
