"""The gate on databases that are damaged: each damage is named, with its object and its cure."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.conftest import create_database, drop_database
from tests.gate import Ran, gate
from tests.roofing_tables import TABLES
from tests.servers import VERSIONS, local_server
from tests.watching import sql

DAMAGE = """
CREATE TABLE customers (id int PRIMARY KEY, email text, age int);
INSERT INTO customers VALUES (1, 'a', -1), (2, 'a', 3);
ALTER TABLE customers ADD CONSTRAINT customers_age_check CHECK (age >= 0) NOT VALID;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER customers_stamp BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE customers DISABLE TRIGGER customers_stamp;
CREATE MATERIALIZED VIEW dashboard AS SELECT count(*) FROM customers WITH NO DATA;
INSERT INTO constraint_violations (table_name, constraint_name, violation_type)
    VALUES ('customers', 'customers_age_check', 'CHECK');
"""
INVALID_INDEX = "CREATE UNIQUE INDEX CONCURRENTLY customers_email_key ON customers (email)"
# What damage leaves behind, and what sessions do: both with object and cure.
STRUCTURAL = {
    "PostgresConstraintNotValidated": (
        "public.customers.customers_age_check",
        'ALTER TABLE "public"."customers" VALIDATE CONSTRAINT "customers_age_check";',
    ),
    "PostgresInvalidIndex": (
        "public.customers.customers_email_key",
        'REINDEX INDEX CONCURRENTLY "public"."customers_email_key";',
    ),
    "PostgresTriggerDisabled": (
        "public.customers.customers_stamp",
        'ALTER TABLE "public"."customers" ENABLE TRIGGER "customers_stamp";',
    ),
    "PostgresMaterializedViewNotPopulated": (
        "public.dashboard",
        'REFRESH MATERIALIZED VIEW "public"."dashboard";',
    ),
    "PostgresConstraintViolation": (
        "customers.customers_age_check",
        "SELECT * FROM constraint_violations WHERE NOT resolved",
    ),
}


def damage(dsn: str) -> None:
    """Do to the database of `dsn` what a bad deploy does."""
    sql(dsn, TABLES)
    sql(dsn, DAMAGE)
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        sql(dsn, INVALID_INDEX)


def assert_found(ran: Ran, name: str, thing: str, cure: str, *, verdict: str) -> None:
    check = ran.check(name)
    assert check["verdict"] == verdict, check
    (found,) = check["findings"]
    assert found["object"] == thing
    assert found["fix"].startswith(cure)
    assert thing.rpartition(".")[2].removeprefix("pid ") in found["summary"] + found["description"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_bad_deploy_leaves_behind(
    version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: LocalServer = request.getfixturevalue("servers")[version]
    name = create_database(server)
    try:
        damage(server.dsn(name))
        ran = gate(server.dsn(name), cwd=tmp_path)
    finally:
        drop_database(server, name)
    assert ran.status == 1
    assert ran.report["verdict"] == "fail"
    for check, (thing, cure) in STRUCTURAL.items():
        assert_found(ran, check, thing, cure, verdict="fail")
    assert {name for name, verdict in ran.verdicts.items() if verdict == "fail"} == {*STRUCTURAL}
    assert ran.check("PostgresMaterializedViewStale")["verdict"] != "fail"


def test_a_repaired_database_passes(database: str, tmp_path: Path) -> None:
    """Each cure that the gate printed is run as it stands there; then the gate says yes."""
    damage(database)
    before = gate(database, cwd=tmp_path)
    sql(database, "UPDATE customers SET age = 1, email = id::text")  # as the descriptions ask
    for name in STRUCTURAL:
        for found in before.check(name)["findings"]:
            for statement in found["fix"].split(";")[:1]:
                sql(database, statement)
    sql(database, "UPDATE constraint_violations SET resolved = true")
    after = gate(database, cwd=tmp_path)
    assert after.status == 0, after.out
    assert set(after.verdicts.values()) == {"pass", "skipped"}


def test_a_stale_view_where_the_server_keeps_commit_times(
    tmp_path: Path,
) -> None:
    """The rule's threshold is lowered to a moment, so nothing has to grow old."""
    config = tmp_path / "pgwatch.yml"
    config.write_text("rules: {set: {PostgresMaterializedViewStale: 1ms}}\n")
    view = "CREATE MATERIALIZED VIEW report AS SELECT 1 AS one"
    only = ("--only", "PostgresMaterializedViewStale")
    with local_server(settings={"track_commit_timestamp": "on"}) as server:
        sql(server.dsn(), view)
        ran = gate(server.dsn(), "--config", str(config), *only, cwd=tmp_path)
        assert ran.status == 0  # a warning
        cure = 'REFRESH MATERIALIZED VIEW "public"."report";'
        assert_found(ran, only[1], "public.report", cure, verdict="warn")
        fresh = gate(server.dsn(), *only, cwd=tmp_path)
        assert fresh.verdicts == {only[1]: "pass"}
        assert gate(server.dsn(), "--config", str(config), *only, "--fail-on", "warn",
                    cwd=tmp_path).status == 1  # fmt: skip


