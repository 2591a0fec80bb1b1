"""What the pack of the roofing application sees: nothing in a healthy database, each fault by name."""

from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo.database import apply_migrations, build
from pgwatch.demo.server import LocalServer
from tests.conftest import create_database, drop_database
from tests.packs import CATALOG, Connection, collect, connect, found
from tests.roofing_tables import TABLES

_STATUS_TABLE = "public.materialized_view_status"  # no migration creates that table


@pytest.fixture(scope="module")
def application(server: LocalServer) -> Iterator[Connection]:
    """A session in a database with the application's tables, all well."""
    name = create_database(server)
    with psycopg.connect(server.dsn(name), autocommit=True) as connection:
        connection.execute(TABLES.encode())
        yield connection
    drop_database(server, name)


@pytest.fixture
def roofing(application: Connection) -> Iterator[Connection]:
    """The same in a transaction, so that a fault is gone after the test."""
    with application.transaction(force_rollback=True):
        yield application


_QUIET = (
    ("app/roofing/constraint_violations", "roofing_constraint_violations_unresolved"),
    ("app/roofing/progression_failures", "roofing_workflow_progression_failed"),
    ("app/roofing/progression_failures", "roofing_phase_advancement_failed"),
    ("app/roofing/phase_backward", "roofing_phase_backward_attempts_recent"),
    ("app/roofing/step_failures", "roofing_workflow_step_failed"),
    ("app/roofing/tracker_consistency", "roofing_tracker_inconsistent"),
    ("app/roofing/maintenance", "roofing_maintenance_failed_recent"),
)


@pytest.mark.parametrize(("query", "metric"), _QUIET, ids=[metric for _, metric in _QUIET])
def test_a_healthy_application_has_no_findings(
    roofing: Connection, query: str, metric: str
) -> None:
    assert found(collect(roofing, query), metric) == {}


_AUDIT = "INSERT INTO workflow_audit_log (entity_type, entity_id, action, project_id) VALUES "
_FAULTS = [
    pytest.param(
        "INSERT INTO constraint_violations (table_name, constraint_name, violation_type, resolved)"
        " VALUES ('users', 'chk_email', 'CHECK', false), ('users', 'chk_email', 'CHECK', NULL),"
        " ('users', 'chk_phone', 'CHECK', true)",
        "constraint_violations",
        "roofing_constraint_violations_unresolved",
        ("table_name", "constraint_name", "violation_type"),
        {("users", "chk_email", "CHECK"): 2},
        id="unresolved violation",
    ),
    pytest.param(
        _AUDIT + "('PROJECT', 'p1', 'progression_failed', 'p1')",
        "progression_failures",
        "roofing_workflow_progression_failed",
        ("entity_type", "action"),
        {("PROJECT", "progression_failed"): 1},
        id="failed progression",
    ),
    pytest.param(
        _AUDIT + "('PROJECT', 'p1', 'phase_advancement_failed', 'p1')",
        "progression_failures",
        "roofing_phase_advancement_failed",
        ("entity_type", "action"),
        {("PROJECT", "phase_advancement_failed"): 1},
        id="failed phase advancement",
    ),
    pytest.param(
        _AUDIT + "('PROJECT', 'p1', 'backward_progression_attempted', 'p1')",
        "phase_backward",
        "roofing_phase_backward_attempts_recent",
        ("project_id",),
        {("p1",): 1},
        id="phase moved backwards",
    ),
    pytest.param(
        _AUDIT + "('WORKFLOW_STEP', 'st2', 'completion_failed', 'p1')",
        "step_failures",
        "roofing_workflow_step_failed",
        ("problem",),
        {("completion_failed",): 1},
        id="failed step completion",
    ),
    pytest.param(
        "UPDATE workflow_steps SET is_completed = true WHERE id = 'st2'",
        "step_failures",
        "roofing_workflow_step_failed",
        ("problem",),
        {("completed_without_state",): 1},
        id="step completed without its state",
    ),
    pytest.param(
        "UPDATE workflow_steps SET state = 'COMPLETED' WHERE id = 'st2'",
        "step_failures",
        "roofing_workflow_step_failed",
        ("problem",),
        {("state_without_completed",): 1},
        id="state completed without the step",
    ),
    pytest.param(
        "UPDATE workflow_steps SET completed_at = NULL WHERE id = 'st1'",
        "step_failures",
        "roofing_workflow_step_failed",
        ("problem",),
        {("completed_without_time",): 1},
        id="step completed at no time",
    ),
    pytest.param(
        "UPDATE project_workflow_trackers SET current_line_item_id = 'i2'",
        "tracker_consistency",
        "roofing_tracker_inconsistent",
        ("project_id", "problem"),
        {("p1", "line_item_not_in_section"): 1},
        id="line item of another section",
    ),
    pytest.param(
        "UPDATE project_workflow_trackers SET current_phase_id = 'ph2', current_line_item_id = NULL",
        "tracker_consistency",
        "roofing_tracker_inconsistent",
        ("project_id", "problem"),
        {("p1", "section_not_in_phase"): 1, ("p1", "no_line_item"): 1},
        id="section of another phase, no line item",
    ),
    pytest.param(
        "DELETE FROM project_workflow_trackers",
        "tracker_consistency",
        "roofing_tracker_inconsistent",
        ("project_id", "problem"),
        {("p1", "no_tracker"): 1},
        id="no tracker",
    ),
    pytest.param(
        "UPDATE project_workflows SET overall_progress = 90",
        "tracker_consistency",
        "roofing_tracker_inconsistent",
        ("project_id", "problem"),
        {("p1", "progress_differs"): 1},
        id="wrong progress",
    ),
    pytest.param(
        "INSERT INTO maintenance_log (maintenance_type, target_name, status, created_at) VALUES"
        " ('REFRESH', 'dashboard', 'SUCCESS', now() - interval '3 hours'),"
        " ('REFRESH', 'dashboard', 'FAILED', now() - interval '2 hours'),"
        " ('REFRESH', 'metrics', 'FAILED', now() - interval '2 hours'),"
        " ('REFRESH', 'metrics', 'SUCCESS', now() - interval '1 hour'),"
        " ('REFRESH', 'old', 'FAILED', now() - interval '2 days')",
        "maintenance",
        "roofing_maintenance_failed_recent",
        ("maintenance_type", "target_name"),
        {("REFRESH", "dashboard"): 1},
        id="failed maintenance",
    ),
]


