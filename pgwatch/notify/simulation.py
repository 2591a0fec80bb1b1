"""What would have been told: stored or made-up samples through rules and routes, in no time.

With the answers of a history, alerts are held as the daemon holds them; without, rules are evaluated as
Prometheus does it. Nothing fires or is known when it begins.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.lifecycle import ChangeKind, step
from pgwatch.alerts.outward import generator_url, outward
from pgwatch.alerts.series import AlertSeries
from pgwatch.notify.flap import DEFAULT_LIMITS, FlapLimits
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.notification import Notification
from pgwatch.notify.playback import Playback
from pgwatch.notify.route import Routing
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import NOWHERE, Evaluation, evaluate, record
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.rules.unanswered import Unanswered
from pgwatch.samples.sample import Source
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
        *,
        accepted: Sequence[Accepted] = (),
        limits: FlapLimits = DEFAULT_LIMITS,
        said: Interventions | None = None,
        stood: Callable[[Source, int], bool] = lambda _source, _at_ms: True,
    ) -> None:
        """`surroundings` hold the labels that all alerts get, as the daemon's; `said` holds all the time.

        `stood` says whether a source had an answer that stood at a time (Unix milliseconds).
        """
        self._groups = groups
        self._store = store
        self._engine = Engine(store)
        self._surroundings = surroundings
        self._playback = Playback(routing, limits=limits)
        self._playback.said = said or Interventions()
        self._accepted = tuple(accepted)
        rules = [rule for group in groups for rule in group.rules]
        self._unanswered = Unanswered(rules, answered=stood, watches=lambda _source: True)
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
                    self._unanswered.recorded(rule, recording.sources, at_ms - offset_ms)
                    self._store.append(recording.collected)
        return changed

    def _alert(
        self, rule: AlertingRule, group: RuleGroup, at: datetime, at_ms: int, offset_ms: int
    ) -> tuple[Alert, ...]:
        evaluation: Evaluation | None = None
        try:
            evaluation = self._without_accepted(
                rule,
                evaluate(
                    rule,
                    self._engine,
                    at_ms,
                    query_offset_ms=offset_ms,
                    limit=group.limit,
                    surroundings=self._surroundings,
                ),
                at,
            )
        except PromqlError as error:
            self._failed(rule, error)
        url = generator_url(self._surroundings.external_url, rule.query)
        previous = self._alerts.get(rule.id, ())
        fed = frozenset[Source]().union(*{alert.sources for alert in previous})
        silent = self._unanswered.among(fed, at_ms - offset_ms)
        after = step(rule, previous, evaluation, now=at, silent=silent, generator_url=url)
        self._unanswered.alerted(rule)
        self._alerts[rule.id] = after.alerts
        self._result.fired[rule.name] += sum(
            change.kind is ChangeKind.FIRED for change in after.changes
        )
        self._store.append(AlertSeries(rule).at(after.alerts, at_ms - offset_ms))
        return after.alerts

    def _without_accepted(
        self, rule: AlertingRule, evaluation: Evaluation, at: datetime
    ) -> Evaluation:
        found = evaluation.findings
        left = (one for one in found if not accepted_by(self._accepted, rule.name, one.labels, at))
        return replace(evaluation, findings=tuple(left))

    def _failed(self, rule: Rule, error: PromqlError) -> None:
        self._result.failures[rule.name, str(error)] += 1
        self._unanswered.failed(rule)