STALE = "PostgresMaterializedViewStale"


def restart(server: LocalServer) -> None:
    server.halt()
    server.launch()


@pytest.mark.parametrize("only", [(), ("--only", STALE)], ids=["all", "only"])
def test_a_database_without_materialized_views(
    any_database: str, tmp_path: Path, only: tuple[str, ...]
) -> None:
    check = gate(any_database, *only, cwd=tmp_path).check(STALE)
    assert (check["verdict"], check["findings"]) == ("pass", [])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_view_older_than_the_server_s_commit_times(version: int, tmp_path: Path) -> None:
    """It may be the stalest of all; the cure that is printed lets it be told."""
    only = ("--only", STALE)
    with local_server(version) as server:
        sql(server.dsn(), 'CREATE MATERIALIZED VIEW "Old; ""one""" AS SELECT 1 AS one')
        sql(server.dsn(), "CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA")
        sql(server.dsn(), "ALTER SYSTEM SET track_commit_timestamp = on")
        restart(server)
        check = gate(server.dsn(), *only, cwd=tmp_path).check(STALE)
        assert check["verdict"] == "unknown"
        assert 'public.Old; "one"' in check["reason"]
        assert "empty" not in check["reason"]
        (cure,) = check["reason"].partition("; cure: ")[2].splitlines()
        sql(server.dsn(), cure)
        assert gate(server.dsn(), *only, cwd=tmp_path).verdicts == {STALE: "pass"}


def test_a_view_that_the_application_forgot(tmp_path: Path) -> None:
    only = ("--only", STALE)
    with local_server() as server:
        sql(server.dsn(), TABLES)
        sql(server.dsn(), "CREATE MATERIALIZED VIEW dashboard AS SELECT 1 AS one")
        assert gate(server.dsn(), *only, cwd=tmp_path).verdicts == {STALE: "pass"}
        sql(server.dsn(), "CREATE MATERIALIZED VIEW forgotten AS SELECT 1 AS one")
        ran = gate(server.dsn(), *only, cwd=tmp_path)
        assert ran.verdicts == {STALE: "unknown"}
        assert "when public.forgotten was refreshed" in ran.check(STALE)["reason"]
        assert gate(server.dsn(), *only, "--strict", cwd=tmp_path).status == 3
        (cure,) = ran.check(STALE)["reason"].partition("; cure: ")[2].splitlines()
        sql(server.dsn(), "DELETE FROM materialized_view_status")
        check = gate(server.dsn(), *only, cwd=tmp_path).check(STALE)
        assert check["verdict"] == "unknown"
        assert "public.dashboard" in check["reason"]
        sql(server.dsn(), cure)
        restart(server)
        sql(server.dsn(), "REFRESH MATERIALIZED VIEW forgotten")
        sql(server.dsn(), "REFRESH MATERIALIZED VIEW dashboard")
        assert gate(server.dsn(), *only, cwd=tmp_path).verdicts == {STALE: "pass"}


def test_the_age_of_a_view_where_the_server_keeps_none(database: str, tmp_path: Path) -> None:
    sql(database, "CREATE MATERIALIZED VIEW report AS SELECT 1 AS one")
    check = gate(database, cwd=tmp_path).check("PostgresMaterializedViewStale")
    assert check["verdict"] == "skipped"
    assert check["reason"].startswith("needs history")
    assert "track_commit_timestamp" in check["reason"]