@pytest.mark.parametrize(("fault", "query", "metric", "labels", "expected"), _FAULTS)
def test_a_fault_of_the_application(
    roofing: Connection,
    fault: str,
    query: str,
    metric: str,
    labels: tuple[str, ...],
    expected: dict[tuple[str, ...], float],
) -> None:
    roofing.execute(fault.encode())
    assert found(collect(roofing, f"app/roofing/{query}"), metric, *labels) == expected


def test_failures_of_the_last_hour_only(roofing: Connection) -> None:
    roofing.execute(
        "INSERT INTO workflow_audit_log (created_at, entity_type, entity_id, action, project_id)"
        " VALUES (now() - interval '61 minutes', 'PROJECT', 'p1', 'progression_failed', 'p1')"
    )
    answer = collect(roofing, "app/roofing/progression_failures")
    assert found(answer, "roofing_workflow_progression_failed") == {}


def test_an_archived_project_is_not_looked_at(roofing: Connection) -> None:
    roofing.execute("UPDATE projects SET archived = true")
    roofing.execute("DELETE FROM project_workflow_trackers")
    answer = collect(roofing, "app/roofing/tracker_consistency")
    assert found(answer, "roofing_tracker_inconsistent") == {}
    assert (
        found(collect(roofing, "app/roofing/stale_workflows"), "roofing_workflow_stale_seconds")
        == {}
    )


def test_how_long_a_project_has_stood_still(roofing: Connection) -> None:
    answer = collect(roofing, "app/roofing/stale_workflows")
    stale = found(answer, "roofing_workflow_stale_seconds", "project_id")
    assert stale == {("p1",): pytest.approx(7200, abs=60)}


def test_the_guide_s_own_views(roofing: Connection) -> None:
    usage = found(
        collect(roofing, "app/roofing/index_usage_stats"), "roofing_indexes_by_usage", "usage_level"
    )
    assert usage["UNUSED",] > 0
    sizes = found(collect(roofing, "app/roofing/table_size_stats"), "roofing_table_total_bytes")
    assert sizes[()] > 0
    states = found(collect(roofing, "app/roofing/connection_stats"), "roofing_connections", "state")
    assert states["active",] >= 1
    refreshed = found(
        collect(roofing, "app/roofing/materialized_view_status"),
        "roofing_matview_last_refresh_timestamp_seconds",
        "view_name",
    )
    assert set(refreshed) == {("dashboard",)}


def test_the_pack_runs_on_the_demo_after_its_migrations(server: LocalServer) -> None:
    name = create_database(server)
    try:
        build(server.dsn(name))
        apply_migrations(server.dsn(name), lambda _: None)
        with connect(server.dsn(name)) as watcher:
            for query in CATALOG.queries.values():
                if query.pack == "app/roofing" and _STATUS_TABLE not in query.requires.relations:
                    assert collect(watcher, query).notes == ()
            schema = collect(watcher, "core/invalid_indexes")
            assert found(schema, "pg_index_invalid", "indexrelname") != {}
    finally:
        drop_database(server, name)
