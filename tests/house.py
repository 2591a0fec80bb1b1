"""The halves of a daemon that measure and alert, over one state file, without processes and servers."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.collect.outcome import Answered, Outcome, QueryRun, Unreachable
from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.measuring import Measuring
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.notify.route import Routing, log_only
from pgwatch.promql.engine import Engine
from pgwatch.rules.load import parse_rules
from pgwatch.rules.rule import RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.state.store import State

START = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
DEBT = Source("db", "core/debt", "app")
GONE = Unreachable(reason="connection refused")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def rule(name: str, expr: str = "debt > 0", **more: str) -> dict[str, str]:
    return {"alert": name, "expr": expr, **more}


DEBT_RULE = rule("Debt")


def group(*rules: Mapping[str, object], name: str = "g") -> RuleGroup:
    file = {"groups": [{"name": name, "interval": "15s", "rules": list(rules)}]}
    return parse_rules(yaml.safe_dump(file), file="rules.yml")[0]


class House:
    """One state file and the daemon's halves over it; `begin` is a start or, with one running, a reload."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.state = State.open(self.path)
        self.measuring = Measuring(Store(), Exposition())
        self.metrics = OwnMetrics(version="1")
        self.watched: Callable[[Source], bool] = lambda source: source.target in ("db", "other")
        self.alerting: Alerting | None = None
        self.wakes = 0
        self.surroundings = Surroundings()

    def begin(self, *groups: RuleGroup, now: float = 0, routing: Routing | None = None) -> None:
        self.alerting = Alerting(
            groups=groups,
            routing=routing or log_only(),
            accepted=(),
            measuring=self.measuring,
            watches=self._watches,
            state=self.state,
            metrics=self.metrics,
            on_enqueued=self._wake,
            now=at(now),
            surroundings=self.surroundings,
            previous=self.alerting,
        )

    def restart(self, *groups: RuleGroup, now: float) -> None:
        """Begin again with nothing but the state file, as after `kill -9`."""
        self.state.close()
        self.state = State.open(self.path)
        self.measuring = Measuring(Store(), Exposition())
        self.alerting = None
        self.begin(*groups, now=now)

    def sees(
        self, seconds: float, value: float | None, source: Source = DEBT, *, missing: int = 0
    ) -> None:
        """The source answers with one series, or (None) with no row; `missing` more are cut off."""
        labels = Labels({METRIC_NAME: "debt", "target": source.target, "datname": source.database})
        series = [] if value is None else [(labels, value)]
        collected = Collected(
            source=source,
            time_ms=round(at(seconds).timestamp() * 1000),
            families=(Family("debt", MetricType.GAUGE, ""),),
            labels=[labels for labels, _ in series],
            values=[value for _, value in series],
            dropped={"max_series": missing} if missing else {},
        )
        outcome = Answered(columns=(), rows=(), elapsed=timedelta(0))
        self._take(source, outcome, seconds, collected)

    def fails(self, seconds: float, source: Source = DEBT, outcome: Outcome = GONE) -> None:
        self._take(source, outcome, seconds, None)

    def _take(
        self, source: Source, outcome: Outcome, seconds: float, collected: Collected | None
    ) -> None:
        self.measuring.take(
            QueryRun(
                source=source,
                outcome=outcome,
                collected=collected,
                time_ms=round(at(seconds).timestamp() * 1000),
                elapsed_seconds=0.0,
            )
        )

    def evaluate(self, seconds: float) -> None:
        """Evaluate every group, and flush what is due then."""
        assert self.alerting is not None
        for each in self.alerting.groups:
            self.alerting.evaluate_group(each, at(seconds))
        self.alerting.flush(at(seconds))

    @property
    def alerts(self) -> dict[str, Alert]:
        """The alerts that are not over, by name."""
        assert self.alerting is not None
        return {
            alert.labels["alertname"]: alert
            for of_rule in self.alerting.alerts.values()
            for alert in of_rule
            if alert.state is not AlertState.RESOLVED
        }

    def state_of(self, name: str = "Debt") -> AlertState | None:
        alert = self.alerts.get(name)
        return alert.state if alert else None

    @property
    def told(self) -> list[str]:
        """The reasons of everything that was enqueued, oldest first."""
        return [message.reason for message in reversed(self.state.messages())]

    def found(self, expression: str, seconds: float) -> list[float]:
        result = Engine(self.measuring.store).instant(
            expression, round(at(seconds).timestamp() * 1000)
        )
        return [value for _, value in result.vector]

    def _watches(self, source: Source) -> bool:
        return self.watched(source)

    def _wake(self) -> None:
        self.wakes += 1
