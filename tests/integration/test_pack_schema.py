"""What the packs see of a schema's damage: each test does one kind of it to a real database."""

from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.packs import Connection, collect, connect, found, waiting, without_rights
from tests.servers import local_server


@pytest.fixture
def admin(any_database: str) -> Iterator[Connection]:
    """A session that does the damage."""
    with psycopg.connect(any_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def watcher(any_database: str) -> Iterator[Connection]:
    """A session as pgwatch has it."""
    with connect(any_database) as connection:
        yield connection


def test_a_constraint_that_was_never_validated(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    admin.execute(
        "CREATE TABLE child (id int, parent_id int CONSTRAINT sane CHECK (parent_id > 0))"
    )
    assert found(collect(watcher, "core/constraints"), "pg_constraint_not_validated") == {}
    admin.execute("ALTER TABLE child ADD CONSTRAINT chk_id CHECK (id > 0) NOT VALID")
    admin.execute(
        "ALTER TABLE child ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id)"
        " REFERENCES parent NOT VALID"
    )
    admin.execute("CREATE DOMAIN email AS text")
    admin.execute("ALTER DOMAIN email ADD CONSTRAINT chk_at CHECK (VALUE LIKE '%@%') NOT VALID")
    answer = collect(watcher, "core/constraints")
    labels = ("schemaname", "relname", "conname", "contype")
    assert found(answer, "pg_constraint_not_validated", *labels) == {
        ("public", "child", "chk_id", "check"): 1,
        ("public", "child", "fk_parent", "foreign key"): 1,
        ("public", "email", "chk_at", "check"): 1,
    }
    admin.execute("ALTER TABLE child VALIDATE CONSTRAINT chk_id")
    names = found(collect(watcher, "core/constraints"), "pg_constraint_not_validated", "conname")
    assert set(names) == {("fk_parent",), ("chk_at",)}


def test_a_constraint_that_is_not_enforced_is_no_finding(
    admin: Connection, watcher: Connection
) -> None:
    if admin.info.server_version < 180000:
        pytest.skip("NOT ENFORCED is new in PostgreSQL 18")
    admin.execute("CREATE TABLE t (id int CONSTRAINT wish CHECK (id > 0) NOT ENFORCED)")
    assert found(collect(watcher, "core/constraints"), "pg_constraint_not_validated") == {}


def test_an_index_whose_build_failed(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("INSERT INTO t VALUES (1), (1)")
    assert found(collect(watcher, "core/invalid_indexes"), "pg_index_invalid") == {}
    with pytest.raises(psycopg.errors.UniqueViolation):
        admin.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
    answer = collect(watcher, "core/invalid_indexes")
    labels = ("schemaname", "relname", "indexrelname")
    assert found(answer, "pg_index_invalid", *labels) == {("public", "t", "broken"): 1}


def test_an_index_that_is_being_built_is_no_finding(
    any_server: LocalServer, any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    with (
        psycopg.connect(any_database) as holder,
        without_rights(any_server, holder.info.dbname) as outsider,
    ):
        holder.execute("INSERT INTO t VALUES (1)")
        with waiting(any_database, "CREATE INDEX CONCURRENTLY slow ON t (id)", watcher):
            query = "SELECT 1 FROM pg_index WHERE NOT indisvalid"
            assert watcher.execute(query).fetchall()
            for look in (watcher, outsider):
                assert found(collect(look, "core/invalid_indexes"), "pg_index_invalid") == {}
        for look in (watcher, outsider):
            names = found(collect(look, "core/invalid_indexes"), "pg_index_invalid", "indexrelname")
            assert names == {("slow",): 1}, "the build was cancelled, so the index stays behind"


def test_an_invalid_index_is_found_while_another_is_built(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("INSERT INTO t VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        admin.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
    with psycopg.connect(any_database) as holder:
        holder.execute("INSERT INTO t VALUES (1)")
        with waiting(any_database, "CREATE INDEX CONCURRENTLY slow ON t (id)", watcher):
            answer = collect(watcher, "core/invalid_indexes")
            assert found(answer, "pg_index_invalid", "indexrelname") == {("broken",): 1}


def test_indexes_that_are_being_rebuilt_are_no_finding(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (a int, b int)")
    admin.execute("CREATE INDEX one ON t (a)")
    admin.execute("CREATE INDEX two ON t (b)")
    with psycopg.connect(any_database) as holder:
        holder.execute("INSERT INTO t VALUES (1, 1)")
        with waiting(any_database, "REINDEX TABLE CONCURRENTLY t", watcher):
            invalid = watcher.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid").fetchall()
            assert len(invalid) == 2
            assert found(collect(watcher, "core/invalid_indexes"), "pg_index_invalid") == {}


def test_an_index_that_is_being_dropped_is_no_finding(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("CREATE INDEX old ON t (id)")
    with psycopg.connect(any_database) as holder:
        holder.execute("SELECT id FROM t")
        with waiting(any_database, "DROP INDEX CONCURRENTLY old", watcher):
            assert watcher.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid").fetchall()
            assert found(collect(watcher, "core/invalid_indexes"), "pg_index_invalid") == {}


def test_a_disabled_trigger(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE TABLE parent (id int PRIMARY KEY)")
    admin.execute("CREATE TABLE t (id int CONSTRAINT fk REFERENCES parent)")
    admin.execute(
        "CREATE TRIGGER guard BEFORE UPDATE ON t FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    assert found(collect(watcher, "core/triggers"), "pg_trigger_disabled") == {}
    admin.execute("ALTER TABLE t DISABLE TRIGGER guard")
    labels = ("schemaname", "relname", "tgname")
    answer = collect(watcher, "core/triggers")
    assert found(answer, "pg_trigger_disabled", *labels) == {("public", "t", "guard"): 1}
    admin.execute("ALTER TABLE t DISABLE TRIGGER ALL")
    answer = collect(watcher, "core/triggers")
    assert found(answer, "pg_trigger_disabled", "relname", "tgname") == {
        ("t", "guard"): 1,
        ("t", "fk"): 1,
    }


@pytest.mark.parametrize("refresh", ["", "CONCURRENTLY"])
def test_a_materialized_view_s_content_and_refreshes(
    admin: Connection, watcher: Connection, refresh: str
) -> None:
    admin.execute("CREATE MATERIALIZED VIEW m AS SELECT 1 AS one WITH NO DATA")
    answer = collect(watcher, "core/matviews")
    assert found(answer, "pg_matview_populated", "matviewname") == {("m",): 0}
    admin.execute("REFRESH MATERIALIZED VIEW m")
    admin.execute("CREATE UNIQUE INDEX ON m (one)")
    before = collect(watcher, "core/matviews")
    assert found(before, "pg_matview_populated", "matviewname") == {("m",): 1}
    again = collect(watcher, "core/matviews")
    assert found(again, "pg_matview_refresh_xid") == found(before, "pg_matview_refresh_xid")
    admin.execute(f"REFRESH MATERIALIZED VIEW {refresh} m".encode())
    after = collect(watcher, "core/matviews")
    assert found(after, "pg_matview_refresh_xid") != found(before, "pg_matview_refresh_xid")


def test_when_a_materialized_view_was_refreshed() -> None:
    settings = {"track_commit_timestamp": "on"}
    with (
        local_server(18, settings) as server,
        psycopg.connect(server.dsn(), autocommit=True) as admin,
        connect(server.dsn()) as watcher,
    ):
        admin.execute("CREATE MATERIALIZED VIEW m AS SELECT 1")
        admin.execute("CREATE MATERIALIZED VIEW empty AS SELECT 1 WITH NO DATA")
        admin.execute("REFRESH MATERIALIZED VIEW m")
        row = admin.execute("SELECT extract(epoch FROM now())").fetchone()
        answer = collect(watcher, "core/matview_refresh")
        times = found(
            answer, "pg_matview_last_refresh_timestamp_seconds", "schemaname", "matviewname"
        )
        assert row is not None
        assert times == {("public", "m"): pytest.approx(float(row[0]), abs=5)}
