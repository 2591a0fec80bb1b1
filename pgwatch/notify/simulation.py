"""What would have been told: stored or made-up samples through rules and routes, in no time.

Rules are evaluated as Prometheus does it; what has no newer sample is missing after the lookback. Nothing
fires or is known when it begins.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.lifecycle import ChangeKind, step
from pgwatch.alerts.outward import generator_url, outward
from pgwatch.alerts.series import AlertSeries
from pgwatch.notify.notification import Notification
from pgwatch.notify.playback import Playback
from pgwatch.notify.route import Routing
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.evaluate import NOWHERE, Evaluation, evaluate, record
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.store import Store

_MS = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Simulated:
    """What came of it."""

    told: list[Notification] = field(default_factory=list)  # in order
    fired: Counter[str] = field(default_factory=Counter)  # how often, by rule name
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # by rule name and error


class Simulation:
    """One run over `store`, which has all samples beforehand and gets what rules record."""

    def __init__(
        self,
        groups: Sequence[RuleGroup],
        routing: Routing,
        store: Store,
        surroundings: Surroundings = NOWHERE,
    ) -> None:
        """`surroundings` hold the labels that all alerts get, as the daemon's."""
        self._groups = groups
        self._store = store
        self._engine = Engine(store)
        self._surroundings = surroundings
        self._playback = Playback(routing)
        self._alerts: dict[str, tuple[Alert, ...]] = {}
        self._result = Simulated()

    def run(self, start: datetime, end: datetime) -> Simulated:
        """Evaluate each group at multiples of its interval from `start` to `end`; returns what was told."""
        due = dict.fromkeys(range(len(self._groups)), start)
        now = start
        while due and (at := min(due.values())) <= end:
            self._result.told += self._playback.run_until(at, now)
            now = at
            changed: dict[str, tuple[Alert, ...]] = {}
            for index, group in enumerate(self._groups):
                if due[index] == at:
                    changed |= self._evaluate(group, at)
                    due[index] = at + group.interval
            labels = self._surroundings.external_labels
            self._result.told += self._playback.step(at, alerts=outward(changed, labels))
        self._result.told += self._playback.run_until(end, now)
        return self._result

    def _evaluate(self, group: RuleGroup, at: datetime) -> Mapping[str, tuple[Alert, ...]]:
        changed: dict[str, tuple[Alert, ...]] = {}
        at_ms, offset_ms = (at - _EPOCH) // _MS, group.query_offset // _MS
        for rule in group.rules:
            if isinstance(rule, AlertingRule):
                changed[rule.id] = self._alert(rule, group, at, at_ms, offset_ms)
            elif isinstance(rule, RecordingRule):
                try:
                    recording = record(
                        rule, self._engine, at_ms, query_offset_ms=offset_ms, limit=group.limit
                    )
                except PromqlError as error:
                    self._failed(rule, error)
                else:
                    self._store.append(recording.collected)
        return changed

    def _alert(
        self, rule: AlertingRule, group: RuleGroup, at: datetime, at_ms: int, offset_ms: int
    ) -> tuple[Alert, ...]:
        evaluation: Evaluation | None = None
        try:
            evaluation = evaluate(
                rule,
                self._engine,
                at_ms,
                query_offset_ms=offset_ms,
                limit=group.limit,
                surroundings=self._surroundings,
            )
        except PromqlError as error:
            self._failed(rule, error)
        url = generator_url(self._surroundings.external_url, rule.query)
        after = step(rule, self._alerts.get(rule.id, ()), evaluation, now=at, generator_url=url)
        self._alerts[rule.id] = after.alerts
        self._result.fired[rule.name] += sum(
            change.kind is ChangeKind.FIRED for change in after.changes
        )
        self._store.append(AlertSeries(rule).at(after.alerts, at_ms - offset_ms))
        return after.alerts

    def _failed(self, rule: Rule, error: PromqlError) -> None:
        self._result.failures[rule.name, str(error)] += 1
