"""What the packs see of statistics, sizes, slots and settings."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.packs import Connection, collect, connect, found


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


def test_an_index_that_nobody_uses(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
    admin.execute("INSERT INTO t SELECT n, n, n FROM generate_series(1, 100000) AS n")
    admin.execute("CREATE INDEX idle ON t (a)")
    admin.execute("CREATE INDEX small ON t (b) WHERE b < 10")
    admin.execute("ANALYZE t")
    for _ in range(100):
        admin.execute("SELECT a FROM t WHERE id = 1")
    admin.execute("SELECT pg_stat_force_next_flush()")
    admin.execute("SELECT 1")
    answer = collect(watcher, "core/unused_indexes")
    labels = ("schemaname", "relname", "indexrelname")
    sizes = found(answer, "pg_index_unused_bytes", *labels)
    assert set(sizes) == {("public", "t", "idle")}
    assert sizes["public", "t", "idle"] > 1 << 20
    ages = found(answer, "pg_index_unused_observed_seconds", *labels)
    assert 0 <= ages["public", "t", "idle"] < 86400
    usage = found(collect(watcher, "core/index_usage"), "pg_indexes_by_usage", "usage_level")
    assert usage == {("UNUSED",): 2, ("MEDIUM",): 1}


def test_a_table_that_seems_to_lack_an_index(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("INSERT INTO t SELECT generate_series(1, 10000)")
    admin.execute("CREATE TABLE small (id int)")
    admin.execute(
        "DO $$ BEGIN FOR n IN 1..1100 LOOP"
        " PERFORM count(*) FROM t; PERFORM count(*) FROM small; END LOOP; END $$"
    )
    admin.execute("SELECT pg_stat_force_next_flush()")
    admin.execute("SELECT 1")
    answer = collect(watcher, "core/missing_indexes")
    scans = found(answer, "pg_table_missing_index", "schemaname", "relname")
    assert scans == {("public", "t"): 1100}


def test_sizes_agree_and_the_estimate_waits_for_no_lock(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("INSERT INTO t SELECT generate_series(1, 50000)")
    admin.execute("VACUUM ANALYZE t")
    exact = collect(watcher, "core/table_size_exact")
    (size,) = found(exact, "pg_stat_user_tables_table_size_bytes").values()
    with psycopg.connect(any_database) as holder:
        holder.execute("LOCK TABLE t")
        estimate = collect(watcher, "core/table_size")
        (guess,) = found(estimate, "pg_table_estimated_bytes").values()
        assert guess == pytest.approx(size, rel=0.1)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            collect(watcher, "core/table_size_exact")


# All that look at tables, but for table_size_exact.
_WAITS_FOR_NOTHING = (
    "core/tables",
    "core/table_blocks",
    "core/table_size",
    "core/indexes",
    "core/index_size",
    "core/index_usage",
    "core/unused_indexes",
    "core/missing_indexes",
    "core/constraints",
    "core/invalid_indexes",
    "core/triggers",
    "core/matviews",
    "core/blocked",
    "core/locks",
    "core/database_size",
)


def test_a_locked_table_does_not_stop_the_ordinary_queries(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int PRIMARY KEY)")
    admin.execute("CREATE MATERIALIZED VIEW m AS SELECT 1 AS one")
    with psycopg.connect(any_database) as holder:
        holder.execute("LOCK TABLE t")
        holder.execute("DROP MATERIALIZED VIEW m")
        holder.execute("ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0)")
        for query in _WAITS_FOR_NOTHING:
            collect(watcher, query)


def test_slow_statements_and_the_rest(admin: Connection, watcher: Connection) -> None:
    admin.execute("CREATE EXTENSION pg_stat_statements")
    admin.execute("SELECT pg_stat_statements_reset()")
    admin.execute("SELECT pg_sleep(0.2)")
    for number in range(120):
        columns = ", ".join(["1"] * (number + 1))
        admin.execute(f"SELECT {columns}".encode())
    answer = collect(watcher, "statements/top")
    name = admin.info.dbname
    mean = found(answer, "pg_stat_statements_mean_seconds", "user", "datname", "queryid")
    (slow,) = [key for key, seconds in mean.items() if seconds >= 0.2]
    assert slow[:2] == ("postgres", name)
    calls = found(answer, "pg_stat_statements_calls_total", "user", "datname", "queryid")
    assert calls[slow] == 1
    assert 50 <= len(calls) <= 100
    total = admin.execute(
        "SELECT sum(calls) FROM pg_stat_statements(false) AS s JOIN pg_database AS d ON d.oid = dbid"
        " WHERE datname = current_database() AND queryid IS NOT NULL"
    ).fetchone()
    other = found(answer, "pg_stat_statements_other_calls", "datname")
    shown = sum(count for key, count in calls.items() if key[1] == name)
    assert total is not None
    assert shown + other[name,] == pytest.approx(float(total[0]), abs=5)
    assert answer.dropped == {}


def test_slots_say_how_much_they_hold_back(admin: Connection, watcher: Connection) -> None:
    admin.execute("SELECT pg_create_physical_replication_slot('standby_gone', true)")
    try:
        admin.execute("CREATE TABLE t AS SELECT generate_series(1, 1000)")
        answer = collect(watcher, "core/replication_slots")
        labels = ("slot_name",)
        assert found(answer, "pg_replication_slots_active", *labels)["standby_gone",] == 0
        assert (
            found(answer, "pg_replication_slots_pg_wal_lsn_diff", *labels)["standby_gone",] > 1000
        )
    finally:
        admin.execute("SELECT pg_drop_replication_slot('standby_gone')")


def test_settings_have_postgres_exporter_s_units(admin: Connection, watcher: Connection) -> None:
    answer = collect(watcher, "core/settings")
    assert found(answer, "pg_settings_max_connections") == {(): 60}
    assert found(answer, "pg_settings_shared_buffers_bytes")[()] % 8192 == 0
    assert found(answer, "pg_settings_checkpoint_timeout_seconds") == {(): 300}
    assert found(answer, "pg_settings_log_min_duration_statement_seconds") == {(): -1}
    assert found(answer, "pg_settings_autovacuum") == {(): 1}
    assert found(answer, "pg_settings_max_wal_size_bytes") == {(): 1 << 30}
    assert found(answer, "pg_settings_autovacuum_vacuum_scale_factor") == {(): 0.2}