def test_the_age_of_a_view_that_the_application_keeps(database: str, tmp_path: Path) -> None:
    sql(database, TABLES)
    sql(database, "UPDATE materialized_view_status SET last_refresh = now() - interval '2 days'")
    ran = gate(database, cwd=tmp_path)
    assert_found(
        ran,
        "PostgresMaterializedViewStale",
        "dashboard",
        "SELECT refresh_all_materialized_views();",
        verdict="warn",
    )


@contextlib.contextmanager
def session(dsn: str, *statements: str) -> Iterator[int]:
    """A session that has run `statements` in an open transaction; gives its pid."""
    with psycopg.connect(dsn, application_name="billing") as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection.info.backend_pid
        connection.rollback()


@contextlib.contextmanager
def working(dsn: str, statement: str) -> Iterator[int]:
    """A session that has been busy with `statement` for longer than the thresholds here; gives its pid."""
    with psycopg.connect(dsn, autocommit=True, application_name="billing") as connection:

        def work() -> None:
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement.encode())

        thread = threading.Thread(target=work)
        thread.start()
        try:
            pid = connection.info.backend_pid
            busy = (
                f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'"
                " AND clock_timestamp() - query_start > '130ms'"
            )
            while not sql(dsn, busy):
                pass
            yield pid
        finally:
            connection.cancel()
            thread.join()


