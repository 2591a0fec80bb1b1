"""The roofing database is built, damaged by its migrations as the guide applies them, and cured."""

from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo import database as roofing
from pgwatch.demo.database import Failure
from pgwatch.demo.server import LocalServer
from pgwatch.errors import PgwatchError
from tests.conftest import create_database, drop_database
from tests.servers import local_server

EXPECTED = [  # migration, SQLSTATE, part of the message
    ("phase_tracking_standardization", "42701", 'column "is_current"'),
    ("data_type_standardization", "0A000", "used by a view or rule"),
    ("data_type_standardization", "23514", '"chk_users_email_format"'),
    ("data_type_standardization", "23514", '"chk_projects_budget_positive"'),
    ("constraints_and_validations", "42704", '"chk_projects_budget_positive"'),
    ("constraints_and_validations", "42704", '"trigger_validate_dependencies"'),
    ("performance_optimization", "23505", '"idx_user_devices_token"'),
    ("performance_optimization", "0A000", "CONCURRENTLY"),
    ("performance_optimization", "42703", '"total_time"'),
    ("performance_optimization", "42P01", '"query_performance_stats"'),
]

# Each names what the damage leaves in the catalogue; nothing is right.
DAMAGE = {
    "not validated": "SELECT conname FROM pg_constraint WHERE NOT convalidated",
    "invalid index": "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid",
    "disabled trigger": "SELECT tgname FROM pg_trigger WHERE tgenabled = 'D'",
    "not populated": "SELECT matviewname FROM pg_matviews WHERE NOT ispopulated",
    "missing check": """SELECT 'chk_projects_budget_positive' WHERE NOT EXISTS
        (SELECT 1 FROM pg_constraint WHERE conname = 'chk_projects_budget_positive')""",
    "missing view": """SELECT 'query_performance_stats'
        WHERE to_regclass('query_performance_stats') IS NULL""",
    "wrong type": """SELECT attname FROM pg_attribute WHERE attrelid = 'workflow_steps'::regclass
        AND attname = 'step_name' AND format_type(atttypid, atttypmod) <> 'character varying(255)'""",
}
DAMAGED = {
    "not validated": ["chk_users_email_format"],
    "invalid index": ["idx_user_devices_token"],
    "disabled trigger": ["trigger_validate_step_dependencies"],
    "not populated": ["workflow_performance_metrics"],
    "missing check": ["chk_projects_budget_positive"],
    "missing view": ["query_performance_stats"],
    "wrong type": ["step_name"],
}


