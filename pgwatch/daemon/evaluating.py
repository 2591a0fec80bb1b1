"""Evaluates the rules of a group at one time: what is recorded, and what alerts become."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pgwatch.alerts.alert import Alert
from pgwatch.alerts.lifecycle import Change, ChangeKind, Step, step
from pgwatch.alerts.outward import generator_url
from pgwatch.alerts.series import AlertSeries
from pgwatch.daemon.measuring import Measuring
from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.accepted import Accepted, accepted_by
from pgwatch.rules.evaluate import Evaluation, evaluate, record
from pgwatch.rules.recovery import values_now
from pgwatch.rules.rule import AlertingRule, RecordingRule, Rule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.rules.unanswered import Unanswered
from pgwatch.samples.sample import Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleHealth:
    """How the newest evaluation of a rule went."""

    error: str = ""
    at: datetime | None = None
    elapsed: timedelta = timedelta(0)


@dataclass(slots=True)
class Outcome:
    """What one evaluation of a group changes."""

    alerts: dict[str, tuple[Alert, ...]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    failures: int = 0


class Evaluating:
    """Evaluates under one configuration; on the alerting thread only."""

    def __init__(
        self,
        *,
        measuring: Measuring,
        accepted: Sequence[Accepted],
        unanswered: Unanswered,
        surroundings: Surroundings,
        health: dict[str, RuleHealth],
    ) -> None:
        """`health` is by rule, and kept up to date."""
        self._measuring = measuring
        self._engine = Engine(measuring.store)
        self._accepted = tuple(accepted)
        self._unanswered = unanswered
        self._surroundings = surroundings
        self._health = health
        self._series: dict[str, AlertSeries] = {}  # by rule

    def evaluate(
        self, group: RuleGroup, alerts: Mapping[str, tuple[Alert, ...]], at: datetime
    ) -> Outcome:
        """Return what the rules of `group` find `at` a time; `alerts` are those before, by rule."""
        outcome = Outcome()
        for rule in group.rules:
            error, begun = "", time.perf_counter()
            try:
                if isinstance(rule, RecordingRule):
                    self._record(rule, group, at)
                elif isinstance(rule, AlertingRule):
                    error = self._alert(rule, group, alerts.get(rule.id, ()), at, outcome)
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
            self._health[rule.id] = RuleHealth(error=error, at=at, elapsed=elapsed)
        return outcome

    def _record(self, rule: RecordingRule, group: RuleGroup, at: datetime) -> None:
        recording = record(
            rule,
            self._engine,
            in_ms(at),
            query_offset_ms=_span_ms(group.query_offset),
            limit=group.limit,
        )
        self._unanswered.recorded(rule, recording.sources, in_ms(at - group.query_offset))
        self._measuring.append(recording.collected)

    def _alert(
        self,
        rule: AlertingRule,
        group: RuleGroup,
        previous: Sequence[Alert],
        at: datetime,
        outcome: Outcome,
    ) -> str:
        """Step the alerts of `rule`; returns the error of its evaluation."""
        evaluation, error = None, ""
        fed = frozenset[Source]().union(*{alert.sources for alert in previous})
        looked_at_ms = in_ms(at - group.query_offset)
        # Before and after: what came or went meanwhile may not have been in the evaluation.
        silent = self._unanswered.among(fed, looked_at_ms)
        try:
            evaluation = self._without_accepted(
                rule,
                evaluate(
                    rule,
                    self._engine,
                    in_ms(at),
                    query_offset_ms=_span_ms(group.query_offset),
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
        after = self._with_recovery(rule, after, looked_at_ms)
        outcome.alerts[rule.id] = after.alerts
        outcome.changes += after.changes
        # For our own rules and queries only: on /metrics it would collide with the ALERTS of a
        # Prometheus that has loaded the same rules.
        series = self._series.setdefault(rule.id, AlertSeries(rule))
        self._measuring.append(series.at(after.alerts, looked_at_ms))
        self._unanswered.alerted(rule)
        return error

    def _with_recovery(self, rule: AlertingRule, after: Step, at_ms: int) -> Step:
        """Return `after` with the values that the alerts which just ended have now."""
        ended = {c.alert.labels for c in after.changes if c.kind is ChangeKind.RESOLVED}
        if not ended:
            return after
        values = values_now(rule, self._engine, at_ms)

        def told(alert: Alert) -> Alert:
            value = values.get(alert.labels) if alert.labels in ended else None
            return alert if value is None else replace(alert, value_at_recovery=value)

        alerts = tuple(told(alert) for alert in after.alerts)
        by_labels = {alert.labels: alert for alert in alerts if alert.labels in ended}
        return Step(
            alerts=alerts,
            changes=tuple(
                replace(c, alert=by_labels.get(c.alert.labels, c.alert)) for c in after.changes
            ),
        )

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
        before = self._health.get(rule.id)
        if before is None or before.error != error:
            logger.warning("rule cannot be evaluated", extra={"rule": rule.name, "error": error})


def in_ms(at: datetime) -> int:
    """Return `at` as Unix milliseconds."""
    return round(at.timestamp() * 1000)


def _span_ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
