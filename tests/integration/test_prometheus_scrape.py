"""A real Prometheus scrapes a real page, evaluates the shipped rules and fills the shipped dashboard."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pgwatch.demo import database as roofing
from pgwatch.demo.server import free_port
from tests.daemon_process import DaemonProcess, until
from tests.integration.prometheus import Prometheus, running_prometheus
from tests.servers import ROOT, local_server, missing_peer

pytestmark = pytest.mark.peer

DASHBOARD = json.loads((ROOT / "grafana" / "pgwatch-overview.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """`pgwatch run` on the roofing application as its five migrations leave it: with damage."""
    settings = {
        "shared_preload_libraries": "pg_stat_statements",
        "track_commit_timestamp": "on",
    }
    with local_server(18, settings) as server:
        roofing.create_database(server.dsn())
        dsn = server.dsn(roofing.NAME)
        roofing.build(dsn)
        roofing.apply_migrations(dsn, lambda _: None)
        application = free_port()  # nothing listens there, so the probe fails
        configuration: dict[str, Any] = {
            "targets": [
                {
                    "name": "roofing",
                    "dsn": dsn,
                    "labels": {"env": "test"},
                    "host": {"source": "local"},
                }
            ],
            "http_probes": [
                {
                    "name": "health",
                    "url": f"http://127.0.0.1:{application}/",
                    "interval": "1s",
                    "timeout": "500ms",
                }
            ],
        }
        with DaemonProcess(tmp_path_factory.mktemp("daemon"), **configuration) as daemon:
            yield daemon.wait_until_ready()


@pytest.fixture(scope="module")
def prometheus(
    daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    address = daemon.url.removeprefix("http://")
    config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{ROOT}/alerts/*.yml"]
scrape_configs:
  - job_name: pgwatch
    static_configs: [{{targets: ["{address}"]}}]
  - job_name: discovered
    http_sd_configs: [{{url: "{daemon.url}/sd"}}]
"""
    with running_prometheus(config, tmp_path_factory.mktemp("prometheus")) as prometheus:
        prometheus.wait_for('count_over_time(up{job="pgwatch"}[1m]) > 6')
        yield prometheus


def test_every_sample_of_the_page_is_taken(prometheus: Prometheus) -> None:
    assert [row["value"][1] for row in prometheus.query('up{job="pgwatch"}')] == ["1"]
    (scraped,) = prometheus.query('scrape_samples_scraped{job="pgwatch"}')
    assert int(scraped["value"][1]) > 500
    log = prometheus.log.read_text()
    assert "level=warn" not in log
    assert "level=error" not in log


def test_the_page_that_prometheus_asks_for_is_sound_openmetrics(daemon: DaemonProcess) -> None:
    headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    answer = requests.get(f"{daemon.url}/metrics", headers=headers, timeout=10)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = list(text_string_to_metric_families(answer.text))  # type: ignore[no-untyped-call]
    types = {family.name: family.type for family in families}
    assert types["pg_up"] == "gauge"
    assert types["pgwatch_query_outcomes"] == "counter"
    assert types["pg_stat_database_xact_commit"] == "unknown"  # inherited, without `_total`


def test_prometheus_takes_openmetrics(prometheus: Prometheus) -> None:
    url = f"{prometheus.url}/api/v1/targets/metadata"
    query = {"metric": "pg_stat_database_xact_commit", "match_target": '{job="pgwatch"}'}
    (found,) = requests.get(url, params=query, timeout=10).json()["data"]
    assert found["type"] == "unknown"  # it is a counter in the text format


def test_series_keep_target_and_labels(prometheus: Prometheus) -> None:
    (up,) = prometheus.query('pg_up{job="pgwatch"}')
    assert up["value"][1] == "1"
    assert up["metric"]["target"] == "roofing"
    assert up["metric"]["env"] == "test"
    assert prometheus.query('count({exported_target!=""})') == []


def test_service_discovery_leads_to_a_page_for_each_target(prometheus: Prometheus) -> None:
    rows = prometheus.wait_for('count by (target) ({job="discovered", target!=""})')
    assert {row["metric"]["target"] for row in rows} == {"roofing", "health"}
    assert {row["value"][1] for row in prometheus.query('up{job="discovered"}')} == {"1"}


