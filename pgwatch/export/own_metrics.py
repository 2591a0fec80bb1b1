"""What pgwatch counts about itself.

What grows with the number of targets (`QueryMetrics`) is collected and exported like any other
series, so that rules can use it too. The short rest (`OwnMetrics`) is prometheus-client's, with the
process's own figures, and is rendered at each scrape.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text

from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

QUERY_METRICS = "pgwatch/queries"  # the query name of these series' source

_DURATION = Family(
    "pgwatch_query_duration_seconds",
    MetricType.GAUGE,
    "How long the last run took, from sending the query to its end",
)
_OUTCOMES = Family(
    "pgwatch_query_outcomes_total", MetricType.COUNTER, "Runs of the query by how they ended"
)
_LAST_SUCCESS = Family(
    "pgwatch_query_last_success_timestamp_seconds",
    MetricType.GAUGE,
    "When the last run that was answered began, in Unix time",
)
_DROPPED = Family(
    "pgwatch_series_dropped_total",
    MetricType.COUNTER,
    "Series that were left out of an answer, by reason",
)
_DATABASE_SECONDS = Family(
    "pgwatch_database_seconds_total",
    MetricType.COUNTER,
    "Time that our own queries kept the server busy",
)
_OVERRUNS = Family(
    "pgwatch_query_overruns_total",
    MetricType.COUNTER,
    "Times that the query was due while its previous run had not ended, and was skipped",
)
_FAMILIES = (_DATABASE_SECONDS, _DURATION, _LAST_SUCCESS, _OUTCOMES, _OVERRUNS, _DROPPED)

_Key = tuple[str, str, tuple[tuple[str, str], ...]]  # family, query, further labels


class QueryMetrics:
    """Counters of query and probe runs, a handful of series per (target, query, database).

    Memory is bounded by what is configured: outcomes and reasons are closed sets.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, dict[_Key, float]] = {}  # by target
        self._labels: dict[str, list[Labels]] = {}  # by target; kept while no series is added

    def observe(
        self,
        source: Source,
        *,
        outcome: str,
        time_ms: int,
        elapsed_seconds: float,
        answered: bool,
        dropped: Mapping[str, int] | None = None,
    ) -> None:
        """Count a run of `source` that began at `time_ms` and ended as `outcome`."""
        self._set(source, _DURATION, elapsed_seconds)
        self._add(source, _OUTCOMES, 1, outcome=outcome)
        if answered:
            self._set(source, _LAST_SUCCESS, time_ms / 1000)
        for reason, count in (dropped or {}).items():
            self._add(source, _DROPPED, count, reason=reason)

    def observe_database_time(self, source: Source, elapsed: timedelta) -> None:
        """Count time that a query of ours ran on the server, as the server or else we measured it."""
        self._add(source, _DATABASE_SECONDS, elapsed.total_seconds())

    def observe_overruns(self, source: Source, total: int) -> bool:
        """Set how often `source` was skipped since its worker began; returns whether that is new."""
        key = _key(source, _OVERRUNS, {})
        changed = self._numbers.get(source.target, {}).get(key) != total
        self._set(source, _OVERRUNS, total)
        return changed

    def collected(self, target: str, time_ms: int) -> Collected:
        """Return the series of `target` as an answer of the source `pgwatch/queries`."""
        numbers = self._numbers.get(target, {})
        labels = self._labels.get(target)
        if labels is None:
            # Sorted by family first, as series of a family must stand together.
            numbers = self._numbers[target] = dict(sorted(numbers.items()))
            labels = self._labels[target] = [
                Labels({METRIC_NAME: family, "target": target, "query": query, **dict(more)})
                for family, query, more in numbers
            ]
        return Collected(
            source=Source(target, QUERY_METRICS),
            time_ms=time_ms,
            families=_FAMILIES,
            labels=labels,
            values=list(numbers.values()),
        )

    def forget(self, source: Source) -> None:
        """Drop the numbers of a source that is gone, such as a database that was dropped."""
        gone = _key(source, _DURATION, {})[1:]
        numbers = self._numbers.get(source.target, {})
        for key in [key for key in numbers if _owner(key) == gone]:
            del numbers[key]
        self._labels.pop(source.target, None)

    def forget_target(self, target: str) -> None:
        """Drop the numbers of a target that is no longer watched."""
        self._numbers.pop(target, None)
        self._labels.pop(target, None)

    def _set(self, source: Source, family: Family, value: float, **more: str) -> None:
        numbers = self._numbers.setdefault(source.target, {})
        key = _key(source, family, more)
        if key not in numbers:
            self._labels.pop(source.target, None)
        numbers[key] = value

    def _add(self, source: Source, family: Family, value: float, **more: str) -> None:
        key = _key(source, family, more)
        before = self._numbers.get(source.target, {}).get(key, 0.0)
        self._set(source, family, before + value, **more)


def _key(source: Source, family: Family, more: Mapping[str, str]) -> _Key:
    if source.database:
        more = {**more, "datname": source.database}
    return family.name, source.query, tuple(sorted(more.items()))


