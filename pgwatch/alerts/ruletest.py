"""Runs tests of rules as `promtool test rules` does, with our own engine.

Prometheus's plain semantics, not ours: nothing is held for want of data, and a rule that fails ends its test.
All groups are evaluated at every `evaluation_interval` from time 0; their own intervals do not matter.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.lifecycle import step
from pgwatch.alerts.series import AlertSeries
from pgwatch.alerts.testfile import (
    STALE,
    AlertTest,
    ExpectedAlert,
    ExprTest,
    InputSeries,
    RuleTest,
    RuleTestFile,
    load_tests,
)
from pgwatch.promql.engine import Engine, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.rules.evaluate import evaluate, record
from pgwatch.rules.load import load_rules
from pgwatch.rules.rule import AlertingRule, RecordingRule, RuleGroup
from pgwatch.rules.template import Surroundings
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.units import format_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = timedelta(days=365 * 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """How one test ended; it passed if it has no failures."""

    file: str
    name: str  # `test 3` where the file has none
    failures: tuple[str, ...]


def run_test_file(path: Path, *, only: re.Pattern[str] | None = None) -> tuple[TestResult, ...]:
    """Return the results of the tests in the file `path` whose names `only` finds.

    Raises InputError where the file or its rules cannot be used.
    """
    file = load_tests(path)
    groups = _ordered(load_rules(file.rule_files), file.group_eval_order)
    results = []
    for number, test in enumerate(file.tests, 1):
        name = test.name or f"test {number}"
        if only is None or only.search(name):
            failures = tuple(_Run(file, test, groups).failures())
            results.append(TestResult(file=file.file, name=name, failures=failures))
    return tuple(results)


def _ordered(groups: Sequence[RuleGroup], order: Sequence[str]) -> list[RuleGroup]:
    """Return `groups` with those that `order` names first, in its order."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(groups, key=lambda group: places.get(group.name, len(places)))


class _Run:
    """One test: a store of its own, and the alerts as time goes on."""

    def __init__(self, file: RuleTestFile, test: RuleTest, groups: Sequence[RuleGroup]) -> None:
        self._file = file
        self._test = test
        self._groups = groups
        self._store = Store(retention=_FOREVER)
        self._engine = Engine(self._store, interval=file.evaluation_interval)
        self._alerts: dict[str, tuple[Alert, ...]] = {}
        self._surroundings = Surroundings(
            external_url=test.external_url, external_labels=test.external_labels
        )

    def failures(self) -> Iterator[str]:
        """Run the test; each failure is a text for people."""
        for number, series in enumerate(self._test.series):
            fill(self._store, series, number, self._test.interval)
        interval = self._file.evaluation_interval
        times = [check.eval_time for check in self._test.alerts]
        times += [check.eval_time for check in self._test.exprs]
        last = max(times, default=timedelta(0))
        at = timedelta(0)
        while at <= last:
            try:
                self._evaluate(at)
            except PromqlError as error:
                yield f"time {format_duration(at)}: {error}"
                return
            for check in self._test.alerts:
                if at <= check.eval_time < at + interval:
                    yield from self._check_alerts(check)
            at += interval
        for expr_check in self._test.exprs:
            yield from self._check_expr(expr_check)

    def _evaluate(self, at: timedelta) -> None:
        now_ms = _milliseconds(at)
        for group in self._groups:
            offset = _milliseconds(group.query_offset)
            for rule in group.rules:
                try:
                    if isinstance(rule, RecordingRule):
                        recording = record(
                            rule, self._engine, now_ms, query_offset_ms=offset, limit=group.limit
                        )
                        self._store.append(recording.collected)
                    elif isinstance(rule, AlertingRule):
                        self._step(rule, group, at, offset)
                except PromqlError as error:
                    raise PromqlError(f"rule {rule.name}: {error}") from error

    def _step(self, rule: AlertingRule, group: RuleGroup, at: timedelta, offset: int) -> None:
        now_ms = _milliseconds(at)
        evaluation = evaluate(
            rule,
            self._engine,
            now_ms,
            query_offset_ms=offset,
            limit=group.limit,
            surroundings=self._surroundings,
        )
        after = step(rule, self._alerts.get(rule.id, ()), evaluation, now=_EPOCH + at)
        self._alerts[rule.id] = after.alerts
        self._store.append(AlertSeries(rule).at(after.alerts, now_ms - offset))

    def _check_alerts(self, check: AlertTest) -> Iterator[str]:
        firing = [
            ExpectedAlert(labels=alert.labels, annotations=dict(alert.annotations))
            for alerts in self._alerts.values()
            for alert in alerts
            if alert.state is AlertState.FIRING
            and alert.labels.label("alertname") == check.alertname
        ]
        wanted = sorted(map(_shown_alert, check.expected))
        got = sorted(map(_shown_alert, firing))
        if wanted != got:
            yield _difference(
                f"alertname {check.alertname}, time {format_duration(check.eval_time)}", wanted, got
            )

    def _check_expr(self, check: ExprTest) -> Iterator[str]:
        where = f"expr {check.expr}, time {format_duration(check.eval_time)}"
        try:
            result = self._engine.instant(check.expr, _milliseconds(check.eval_time))
        except PromqlError as error:
            yield f"{where}: {error}"
            return
        if result.kind not in (Kind.VECTOR, Kind.SCALAR):
            yield f"{where}: expected a vector or a scalar, got a {result.kind}"
            return
        wanted, got = sorted(check.expected, key=_order), sorted(result.vector, key=_order)
        same = len(wanted) == len(got) and all(
            one[0] == other[0] and self._equal(one[1], other[1])
            for one, other in zip(wanted, got, strict=True)
        )
        if not same:
            yield _difference(
                where, list(map(_shown_sample, wanted)), list(map(_shown_sample, got))
            )

    def _equal(self, one: float, other: float) -> bool:
        """Return whether promtool finds two values equal: NaN is equal to nothing."""
        return one == other or (
            self._file.fuzzy_compare
            and one in (math.nextafter(other, -math.inf), math.nextafter(other, math.inf))
        )


def fill(store: Store, series: InputSeries, number: int, interval: timedelta) -> None:
    """Put a series into the store; a source of its own lets it miss a value without being stale."""
    source = Source("", f"series {number}")
    families = (Family(series.labels.label(METRIC_NAME), MetricType.UNTYPED, ""),)
    labels = (series.labels,)
    for index, value in enumerate(series.values):
        time_ms = _milliseconds(interval * index)
        if value == STALE:
            store.mark_stale(source, time_ms)
        elif value is not None:
            collected = Collected(
                source=source,
                time_ms=time_ms,
                families=families,
                labels=labels,
                values=(float(value),),
            )
            store.append(collected)


def _order(element: tuple[Labels, float]) -> Labels:
    return element[0]


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _shown_alert(alert: ExpectedAlert) -> str:
    annotations = "".join(
        f"\n      {name}: {text}" for name, text in sorted(alert.annotations.items())
    )
    return f"{alert.labels!r}{annotations}"


def _shown_sample(sample: tuple[Labels, float]) -> str:
    return f"{sample[0]!r} {sample[1]!r}"


def _difference(where: str, wanted: Sequence[str], got: Sequence[str]) -> str:
    def listed(items: Sequence[str]) -> str:
        return "".join(f"\n    {item}" for item in items) or " nothing"

    return f"{where}:\n  expected:{listed(wanted)}\n  got:{listed(got)}"
