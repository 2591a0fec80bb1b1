"""What pgwatch counts about itself, as a scrape shows it."""

from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from pgwatch.export.own_metrics import OwnMetrics, QueryMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACTIVITY = Source("db1", "core/activity")
TABLES = Source("db1", "core/tables", "app")


def numbers(body: bytes) -> dict[str, float]:
    """{`name{labels}`: value} of a page."""
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            inside = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{inside}}}"] = sample.value
    return found


def page_of(metrics: QueryMetrics, target: str = "db1") -> dict[str, float]:
    exposition = Exposition()
    exposition.accept(metrics.collected(target, 0))
    page = exposition.page(target)
    assert page is not None
    return numbers(page.body)


def observe(metrics: QueryMetrics, source: Source, outcome: str, **more: object) -> None:
    metrics.observe(
        source,
        outcome=outcome,
        answered=outcome == "answered",
        time_ms=5_000,
        elapsed_seconds=0.25,
        **more,  # type: ignore[arg-type]  # only `dropped`
    )


def test_runs_are_counted_by_how_they_ended() -> None:
    metrics = QueryMetrics()
    observe(metrics, ACTIVITY, "answered", dropped={"max_series": 3})
    observe(metrics, ACTIVITY, "answered", dropped={"max_series": 2})
    observe(metrics, ACTIVITY, "timed_out")
    observe(metrics, TABLES, "denied")
    metrics.observe_database_time(ACTIVITY, timedelta(milliseconds=1500))
    assert page_of(metrics) == {
        "pgwatch_database_seconds_total{query=core/activity,target=db1}": 1.5,
        "pgwatch_query_duration_seconds{query=core/activity,target=db1}": 0.25,
        "pgwatch_query_duration_seconds{datname=app,query=core/tables,target=db1}": 0.25,
        "pgwatch_query_last_success_timestamp_seconds{query=core/activity,target=db1}": 5.0,
        "pgwatch_query_outcomes_total{outcome=answered,query=core/activity,target=db1}": 2.0,
        "pgwatch_query_outcomes_total{outcome=timed_out,query=core/activity,target=db1}": 1.0,
        "pgwatch_query_outcomes_total{datname=app,outcome=denied,query=core/tables,target=db1}": 1.0,
        "pgwatch_series_dropped_total{query=core/activity,reason=max_series,target=db1}": 5.0,
    }


def test_labels_stay_the_same_object_while_no_series_is_added() -> None:
    metrics = QueryMetrics()
    observe(metrics, ACTIVITY, "answered")
    first = metrics.collected("db1", 0)
    observe(metrics, ACTIVITY, "answered")
    second = metrics.collected("db1", 1)
    assert second.labels is first.labels
    assert list(second.values) != list(first.values)
    observe(metrics, ACTIVITY, "failed")
    assert len(metrics.collected("db1", 2).labels) == len(first.labels) + 1


def test_gone_sources_and_targets_leave_nothing_behind() -> None:
    metrics = QueryMetrics()
    observe(metrics, TABLES, "answered")
    observe(metrics, Source("db1", "core/tables"), "failed")
    metrics.forget(TABLES)
    assert list(page_of(metrics)) == [
        "pgwatch_query_duration_seconds{query=core/tables,target=db1}",
        "pgwatch_query_outcomes_total{outcome=failed,query=core/tables,target=db1}",
    ]
    metrics.forget_target("db1")
    assert len(metrics.collected("db1", 0).labels) == 0


def test_events_of_the_daemon_are_counted() -> None:
    metrics = OwnMetrics(version="1.2.3")
    metrics.reloaded(successful=True, at=NOW)
    metrics.reloaded(successful=False, at=NOW + timedelta(hours=1))
    metrics.evaluated("a.yml;g", at=NOW, elapsed=timedelta(milliseconds=20), rules=7, failures=1)
    metrics.missed("a.yml;g")
    metrics.outbox(4)
    metrics.notified("slack", "first notification")
    metrics.notification_failed("slack")
    found = numbers(metrics.render())
    expected = {
        "pgwatch_build_info{version=1.2.3}": 1,
        "pgwatch_config_last_reload_successful{}": 0,
        "pgwatch_config_last_reload_success_timestamp_seconds{}": NOW.timestamp(),
        "prometheus_rule_evaluations_total{rule_group=a.yml;g}": 7,
        "prometheus_rule_evaluation_failures_total{rule_group=a.yml;g}": 1,
        "prometheus_rule_group_iterations_missed_total{rule_group=a.yml;g}": 1,
        "prometheus_rule_group_last_duration_seconds{rule_group=a.yml;g}": 0.02,
        "prometheus_rule_group_last_evaluation_timestamp_seconds{rule_group=a.yml;g}": NOW.timestamp(),
        "pgwatch_outbox_messages{}": 4,
        "pgwatch_notifications_total{channel=slack,reason=first notification}": 1,
        "pgwatch_notification_failures_total{channel=slack}": 1,
    }
    assert {name: found[name] for name in expected} == expected
    assert found["process_resident_memory_bytes{}"] > 0
    assert not [name for name in found if "_created" in name]


def test_removed_rule_group_is_off_the_page() -> None:
    metrics = OwnMetrics(version="1")
    metrics.missed("a.yml;g")
    metrics.forget_group("a.yml;g")
    assert b"a.yml;g" not in metrics.render()


def test_the_history_tells_its_size_at_each_scrape() -> None:
    own, store = OwnMetrics(version="1"), Store()
    own.watch(store)
    assert numbers(own.render())["pgwatch_store_series{}"] == 0
    for place, target in enumerate(("db1", "db2")):
        series = [Labels({"__name__": "m", "n": str(n), "target": target}) for n in range(100)]
        store.append(
            Collected(
                source=Source(target, "core/many"),
                time_ms=1000,
                families=(),
                labels=series,
                values=[1.0] * 100,
            )
        )
        found = numbers(own.render())
        assert found["pgwatch_store_series{}"] == 100 * (place + 1)
        assert found["pgwatch_store_bytes{}"] == store.memory_bytes >= 800 * (place + 1)