def damage(dsn: str) -> dict[str, list[str]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {
            name: [row[0] for row in connection.execute(query)] for name, query in DAMAGE.items()
        }


def count(dsn: str, query: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def migrated(any_database: str) -> tuple[str, list[Failure], list[str]]:
    said: list[str] = []
    roofing.build(any_database)
    failures = roofing.apply_migrations(any_database, said.append)
    return any_database, failures, said


def test_exactly_the_known_statements_fail(
    migrated: tuple[str, list[Failure], list[str]],
) -> None:
    _, failures, said = migrated
    assert len(failures) == len(EXPECTED), failures
    for failure, (migration, sqlstate, message) in zip(failures, EXPECTED, strict=True):
        assert failure.file == f"20250812_{migration}/migration.sql"
        assert failure.sqlstate == sqlstate
        assert message in failure.message
    first = failures[0]
    place = said.index(f"psql:{first.file}:{first.line}: ERROR:  {first.message}")
    assert said[place - 1 : place + 2 : 2] == ["CREATE INDEX", "CREATE FUNCTION"]
    assert not any("LOCATION:" in line for line in said)


def test_line_of_a_failure_is_where_its_statement_ends(
    migrated: tuple[str, list[Failure], list[str]],
) -> None:
    _, failures, _ = migrated
    for failure in failures:
        lines = (roofing.SQL / "migrations" / failure.file).read_text().splitlines()
        assert lines[failure.line - 1].endswith(";")


def test_damage_is_in_the_catalogue_and_the_cure_removes_it(
    migrated: tuple[str, list[Failure], list[str]],
) -> None:
    dsn = migrated[0]
    assert damage(dsn) == DAMAGED
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("SELECT refresh_all_materialized_views()").fetchone() == (2,)
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("UPDATE calendar_events SET title = title")
    roofing.fix_damage(dsn)
    assert damage(dsn) == {name: [] for name in DAMAGE}
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("SELECT refresh_all_materialized_views()").fetchone() == (3,)
        assert connection.execute("UPDATE calendar_events SET title = title").rowcount == 180
        connection.execute("SELECT * FROM query_performance_stats").fetchall()


def test_every_view_and_function_of_the_migrations_works(
    migrated: tuple[str, list[Failure], list[str]],
) -> None:
    dsn = migrated[0]
    roofing.fix_damage(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        views = connection.execute(
            "SELECT viewname FROM pg_views WHERE schemaname = 'public'"
            " UNION ALL SELECT matviewname FROM pg_matviews ORDER BY 1"
        ).fetchall()
        for (view,) in views:
            connection.execute(f"SELECT * FROM {view}").fetchall()
        for call, expected in {
            "get_project_phase('prj_0004')": "APPROVED",
            "progress_to_next_workflow_step('prj_0003', 'usr_001')": True,
            "advance_to_next_phase('prj_0004', 'usr_001')": True,
            "advance_to_next_phase('prj_0010', 'usr_001')": False,
            "run_daily_maintenance()": 3,
            "(SELECT count(*) FROM get_phase_statistics())": 6,
            "(SELECT status FROM get_project_status_optimized('prj_0011'))": "PENDING",
            "log_slow_query('SELECT 1', 1200) > 0": True,
        }.items():
            assert connection.execute(f"SELECT {call}").fetchone() == (expected,), call
        with pytest.raises(psycopg.errors.RestrictViolation):
            connection.execute("UPDATE projects SET phase = 'LEAD' WHERE id = 'prj_0004'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "INSERT INTO task_dependencies VALUES ('x', 'tsk_0001_1', 'tsk_0001_3')"
            )


def test_seeded_rows_are_consistent_and_the_same_each_time(database: str) -> None:
    roofing.build(database)
    roofing.apply_migrations(database, lambda _: None)
    tables = count(
        database,
        """SELECT count(*) FROM pg_tables WHERE schemaname = 'public'
        AND tablename IN ('users', 'user_devices', 'project_phase_overrides', '_prisma_migrations')""",
    )
    assert tables == 4
    assert count(database, "SELECT count(*) FROM workflow_steps") == 1800
    assert count(database, "SELECT count(*) FROM users WHERE NOT is_valid_email(email)") == 3
    assert count(database, "SELECT count(*) FROM constraint_violations") == 0
    assert (
        count(
            database,
            """SELECT count(*) FROM project_workflows AS w WHERE overall_progress <>
            (SELECT 100.0 * count(*) FILTER (WHERE is_completed) / count(*)
             FROM workflow_steps AS s WHERE s.workflow_id = w.id)""",
        )
        == 0
    )
    assert (
        count(
            database,
            """SELECT count(*) FROM project_workflow_trackers AS t
            JOIN workflow_line_items AS i ON i.id = t.current_line_item_id
            JOIN workflow_sections AS s ON s.id = i.section_id
            WHERE s.id = t.current_section_id AND s.phase_id = t.current_phase_id""",
        )
        == 180
    )


@pytest.fixture
def demo_server() -> Iterator[LocalServer]:
    with local_server(settings=roofing.SERVER_SETTINGS) as server:
        yield server


def test_monitoring_role_reads_what_it_needs_and_no_secret(demo_server: LocalServer) -> None:
    roofing.create_database(demo_server.dsn())
    owner = demo_server.dsn(roofing.NAME)
    roofing.build(owner)
    for password in ("first one", "pass'w0rd"):
        roofing.create_monitoring_role(owner, password)
    roofing.apply_migrations(owner, lambda _: None)
    roofing.fix_damage(owner)
    with psycopg.connect(
        host="127.0.0.1",
        port=demo_server.port,
        user=roofing.MONITOR,
        password="pass'w0rd",
        dbname=roofing.NAME,
        autocommit=True,
    ) as connection:
        for table in ("constraint_violations", "workflow_status_view", "query_performance_stats"):
            connection.execute(f"SELECT * FROM {table}").fetchall()
        connection.execute("SELECT query FROM pg_stat_activity").fetchall()
        for forbidden in ("TABLE user_mfa", "DELETE FROM projects"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
        texts = connection.execute("SELECT query FROM pg_stat_statements").fetchall()
    assert not any("w0rd" in text for (text,) in texts if text)
    assert list((demo_server.data / "log").glob("*.csv"))


def test_psql_that_cannot_connect_says_so_without_the_password(server: LocalServer) -> None:
    name = create_database(server)
    drop_database(server, name)
    with pytest.raises(PgwatchError, match="does not exist") as caught:
        roofing.build(server.dsn(name))
    assert f":{server.password}@" not in str(caught.value)