def test_sessions_in_each_others_way(database: str, tmp_path: Path) -> None:
    """The thresholds are lowered to a moment; the shipped ones have their tests in alerts/tests."""
    config = tmp_path / "pgwatch.yml"
    config.write_text(
        "rules:\n  set: {PostgresBlockedSession: 1ms, PostgresIdleInTransaction: 1ms}\n"
    )
    sql(database, "CREATE TABLE customers (id int)")
    with (
        session(database, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE") as idle,
        working(database, "SELECT count(*) FROM customers") as blocked,
    ):
        ran = gate(database, "--config", str(config), cwd=tmp_path)
        strict = gate(database, "--config", str(config), "--fail-on", "warn", cwd=tmp_path)
    assert (ran.status, ran.report["verdict"]) == (0, "warn")
    assert (strict.status, strict.report["verdict"]) == (1, "warn")
    cure = (
        "SELECT pid, state, query FROM pg_stat_activity"
        f" WHERE pid = ANY (pg_blocking_pids({blocked}));"
    )
    assert_found(ran, "PostgresBlockedSession", f"pid {blocked}", cure, verdict="warn")
    (found,) = ran.check("PostgresBlockedSession")["findings"]
    assert "(relation on public.customers)" in found["description"]
    assert f"behind backend {idle}." in found["description"]
    assert "blocked_by" not in found["labels"], "who is in the way changes during one wait"
    cure = f"SELECT pg_terminate_backend({idle});"
    assert_found(ran, "PostgresIdleInTransaction", f"pid {idle}", cure, verdict="warn")


def test_a_query_that_runs_for_long(database: str, tmp_path: Path) -> None:
    config = tmp_path / "pgwatch.yml"
    config.write_text("rules: {set: {PostgresSlowQuery: 120ms}}\n")
    with working(database, "SELECT pg_sleep(60)") as pid:
        ran = gate(database, "--config", str(config), cwd=tmp_path)
    cure = f"SELECT query FROM pg_stat_activity WHERE pid = {pid};"
    assert_found(ran, "PostgresSlowQuery", f"pid {pid}", cure, verdict="warn")


def test_the_connection_limit_is_near(tmp_path: Path) -> None:
    settings = {"max_connections": "10", "superuser_reserved_connections": "3"}
    with local_server(settings=settings) as server:
        with contextlib.ExitStack() as stack:
            for _ in range(6):
                stack.enter_context(psycopg.connect(server.dsn()))
            ran = gate(server.dsn(), cwd=tmp_path)
        relaxed = gate(server.dsn(), cwd=tmp_path)
    assert_found(
        ran,
        "PostgresConnectionsHigh",
        "postgres",
        "SELECT usename, application_name",
        verdict="warn",
    )
    assert relaxed.verdicts["PostgresConnectionsHigh"] == "pass"


def test_an_unprivileged_role_is_never_told_pass_where_it_could_not_see(
    server: LocalServer, tmp_path: Path
) -> None:
    """It sees the same, or it is told `unknown` with the GRANT; after these GRANTs it sees it all."""
    name = create_database(server)
    config = tmp_path / "pgwatch.yml"
    config.write_text(
        "rules:\n  set: {PostgresBlockedSession: 1ms, PostgresIdleInTransaction: 1ms,"
        " PostgresSlowQuery: 120ms, PostgresConnectionsHigh: 0.001}\n"
    )
    admin = server.dsn(name)
    role = server.dsn(name, user="Weak-one", password="weak")
    arguments = ("--config", str(config))
    try:
        damage(admin)
        sql(admin, "INSERT INTO workflow_audit_log (entity_type, action) VALUES ('STEP', 'FAILED')")
        sql(admin, "CREATE ROLE \"Weak-one\" LOGIN PASSWORD 'weak'")
        sql(admin, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        with (
            session(admin, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"),
            working(admin, "SELECT count(*) FROM customers"),
            working(admin, "SELECT pg_sleep(60)"),
        ):
            seen = gate(admin, *arguments, cwd=tmp_path)
            weak = gate(role, *arguments, cwd=tmp_path)
            assert_nothing_is_hidden(seen, weak)
            granted: list[str] = []
            while grants := [grant for grant in grants_of(weak) if grant not in granted]:
                for grant in grants:
                    sql(admin, grant)
                granted += grants
                weak = gate(role, *arguments, cwd=tmp_path)
                assert_nothing_is_hidden(seen, weak)
        assert granted
        assert not any("pg_monitor" in grant or "SUPERUSER" in grant for grant in granted)
        assert weak.verdicts == seen.verdicts
        assert "unknown" not in weak.verdicts.values()
    finally:
        drop_database(server, name)
        sql(server.dsn(), 'DROP ROLE IF EXISTS "Weak-one"')


def grants_of(ran: Ran) -> list[str]:
    """Return the SQL that the gate printed for what it could not tell."""
    grants: list[str] = []
    for check in ran.report["checks"]:
        if check["verdict"] == "unknown":
            assert "; cure: " in check["reason"], check
            grants += check["reason"].partition("; cure: ")[2].splitlines()
    return list(dict.fromkeys(grants))


def assert_nothing_is_hidden(seen: Ran, weak: Ran) -> None:
    for name, verdict in seen.verdicts.items():
        assert weak.verdicts[name] in (verdict, "unknown"), name


@pytest.mark.parametrize("version", VERSIONS)
def test_row_level_security_hides_nothing_behind_a_pass(
    version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: LocalServer = request.getfixturevalue("servers")[version]
    name = create_database(server)
    admin, role = server.dsn(name), server.dsn(name, user="careful", password="careful")
    only = ("--only", "PostgresConstraintViolation")
    try:
        sql(admin, "CREATE ROLE careful LOGIN PASSWORD 'careful'")
        damage(admin)
        sql(admin, "GRANT SELECT ON constraint_violations TO careful")
        assert gate(role, *only, cwd=tmp_path).verdicts == {only[1]: "fail"}
        sql(admin, "ALTER TABLE constraint_violations ENABLE ROW LEVEL SECURITY")
        hidden = gate(role, *only, cwd=tmp_path)
        assert hidden.verdicts == {only[1]: "unknown"}
        assert hidden.status == 3
        (grant,) = grants_of(hidden)
        sql(admin, grant)
        assert gate(role, *only, cwd=tmp_path).verdicts == {only[1]: "fail"}
    finally:
        drop_database(server, name)
        sql(server.dsn(), "DROP ROLE IF EXISTS careful")


def test_what_the_server_does_not_track_is_no_pass(tmp_path: Path) -> None:
    settings = {"track_activities": "off", "track_counts": "off"}
    blind = {
        "PostgresSlowQuery": "track_activities",
        "PostgresIdleInTransaction": "track_activities",
        "PostgresUnusedIndex": "track_counts",
        "PostgresMissingIndex": "track_counts",
    }
    with local_server(settings=settings) as server:
        ran = gate(server.dsn(), cwd=tmp_path)
    for name, setting in blind.items():
        assert ran.check(name)["verdict"] == "skipped"
        assert setting in ran.check(name)["reason"]