def _owner(key: _Key) -> tuple[str, tuple[tuple[str, str], ...]]:
    _, query, more = key
    return query, tuple(pair for pair in more if pair[0] == "datname")


class OwnMetrics:
    """Counters of the program as a whole; each method is one event of the daemon.

    Names of rule evaluation are Prometheus's own, so that rules about them keep working.
    """

    def __init__(self, *, version: str) -> None:
        # Also for the collectors below: prometheus-client adds a `_created` series to each counter.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self.registry = registry = CollectorRegistry()
        prometheus_client.ProcessCollector(registry=registry)
        prometheus_client.PlatformCollector(registry=registry)
        prometheus_client.GCCollector(registry=registry)
        build = Gauge(
            "pgwatch_build_info", "The version of pgwatch; always 1", ["version"], registry=registry
        )
        build.labels(version).set(1)
        self._reloaded = Gauge(
            "pgwatch_config_last_reload_successful",
            "Whether the last reload of the configuration succeeded",
            registry=registry,
        )
        self._reloaded_at = Gauge(
            "pgwatch_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read, in Unix time",
            registry=registry,
        )
        self._define_rules(registry)
        self._define_notifications(registry)

    def _define_rules(self, registry: CollectorRegistry) -> None:
        group = ["rule_group"]
        self._evaluations = Counter(
            "prometheus_rule_evaluations_total", "Rule evaluations", group, registry=registry
        )
        self._evaluation_failures = Counter(
            "prometheus_rule_evaluation_failures_total",
            "Rule evaluations that failed",
            group,
            registry=registry,
        )
        self._group_duration = Gauge(
            "prometheus_rule_group_last_duration_seconds",
            "How long the last evaluation of the group took",
            group,
            registry=registry,
        )
        self._group_evaluated_at = Gauge(
            "prometheus_rule_group_last_evaluation_timestamp_seconds",
            "When the group was last evaluated, in Unix time",
            group,
            registry=registry,
        )
        self._group_missed = Counter(
            "prometheus_rule_group_iterations_missed_total",
            "Evaluations of the group that were skipped because one took too long",
            group,
            registry=registry,
        )

    def _define_notifications(self, registry: CollectorRegistry) -> None:
        self._outbox = Gauge(
            "pgwatch_outbox_messages",
            "Notifications that are decided and not yet delivered",
            registry=registry,
        )
        self._notifications = Counter(
            "pgwatch_notifications_total",
            "Notifications delivered, by channel and reason",
            ["channel", "reason"],
            registry=registry,
        )
        self._notification_failures = Counter(
            "pgwatch_notification_failures_total",
            "Attempts to deliver a notification that failed",
            ["channel"],
            registry=registry,
        )

    def watch(self, store: Store) -> None:
        """Tell the size of the history from now on, as it is at each scrape."""
        series = Gauge(
            "pgwatch_store_series",
            "Series with a sample in the recent history, those that ended included",
            registry=self.registry,
        )
        size = Gauge(
            "pgwatch_store_bytes",
            "Memory that the samples of the recent history take, without labels",
            registry=self.registry,
        )
        series.set_function(lambda: store.series_count)
        size.set_function(lambda: store.memory_bytes)

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """Note that the configuration was read, at start or again."""
        self._reloaded.set(successful)
        if successful:
            self._reloaded_at.set(at.timestamp())

    def evaluated(
        self, group: str, *, at: datetime, elapsed: timedelta, rules: int, failures: int
    ) -> None:
        """Count one evaluation of rule group `group` (`<file>;<name>`) with that many rules."""
        self.evaluated_between(group, rules=rules, failures=failures)
        self._group_missed.labels(group)
        self._group_duration.labels(group).set(elapsed.total_seconds())
        self._group_evaluated_at.labels(group).set(at.timestamp())

    def evaluated_between(self, group: str, *, rules: int, failures: int) -> None:
        """Count an evaluation of some rules of a group between its slots."""
        self._evaluations.labels(group).inc(rules)
        self._evaluation_failures.labels(group).inc(failures)

    def missed(self, group: str, count: int = 1) -> None:
        """Count evaluations of rule group `group` that were skipped."""
        self._group_missed.labels(group).inc(count)

    def forget_group(self, group: str) -> None:
        """Drop the series of a rule group that is no longer configured."""
        for metric in (
            self._evaluations,
            self._evaluation_failures,
            self._group_missed,
            self._group_duration,
            self._group_evaluated_at,
        ):
            metric.remove(group)

    def outbox(self, messages: int) -> None:
        """Set how many notifications wait in the outbox."""
        self._outbox.set(messages)

    def notified(self, channel: str, reason: str) -> None:
        """Count a notification that `channel` (its kind, such as `slack`) accepted."""
        self._notifications.labels(channel, reason).inc()

    def notification_failed(self, channel: str) -> None:
        """Count an attempt that `channel` refused or did not answer."""
        self._notification_failures.labels(channel).inc()

    def render(self, openmetrics: bool = False) -> bytes:
        """Return the text of these metrics: the tail of the page."""
        if openmetrics:
            return openmetrics_text(self.registry)  # type: ignore[no-any-return, no-untyped-call]
        return generate_latest(self.registry)
