"""Evaluates rule groups at their slots, and decides who is told; every consequence in one transaction."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import Change, ChangeKind, step
from pgwatch.alerts.series import alert_series
from pgwatch.daemon.alert_counts import alert_counts
from pgwatch.daemon.measuring import Measuring
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.notify.dispatch import Decisions, DispatchState, advance, restore
from pgwatch.notify.route import Routing
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import Evaluation, evaluate, record, rule_source, with_rules
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.samples.sample import Source
from pgwatch.state.store import Event, State

logger = logging.getLogger(__name__)

_MISSED_AFTER = timedelta(seconds=1)
# What stands in the history; the rest is only of interest while it lasts.
_TOLD = {ChangeKind.FIRED: "alert_firing", ChangeKind.RESOLVED: "alert_resolved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHealth:
    """How the newest evaluation of a rule went."""

    error: str = ""
    at: datetime | None = None


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
        state: State,
        metrics: OwnMetrics,
        on_enqueued: Callable[[], None],
        now: datetime,
    ) -> None:
        """Take over what is saved: alerts of rules that are gone are ended, groups keep their timers."""
        self.groups = tuple(groups)
        self.health: dict[str, RuleHealth] = {}
        self._routing = routing
        self._accepted = tuple(accepted)
        self._measuring = measuring
        self._engine = Engine(measuring.store)
        self._state = state
        self._metrics = metrics
        self._on_enqueued = on_enqueued
        self._fed_by: dict[Source, frozenset[Source]] = {}  # of recording rules
        self._known = {rule.id for group in groups for rule in group.rules}
        self.alerts: Mapping[str, tuple[Alert, ...]] = state.load_alerts()
        self._dispatch = self._restored(now)

    async def run(self) -> None:
        """Evaluate and flush until cancelled."""
        with ThreadPoolExecutor(1, thread_name_prefix="alerting") as thread:
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
        decisions = advance(self._routing, self._dispatch, outcome.alerts, at)
        self._save(decisions, outcome)
        everything = (alert for of_rule in self.alerts.values() for alert in of_rule)
        self._measuring.exposition.accept(alert_counts(everything, _ms(at)))
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
        self._save(decisions, _Outcome())

    # Evaluation

    def _evaluate(self, group: RuleGroup, at: datetime) -> _Outcome:
        outcome = _Outcome()
        for rule in group.rules:
            error = ""
            try:
                if isinstance(rule, RecordingRule):
                    self._record(rule, group, at)
                elif isinstance(rule, AlertingRule):
                    error = self._alert(rule, group, at, outcome)
            except PromqlError as failure:
                error = str(failure)
            if error:
                outcome.failures += 1
                self._log_failure(rule, error)
            self.health[rule.id] = RuleHealth(error=error, at=at)
        return outcome

    def _record(self, rule: RecordingRule, group: RuleGroup, at: datetime) -> None:
        recording = record(
            rule,
            self._engine,
            _ms(at),
            query_offset_ms=_in_ms(group.query_offset),
            limit=group.limit,
        )
        if recording.sources:
            # Once the inputs are stale there are none; whom the series waited for must not be forgotten.
            self._fed_by[rule_source(rule)] = recording.sources
        self._measuring.append(recording.collected)

    def _alert(self, rule: AlertingRule, group: RuleGroup, at: datetime, outcome: _Outcome) -> str:
        """Step the alerts of `rule`; returns the error of its evaluation."""
        previous = self.alerts.get(rule.id, ())
        silent = self._silent(previous)  # before: an answer during the evaluation was not in it
        evaluation, error = None, ""
        try:
            evaluation = self._without_accepted(
                rule,
                evaluate(
                    rule,
                    self._engine,
                    _ms(at),
                    query_offset_ms=_in_ms(group.query_offset),
                    limit=group.limit,
                ),
                at,
            )
        except PromqlError as failure:
            error = str(failure)
        after = step(rule, previous, evaluation, now=at, silent=silent)
        outcome.alerts[rule.id] = after.alerts
        outcome.changes += after.changes
        # For our own rules and queries only: on /metrics it would collide with the ALERTS of a
        # Prometheus that has loaded the same rules.
        self._measuring.append(alert_series(rule, after.alerts, _ms(at - group.query_offset)))
        return error

    def _silent(self, alerts: Sequence[Alert]) -> frozenset[Source]:
        """Return the sources that fed `alerts`, also through recording rules, and do not answer now."""
        fed = frozenset[Source]().union(*(alert.sources for alert in alerts))
        recorded = fed & self._fed_by.keys()
        inner = frozenset[Source]().union(*(self._fed_by[source] for source in recorded))
        return with_rules(self._measuring.silent((fed - recorded) | inner), self._fed_by)

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

    def _save(self, decisions: Decisions, outcome: _Outcome) -> None:
        with self._state.transaction() as changes:
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

    def _restored(self, now: datetime) -> DispatchState:
        saved = self._state.load_dispatch()
        alerts = [alert for of_rule in self.alerts.values() for alert in of_rule]
        restored = restore(self._routing, saved, alerts, now)
        gone = {rule: () for rule in self.alerts if rule not in self._known}
        decisions = advance(self._routing, restored.state, gone, now)
        with self._state.transaction() as changes:
            changes.save_decisions(restored)
            changes.save_decisions(decisions)
            for rule in gone:
                changes.save_alerts(rule, ())
        self.alerts = {rule: of for rule, of in self.alerts.items() if rule in self._known}
        return decisions.state

    # When

    async def _evaluate_at_slots(self, group: RuleGroup, thread: ThreadPoolExecutor) -> None:
        slot = next_slot(group, datetime.now(UTC))
        while True:
            await _until(slot)
            await self._on(thread, partial(self.evaluate_group, group, slot), group.name)
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
            logger.error("consequences cannot be saved", extra={"of": what, "error": str(error)})  # noqa: TRY400
            await asyncio.sleep(1)


def group_key(group: RuleGroup) -> str:
    """Return `<file>;<group>`, for a shipped group wherever pgwatch is installed (see `Rule.id`)."""
    if not group.rules:
        return f"{group.file};{group.name}"
    return ";".join(group.rules[0].id.split(";")[:2])


def next_slot(group: RuleGroup, now: datetime) -> datetime:
    """Return the first evaluation of `group` after `now`: a phase of its interval that its name decides.

    Source: prometheus `rules/group.go`, `EvalTimestamp`.
    """
    digest = hashlib.sha256(group_key(group).encode()).digest()
    interval_ms = _in_ms(group.interval)
    phase = int.from_bytes(digest[:8], "big") % interval_ms
    now_ms = _ms(now)
    ahead = interval_ms - (now_ms - phase) % interval_ms
    return datetime.fromtimestamp((now_ms + ahead) / 1000, UTC)


def firing(alerts: Mapping[str, Collection[Alert]]) -> list[Alert]:
    """Return the alerts that fire."""
    return [a for of in alerts.values() for a in of if a.state is AlertState.FIRING]


async def _until(at: datetime) -> None:
    await asyncio.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))


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
