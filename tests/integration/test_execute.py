"""One query on a real server has exactly one outcome, and the honest one."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg
import pytest

from pgwatch.collect.execute import classify, execute
from pgwatch.collect.line import Line
from pgwatch.collect.outcome import (
    Answered,
    Blocked,
    Denied,
    Failed,
    NotApplicable,
    Outcome,
    OutcomeKind,
    TimedOut,
    Unreachable,
)
from pgwatch.demo.server import LocalServer, free_port
from pgwatch.queries.query import Query, Runnable
from pgwatch.targets.server_info import Asked
from pgwatch.targets.session import RefusedError
from tests.watching import query, sql, target


def outcome(dsn: str, asked: Query, *, times: int = 1) -> Outcome:
    """Run `asked` on a line of its own; returns the last outcome."""

    async def run() -> Outcome:
        line = Line(target(dsn), Asked(relations=frozenset(asked.requires.relations)))
        database = dsn.rpartition("/")[2]
        try:
            for _ in range(times - 1):
                await execute(line, database, asked)
            return await execute(line, database, asked)
        finally:
            await line.close()

    return asyncio.run(run())


@contextmanager
def holding(dsn: str, *statements: str) -> Iterator[int]:
    """An open transaction that has run `statements`; gives its process id."""
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection.info.backend_pid
        connection.rollback()


def test_an_answer(any_database: str) -> None:
    ended = outcome(any_database, query("SELECT 1 AS value UNION ALL SELECT 2"))
    assert isinstance(ended, Answered)
    assert (ended.columns, list(ended.rows)) == (("value",), [(1,), (2,)])
    assert timedelta(0) < ended.elapsed < timedelta(seconds=1)


def test_no_rows_are_an_answer(database: str) -> None:
    ended = outcome(database, query("SELECT 1 AS value WHERE false"))
    assert isinstance(ended, Answered)
    assert list(ended.rows) == []


def test_a_statement_over_its_limit(database: str) -> None:
    ended = outcome(database, query("SELECT 1 AS value FROM pg_sleep(30)", timeout="200ms"))
    assert isinstance(ended, TimedOut)
    assert "200ms" in ended.reason


def test_a_statement_that_somebody_else_cancelled(database: str) -> None:
    killer = threading.Thread(target=_cancel_when_it_runs, args=(database,))
    killer.start()
    ended = outcome(database, query("SELECT 1 AS value FROM pg_sleep(30)", timeout="20s"))
    killer.join()
    assert isinstance(ended, Failed)
    assert ended.sqlstate == "57014"
    assert "user request" in ended.reason


def _cancel_when_it_runs(dsn: str) -> None:
    _wait_until(
        dsn,
        """SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'pgwatch' AND wait_event = 'PgSleep'
        AND datname = current_database()""",
    )


def test_a_locked_table_names_who_holds_the_lock(any_database: str) -> None:
    sql(any_database, "CREATE TABLE public.orders (id integer); CREATE TABLE public.other ()")
    with (
        holding(any_database, "LOCK TABLE public.other"),
        holding(any_database, "LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE") as pid,
    ):
        started = time.monotonic()
        ended = outcome(any_database, query("SELECT count(*) AS value FROM public.orders"))
        assert time.monotonic() - started < 1
    assert isinstance(ended, Blocked)
    assert ended.pid == pid
    assert ended.query == "LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE"
    assert ended.since is not None
    assert timedelta(0) <= ended.since < timedelta(seconds=30)
    assert "ACCESS EXCLUSIVE on public.orders" in ended.reason


def test_a_function_that_meets_a_lock_too(database: str) -> None:
    sql(database, "CREATE TABLE public.orders (id integer)")
    size = "SELECT sum(pg_total_relation_size(oid)) AS value FROM pg_class WHERE relkind = 'r'"
    with holding(database, "TRUNCATE public.orders") as pid:
        ended = outcome(database, query(size))
    assert isinstance(ended, Blocked)
    assert ended.pid == pid


def test_one_who_only_waits_for_the_lock_blocks_as_well(database: str) -> None:
    sql(database, "CREATE TABLE public.orders (id integer)")
    asked = query("SELECT count(*) AS value FROM public.orders")
    altering = psycopg.connect(database, autocommit=True)
    pid = altering.info.backend_pid
    thread = threading.Thread(
        target=_swallow, args=(altering, "ALTER TABLE public.orders ADD COLUMN n integer")
    )
    with holding(database, "SELECT * FROM public.orders"):
        thread.start()
        try:
            _wait_until(database, f"SELECT 1 FROM pg_locks WHERE pid = {pid} AND NOT granted")
            ended = outcome(database, asked)
        finally:
            sql(database, f"SELECT pg_terminate_backend({pid})")
            thread.join(10)
    assert isinstance(ended, Blocked)
    assert ended.pid == pid
    assert "is queued for" in ended.reason


def _swallow(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    with suppress(psycopg.OperationalError):
        connection.execute(statement.encode())


def _wait_until(dsn: str, condition: str) -> None:
    """Return when `condition` gives a row, after ten seconds in any case."""
    ends = time.monotonic() + 10
    while not sql(dsn, condition) and time.monotonic() < ends:
        pass


SETUP = """
CREATE SCHEMA "App"; CREATE SCHEMA closed;
CREATE TABLE "App"."Orders" (id integer); CREATE TABLE public."Orders" (id integer);
GRANT USAGE ON SCHEMA "App" TO {role};
CREATE TABLE closed.t (id integer);
CREATE FUNCTION public.secret(integer, text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION public.secret FROM public;
CREATE TABLE public.guarded (id integer); GRANT SELECT ON public.guarded TO {role};
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY;
"""


@pytest.fixture
def role(database: str) -> Iterator[str]:
    """A role without rights in a database that has things it may not see."""
    name = database.rpartition("/")[2] + "-role"  # must be quoted in the GRANT
    quoted = f'"{name}"'
    sql(database, f"CREATE ROLE {quoted} LOGIN PASSWORD 'plain'")
    sql(database, SETUP.format(role=quoted))
    yield name
    sql(database, f"DROP OWNED BY {quoted}; DROP ROLE {quoted}")


@pytest.mark.parametrize(
    ("statement", "grant"),
    [
        pytest.param(
            'SELECT count(*) AS value FROM "App"."Orders"',
            'GRANT SELECT ON "App"."Orders" TO "{role}";',
            id="table",
        ),
        pytest.param(
            "SELECT count(*) AS value FROM closed.t",
            'GRANT USAGE ON SCHEMA closed TO "{role}";',
            id="schema",
        ),
        pytest.param(
            "SELECT public.secret(1, '') AS value",
            'GRANT EXECUTE ON FUNCTION public.secret(integer, text) TO "{role}";',
            id="function",
        ),
        pytest.param(
            "SELECT length(pg_catalog.pg_read_file('/proc/(a, b', 0, (1 + 2))) AS value",
            'GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint) TO "{role}";',
            id="one of several functions of a name",
        ),
        pytest.param(
            "SELECT setting AS value FROM pg_show_all_settings() WHERE name = 'x' UNION ALL"
            " SELECT current_setting('data_directory')",
            'GRANT pg_read_all_settings TO "{role}";',
            id="predefined role",
        ),
        pytest.param(
            "SELECT count(*) AS value FROM public.guarded",
            'ALTER ROLE "{role}" BYPASSRLS;',
            id="row-level security",
        ),
    ],
)
def test_a_denied_query_names_the_grant_that_cures_it(
    server: LocalServer, database: str, role: str, statement: str, grant: str
) -> None:
    dsn = server.dsn(database.rpartition("/")[2], user=role, password="plain")
    ended = outcome(dsn, query(statement))
    assert isinstance(ended, Denied)
    assert ended.grant == grant.format(role=role)
    sql(database, ended.grant)
    after = outcome(dsn, query(statement))
    assert not isinstance(after, Denied) or after.grant != ended.grant


def test_one_grant_names_all_tables_that_may_not_be_read(
    server: LocalServer, database: str, role: str
) -> None:
    sql(database, f'CREATE TABLE public.t1 (id int); GRANT SELECT ON public.t1 TO "{role}"')
    sql(database, "CREATE TABLE public.t2 (id int); CREATE TABLE public.t3 (id int)")
    statement = 'SELECT count(*) AS value FROM public."Orders", public.t1, public.t2, public.t3'
    asked = query(statement, more="requires: {relation: [public.t3, public.t1, public.t2]}")
    dsn = server.dsn(database.rpartition("/")[2], user=role, password="plain")
    denied = outcome(dsn, asked)
    assert isinstance(denied, Denied)
    assert denied.grant == f'GRANT SELECT ON public."Orders", public.t2, public.t3 TO "{role}";'
    sql(database, denied.grant)
    assert isinstance(outcome(dsn, asked), Answered)


@pytest.mark.parametrize(
    ("statement", "below"),
    [
        pytest.param("SELECT\n  1 AS value,\n  gone", 2, id="in the third line"),
        pytest.param("-- a comment\nSELECT gone AS value", 1, id="comments count"),
        pytest.param("SELECT 'ö', gone AS value", 0, id="characters, not bytes"),
        pytest.param("SELECT 1/0 AS value", None, id="at no character"),
    ],
)
def test_refusal_names_the_place_in_the_file(
    database: str, statement: str, below: int | None
) -> None:
    asked = query(statement)
    ended = outcome(database, asked)
    assert isinstance(ended, Failed)
    line = "" if below is None else f":{asked.line + below}"
    assert ended.reason.endswith(f" ({asked.path}{line})")


@pytest.mark.parametrize(
    ("statement", "more", "kind", "sqlstate"),
    [
        ("SELECT 1 AS value FROM public.gone", "", OutcomeKind.FAILED, "42P01"),
        (
            "SELECT 1 AS value FROM public.gone",
            "requires: {relation: public.gone}",
            OutcomeKind.NOT_APPLICABLE,
            "",
        ),
        (
            "SELECT 1 AS value FROM gone.t",
            "requires: {relation: gone.t}",
            OutcomeKind.NOT_APPLICABLE,
            "",
        ),
        ("SELECT gone() AS value", "", OutcomeKind.FAILED, "42883"),
        ("SELECT gone AS value", "", OutcomeKind.FAILED, "42703"),
        ("SELECT 1/0 AS value", "", OutcomeKind.FAILED, "22012"),
        ("SELECT 1 AS value", "requires: {version: '>=99'}", OutcomeKind.NOT_APPLICABLE, ""),
        ("SELECT 1 AS value", "role: standby", OutcomeKind.NOT_APPLICABLE, ""),
        ("SELECT 'infinity'::timestamptz AS value", "", OutcomeKind.FAILED, ""),
    ],
)
def test_other_refusals(
    database: str, statement: str, more: str, kind: OutcomeKind, sqlstate: str
) -> None:
    ended = outcome(database, query(statement, more=more))
    assert ended.kind is kind
    assert getattr(ended, "sqlstate", "") == sqlstate


def test_what_a_server_does_not_support_does_not_apply() -> None:
    asked = query("SELECT 1 AS value")
    planned = Runnable(sql=asked.sql, path=asked.path, line=asked.line)
    ended = classify(asked, planned, RefusedError("not here", "0A000", timedelta(0)))
    assert isinstance(ended, NotApplicable)


def test_a_session_that_was_killed_is_replaced_unnoticed(database: str) -> None:
    asked = query("SELECT pg_backend_pid() AS value")

    async def scenario() -> None:
        line, name = Line(target(database), Asked()), database.rpartition("/")[2]
        first = await execute(line, name, asked)
        assert isinstance(first, Answered)
        sql(database, f"SELECT pg_terminate_backend({first.rows[0][0]})")
        second = await execute(line, name, asked)
        assert isinstance(second, Answered)
        assert second.rows[0][0] != first.rows[0][0]
        await line.close()

    asyncio.run(scenario())


def test_a_session_that_is_killed_every_time_is_unreachable(database: str) -> None:
    suicide = "SELECT 1 AS value FROM (SELECT pg_terminate_backend(pg_backend_pid())) AS gone"
    ended = outcome(database, query(suicide))
    assert isinstance(ended, Unreachable)
    assert ended.sqlstate == "57P01"


def test_a_frozen_session_times_out(own_server: LocalServer) -> None:
    asked = query("SELECT pg_backend_pid() AS value", timeout="200ms")

    async def scenario() -> None:
        line = Line(target(own_server.dsn()), Asked())
        first = await execute(line, "postgres", asked)
        assert isinstance(first, Answered)
        pid = first.rows[0][0]
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            second = await execute(line, "postgres", asked)
            assert time.monotonic() - started < 1.6
            assert isinstance(second, TimedOut)
            assert "silent" in second.reason
            assert isinstance(await execute(line, "postgres", asked), Answered)  # a new session
        finally:
            os.kill(pid, signal.SIGCONT)
            await line.close()

    asyncio.run(scenario())


def test_no_server(database: str) -> None:
    ended = outcome(f"postgresql://u:zebra@127.0.0.1:{free_port()}/app", query("SELECT 1 AS value"))
    assert isinstance(ended, Unreachable)
    assert "refused" in ended.reason
