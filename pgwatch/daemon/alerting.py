"""Evaluates rule groups at their slots, and looks at what is due; says when, and owns the health of rules."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from pgwatch.alerts.alert import Alert
from pgwatch.daemon.alert_counts import alert_counts
from pgwatch.daemon.chaining import Rhythm, recorded_by
from pgwatch.daemon.deciding import Deciding, Told
from pgwatch.daemon.duties import OwnDuties
from pgwatch.daemon.evaluating import Evaluating, RuleHealth, in_ms
from pgwatch.daemon.evidence import Witness
from pgwatch.daemon.health import UNREADY_AFTER, late_groups
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.slots import group_key, next_slot
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.notify.dispatch import StartDelay
from pgwatch.notify.duties import NO_DUTIES, Duties
from pgwatch.notify.route import Routing
from pgwatch.rules.accepted import Accepted
from pgwatch.rules.evaluate import NOWHERE, rule_source
from pgwatch.rules.rule import RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.rules.unanswered import Unanswered
from pgwatch.samples.sample import Source
from pgwatch.state.store import State

logger = logging.getLogger(__name__)

_MISSED_AFTER = timedelta(seconds=1)


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
        duties: Duties = NO_DUTIES,
        witness: Witness | None = None,
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
        self._started: datetime = previous._started if previous else now
        self._rules = {rule.id: rule for group in groups for rule in group.rules}
        recorded = recorded_by(groups)
        self._rhythms = {group_key(group): Rhythm(group, recorded) for group in groups}
        self._decided = asyncio.Event()  # something may be due earlier than it was
        self._measuring = measuring
        self._metrics = metrics
        self._witness = witness
        self._unanswered: Unanswered = Unanswered(
            self._rules.values(),
            answered=measuring.answered,
            watches=watches,
            previous=previous._unanswered if previous else None,
        )
        self._evaluating = Evaluating(
            measuring=measuring,
            accepted=accepted,
            unanswered=self._unanswered,
            surroundings=surroundings,
            health=self.health,
        )
        told = Told(
            routing=routing,
            external_labels=surroundings.external_labels,
            limits=duties.flapping,
            delay=StartDelay(since=self._started, until=self._started + duties.start_delay),
        )
        self.deciding = Deciding(told, state=state, on_enqueued=on_enqueued)
        self._duties = OwnDuties(
            duties,
            routing,
            state=state,
            late=partial(self.late, intervals=UNREADY_AFTER),
            alerts=self.deciding.everything,
            on_enqueued=on_enqueued,
        )
        self.deciding.restore(self._rules, now, started=previous is None)
        if previous is not None:
            self._end_series(previous, now)
        self._count_alerts(now)

    @property
    def alerts(self) -> Mapping[str, tuple[Alert, ...]]:
        """The alerts of the rules, by rule."""
        return self.deciding.alerts

    async def run(self, thread: ThreadPoolExecutor) -> None:
        """Evaluate and flush on `thread`, the one alerting thread, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for group in self.groups:
                tasks.create_task(self._evaluate_in_time(group, thread))
            tasks.create_task(self._flush_when_due(thread))

    def notice(self, names: Iterable[str]) -> None:
        """Let the rules that read one of the metrics `names` be evaluated soon; on the event loop only."""
        if names:
            for rhythm in self._rhythms.values():
                rhythm.notice(names)

    def look_again(self) -> None:
        """Look at what is due, which may be earlier than it was; on the event loop only."""
        self._decided.set()

    def evaluate_group(self, group: RuleGroup, at: datetime, *, is_slot: bool = True) -> None:
        """Evaluate `group` at `at` and save all that follows; on the alerting thread only.

        If it cannot be saved nothing has happened, and the next slot tries again. Between slots (`is_slot`
        false), `group` has only some of its rules.
        """
        begun = time.perf_counter()
        outcome = self._evaluating.evaluate(group, self.alerts, at)
        if self._witness is not None:
            self._witness.add_to(outcome, at)
        self.deciding.decide(at, outcome)
        if outcome.changes:
            self._duties.hasten()
        self._count_alerts(at)
        key, elapsed = group_key(group), timedelta(seconds=time.perf_counter() - begun)
        counted = {"rules": len(group.rules), "failures": outcome.failures}
        if is_slot:
            self._evaluated[key] = at
            self._metrics.evaluated(key, at=at, elapsed=elapsed, **counted)
        else:
            self._metrics.evaluated_between(key, **counted)
            self._rhythms[key].evaluated(elapsed)

    def flush(self, now: datetime) -> None:
        """Decide for the groups that are due at `now`; on the alerting thread only."""
        self.deciding.decide(now)

    def perform_duties(self, now: datetime) -> None:
        """Tell what is due on our own account at `now`; on the alerting thread only."""
        self._duties.perform(now)

    def late(self, now: datetime, intervals: int) -> list[str]:
        """Return the groups whose evaluation is late by more than `intervals`, one line each."""
        since, evaluated = self._began, self._evaluated
        return late_groups(self.groups, evaluated, since=since, now=now, intervals=intervals)

    def _end_series(self, previous: "Alerting", now: datetime) -> None:
        """End what rules and groups that are gone have written."""
        for rule in previous._rules.values():
            if rule.id not in self._rules:
                self._measuring.end(rule_source(rule), in_ms(now))
                self.health.pop(rule.id, None)
        keys = {group_key(group) for group in self.groups}
        for group in previous.groups:
            if group_key(group) not in keys:
                self._metrics.forget_group(group_key(group))
                self._evaluated.pop(group_key(group), None)

    def _count_alerts(self, at: datetime) -> None:
        everything = (alert for of_rule in self.alerts.values() for alert in of_rule)
        self._measuring.exposition.accept(alert_counts(everything, in_ms(at)))

    # When

    async def _evaluate_in_time(self, group: RuleGroup, thread: ThreadPoolExecutor) -> None:
        key = group_key(group)
        rhythm, at = self._rhythms[key], datetime.now(UTC)
        slot = next_slot(group, at)
        while True:
            at, part = await rhythm.due(slot, self.alerts, at)
            is_slot = part is group
            work = partial(self.evaluate_group, part, at, is_slot=is_slot)
            await self._on(thread, work, key)
            if not is_slot:
                continue
            now, following = datetime.now(UTC), at + group.interval
            if now - following > _MISSED_AFTER:
                # As Prometheus: what was missed is counted and not made up for.
                missed = (now - following) // group.interval + 1
                self._metrics.missed(key, missed)
                following += missed * group.interval
            slot = following

    async def _flush_when_due(self, thread: ThreadPoolExecutor) -> None:
        while True:
            self._decided.clear()
            now = datetime.now(UTC)
            if self._duties.are_due(now):
                await self._on(thread, lambda: self.perform_duties(datetime.now(UTC)), "duties")
            due = self.deciding.next_look(now)
            if due is not None and due <= now:
                await self._on(thread, lambda: self.flush(datetime.now(UTC)), "flush")
                continue
            pause = timedelta(seconds=1) if due is None else min(due - now, timedelta(seconds=1))
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._decided.wait()
            except TimeoutError:
                pass

    async def _on(self, thread: ThreadPoolExecutor, work: Callable[[], None], what: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(thread, work)
        except PgwatchError as error:
            self._count_unsaved(what, str(error))
            await asyncio.sleep(1)
            return
        self._decided.set()
        if failures := self._unsaved.pop(what, 0):
            logger.info("consequences are saved again", extra={"of": what, "failures": failures})

    def _count_unsaved(self, what: str, error: str) -> None:
        if not self._unsaved:
            logger.error("consequences cannot be saved", extra={"of": what, "error": error})
        self._unsaved[what] += 1
