"""Runs the shipped queries as pgwatch does: on a real server, under the session's limits."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from pgwatch.demo.server import LocalServer
from pgwatch.queries.answer import to_collected
from pgwatch.queries.catalog import load_catalog
from pgwatch.queries.query import Query, Runnable, plan
from pgwatch.samples.sample import Collected
from pgwatch.share import share
from pgwatch.targets.target import Role, ServerInfo

Connection = psycopg.Connection[tuple[Any, ...]]
CATALOG = load_catalog([share("queries")])
_LIMITS = (
    "-c default_transaction_read_only=on -c lock_timeout=100 -c statement_timeout=10000"
    " -c search_path=pg_catalog,public -c timezone=UTC"
)


def connect(dsn: str) -> Connection:
    """Open a session with the limits that pgwatch sets."""
    return psycopg.connect(dsn, autocommit=True, options=_LIMITS, application_name="pgwatch")


def info_of(connection: Connection) -> ServerInfo:
    """Return what planning needs to know about the connection's server and role."""
    names = sorted(CATALOG.settings)
    row = connection.execute(
        "SELECT current_user::text, current_database()::text, pg_is_in_recovery(),"
        " current_setting('is_superuser') = 'on',"
        " ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pg\\_%'"
        " AND pg_has_role(oid, 'USAGE')),"
        " ARRAY(SELECT extname::text FROM pg_extension ORDER BY extname),"
        " ARRAY(SELECT extversion FROM pg_extension ORDER BY extname)"
    ).fetchone()
    assert row is not None
    settings = {}
    for name in names:
        value = connection.execute("SELECT current_setting(%s, true)", [name]).fetchone()
        assert value is not None
        settings[name] = value[0]
    return ServerInfo(
        version_num=connection.info.server_version,
        version=connection.info.parameter_status("server_version") or "",
        role=Role.STANDBY if row[2] else Role.PRIMARY,
        database=row[1],
        user=row[0],
        is_superuser=row[3],
        memberships=frozenset(row[4]),
        extensions=dict(zip(row[5], row[6], strict=True)),
        settings=settings,
    )


def run(connection: Connection, sql: str) -> tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]:
    """Return the columns and rows of the one statement `sql`, sent as pgwatch sends it."""
    cursor = connection.execute(sql.encode(), prepare=True)
    assert cursor.description is not None
    return tuple(column.name for column in cursor.description), cursor.fetchall()


def collect(connection: Connection, query: Query | str) -> Collected:
    """Run a query that applies here and return its samples."""
    query = CATALOG.queries[query] if isinstance(query, str) else query
    info = info_of(connection)
    planned = plan(query, info)
    assert isinstance(planned, Runnable), planned
    return collected(query, info, *run(connection, planned.sql))


def collected(
    query: Query, info: ServerInfo, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> Collected:
    """Return the samples of an answer, for a target named `t`."""
    return to_collected(
        query,
        columns,
        rows,
        target="t",
        target_labels={},
        database=info.database,
        instance="",
        time_ms=0,
    )


def found(answer: Collected, metric: str, *labels: str) -> dict[tuple[str, ...], float]:
    """Return {values of `labels`: value} of the answer's series of `metric`."""
    return {
        tuple(series.label(label) for label in labels): value
        for series, value in zip(answer.labels, answer.values, strict=True)
        if series.name == metric
    }


@contextlib.contextmanager
def waiting(dsn: str, sql: str, watcher: Connection) -> Iterator[int]:
    """Run `sql` in a thread of its own, where it has to wait for a lock; gives the pid that waits."""
    with psycopg.connect(dsn, autocommit=True, application_name="waiter") as connection:

        def work() -> None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                connection.execute(sql.encode())

        pid = connection.info.backend_pid
        thread = threading.Thread(target=work)
        thread.start()
        try:
            until(watcher, f"SELECT 1 FROM pg_locks WHERE pid = {pid} AND NOT granted")
            yield pid
        finally:
            connection.cancel()
            thread.join()


def until(connection: Connection, sql: str) -> None:
    """Return as soon as `sql` has a row."""
    for _ in range(1000):
        if connection.execute(sql.encode()).fetchall():
            return
        connection.execute("SELECT pg_sleep(0.01)")
    raise AssertionError(f"no row within 10 s: {sql}")


@contextlib.contextmanager
def without_rights(server: LocalServer, database: str) -> Iterator[Connection]:
    """A session of a role that has no rights and sees little of other roles' sessions."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE outsider LOGIN PASSWORD 'outsider'")
        try:
            with connect(server.dsn(database, user="outsider", password="outsider")) as connection:
                yield connection
        finally:
            admin.execute("DROP ROLE outsider")
