"""What the packs see of sessions: blocked, idle in transaction, slow, too many."""

from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.packs import Connection, collect, connect, found, waiting, without_rights


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


def test_a_blocked_session_with_its_blocker(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    with psycopg.connect(any_database) as holder:
        holder.execute("LOCK TABLE t")
        with waiting(any_database, "SELECT 1 FROM t", watcher) as pid:
            answer = collect(watcher, "core/blocked")
            labels = ("usename", "pid", "blocked_by", "locktype", "relation")
            (key, seconds), *rest = found(answer, "pg_blocked_session_seconds", *labels).items()
            assert key == (
                "postgres",
                str(pid),
                str(holder.info.backend_pid),
                "relation",
                "public.t",
            )
            assert 0 <= seconds < 60
            assert rest == []
    assert found(collect(watcher, "core/blocked"), "pg_blocked_session_seconds") == {}


def test_a_role_without_rights_sees_blocked_sessions_too(
    any_server: LocalServer, any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    with (
        psycopg.connect(any_database) as holder,
        without_rights(any_server, holder.info.dbname) as outsider,
    ):
        holder.execute("LOCK TABLE t")
        with waiting(any_database, "SELECT 1 FROM t", watcher):
            seen = collect(outsider, "core/blocked")
            assert seen.labels == collect(watcher, "core/blocked").labels != []


def test_a_session_blocked_by_a_row_names_the_table(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t (id int)")
    admin.execute("INSERT INTO t VALUES (1)")
    with psycopg.connect(any_database) as holder:
        holder.execute("UPDATE t SET id = 2")
        with waiting(any_database, "UPDATE t SET id = 3", watcher):
            answer = collect(watcher, "core/blocked")
            assert list(found(answer, "pg_blocked_session_seconds", "locktype", "relation")) == [
                ("transactionid", "public.t")
            ]


def test_a_session_idle_in_its_transaction(any_database: str, watcher: Connection) -> None:
    metric = "pg_activity_longest_idle_in_transaction_seconds"
    with psycopg.connect(any_database, application_name="forgotten") as idle:
        idle.execute("SELECT 1")
        answer = collect(watcher, "core/longest_idle_in_transaction")
        mine = found(answer, metric, "application_name", "pid")
        key = ("forgotten", str(idle.info.backend_pid))
        watcher.execute("SELECT pg_sleep(0.05)")
        later = found(
            collect(watcher, "core/longest_idle_in_transaction"), metric, "application_name", "pid"
        )
        assert later[key] >= mine[key] + 0.05
    answer = collect(watcher, "core/longest_idle_in_transaction")
    assert key not in found(answer, metric, "application_name", "pid")


def test_a_statement_that_runs_long(
    any_database: str, admin: Connection, watcher: Connection
) -> None:
    admin.execute("CREATE TABLE t ()")
    with psycopg.connect(any_database) as holder:
        holder.execute("LOCK TABLE t")
        with waiting(any_database, "SELECT 1 FROM t", watcher) as pid:
            watcher.execute("SELECT pg_sleep(0.2)")
            answer = collect(watcher, "core/longest_query")
            labels = ("usename", "application_name", "pid")
            running = found(answer, "pg_activity_longest_query_seconds", *labels)
            assert running["postgres", "waiter", str(pid)] >= 0.1
            assert str(watcher.info.backend_pid) not in {key[2] for key in running}


def test_sessions_are_counted_by_state(any_database: str, watcher: Connection) -> None:
    with psycopg.connect(any_database, application_name="forgotten") as idle:
        idle.execute("SELECT 1")
        answer = collect(watcher, "core/activity")
        labels = ("datname", "state", "application_name")
        counts = found(answer, "pg_stat_activity_count", *labels)
        name = idle.info.dbname
        assert counts[name, "idle in transaction", "forgotten"] == 1
        assert counts[name, "disabled", ""] == 0, "states without a session are there"
        assert "pgwatch" not in {key[2] for key in counts}


def test_connections_and_their_limit(any_database: str, watcher: Connection) -> None:
    before = collect(watcher, "core/connections")
    with psycopg.connect(any_database):
        after = collect(watcher, "core/connections")
    used, limit = found(after, "pg_connections_used"), found(after, "pg_connections_limit")
    assert used[()] == found(before, "pg_connections_used")[()] + 1
    assert limit == {(): 57}, "60 less 3 that are reserved for superusers"