def test_shipped_rules_evaluate_and_find_what_the_migrations_left(prometheus: Prometheus) -> None:
    for alert in ("PostgresConstraintNotValidated", "PostgresInvalidIndex"):
        prometheus.wait_for(f'ALERTS{{alertname="{alert}", alertstate="firing", job="pgwatch"}}')
    answer = requests.get(f"{prometheus.url}/api/v1/rules", timeout=10).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert len(rules) > 25
    assert {(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"} == set()


def fill_in(expr: str) -> str:
    """What Grafana puts in the place of its variables, with All chosen."""
    return expr.replace("$target", ".*").replace("$__rate_interval", "10s")


@pytest.mark.parametrize(("title", "expr"), EXPRESSIONS)
def test_every_panel_has_data(prometheus: Prometheus, title: str, expr: str) -> None:
    rows = prometheus.wait_for(fill_in(expr), seconds=10)
    assert all(row["value"][1] != "NaN" for row in rows)


def asked(daemon: DaemonProcess, expr: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{daemon.url}/api/v1/query", params={"query": fill_in(expr)}, timeout=10)
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


# What is sent is told by the page of pgwatch itself only: no number is right there, and 0 a lie.
OF_ITSELF = "Notifications"


def test_panels_do_not_lie_without_a_prometheus(daemon: DaemonProcess) -> None:
    until(lambda: asked(daemon, 'ALERTS{alertstate="firing"}'), "something fires", log=daemon)
    shown = {title: asked(daemon, expr) for title, expr in EXPRESSIONS}
    assert shown[OF_ITSELF] == []
    assert int(shown["Alerts firing"][0]["value"][1]) > 0
    assert len(shown["Alerts"]) > 0


def test_dashboard_is_what_grafana_expects() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert panel["description"] or panel["title"] == "Database size"
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == [
        "datasource",
        "target",
    ]
    assert _overlaps([panel["gridPos"] for panel in DASHBOARD["panels"]]) == []


def _overlaps(positions: list[dict[str, int]]) -> list[tuple[int, int]]:
    taken: set[tuple[int, int]] = set()
    twice = []
    for position in positions:
        for x in range(position["x"], position["x"] + position["w"]):
            for y in range(position["y"], position["y"] + position["h"]):
                assert x < 24
                if (x, y) in taken:
                    twice.append((x, y))
                taken.add((x, y))
    return twice


# Names that existing dashboards and rules rely on: postgres_exporter's and node_exporter's.
INHERITED = {
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "pg_locks_count",
    "pg_stat_activity_count",
    "pg_stat_archiver_archived_count",
    "pg_stat_archiver_failed_count",
    "pg_stat_database_blk_read_time",
    "pg_stat_database_blk_write_time",
    "pg_stat_database_blks_hit",
    "pg_stat_database_blks_read",
    "pg_stat_database_conflicts",
    "pg_stat_database_deadlocks",
    "pg_stat_database_stats_reset",
    "pg_stat_database_temp_bytes",
    "pg_stat_database_temp_files",
    "pg_stat_database_tup_deleted",
    "pg_stat_database_tup_fetched",
    "pg_stat_database_tup_inserted",
    "pg_stat_database_tup_returned",
    "pg_stat_database_tup_updated",
    "pg_stat_database_xact_commit",
    "pg_stat_database_xact_rollback",
    "pg_stat_user_tables_analyze_count",
    "pg_stat_user_tables_autoanalyze_count",
    "pg_stat_user_tables_autovacuum_count",
    "pg_stat_user_tables_idx_scan",
    "pg_stat_user_tables_idx_tup_fetch",
    "pg_stat_user_tables_n_tup_del",
    "pg_stat_user_tables_n_tup_hot_upd",
    "pg_stat_user_tables_n_tup_ins",
    "pg_stat_user_tables_n_tup_upd",
    "pg_stat_user_tables_seq_scan",
    "pg_stat_user_tables_seq_tup_read",
    "pg_stat_user_tables_vacuum_count",
    "pg_statio_user_tables_heap_blocks_hit",
    "pg_statio_user_tables_heap_blocks_read",
    "pg_statio_user_tables_idx_blocks_hit",
    "pg_statio_user_tables_idx_blocks_read",
    "pg_statio_user_tables_tidx_blocks_hit",
    "pg_statio_user_tables_tidx_blocks_read",
    "pg_statio_user_tables_toast_blocks_hit",
    "pg_statio_user_tables_toast_blocks_read",
}
SUFFIX = re.compile(r"\"_(total|count)\" suffix$")


def test_promtool_finds_only_the_suffixes_of_inherited_names(daemon: DaemonProcess) -> None:
    if (program := shutil.which("promtool")) is None:
        missing_peer("promtool")
    page = requests.get(f"{daemon.url}/metrics", timeout=10).text
    checked = subprocess.run(
        [program, "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    lints = (checked.stdout + checked.stderr).splitlines()
    assert len(lints) > 10
    unexpected = [
        lint
        for lint in lints
        if lint.split(" ", 1)[0] not in INHERITED
        or not (SUFFIX.search(lint) or "'snake_case'" in lint)
    ]
    assert unexpected == []
