"""Sessions on real servers: their limits, what they say of the server, and every way not to get one."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from pgwatch.demo.server import LocalServer, free_port
from pgwatch.secret import Secret
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.discover import list_databases
from pgwatch.targets.session import (
    RefusedError,
    Session,
    SessionBrokenError,
    SilentServerError,
)
from pgwatch.targets.target import Role, ServerInfo, Target
from tests.watching import SECOND, ours, silent_server, sql, target

SHORT = timedelta(milliseconds=200)
T = TypeVar("T")


def within(
    where: Target, scenario: Callable[[Session, ServerInfo], Awaitable[T]], database: str = ""
) -> T:
    """Run `scenario` in a session of `where`."""

    async def run() -> T:
        session, info = await open_session(where, database)
        try:
            return await scenario(session, info)
        finally:
            await session.close()

    return asyncio.run(run())


async def one(session: Session, statement: str, limit: timedelta = SECOND) -> object:
    return (await session.run(statement, limit=limit)).rows[0][0]


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop the processes, and let them go on afterwards."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def test_a_session_has_its_limits(any_database: str) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        expected = {
            "statement_timeout": "700ms",
            "lock_timeout": "100ms",
            "idle_in_transaction_session_timeout": "10s",
            "default_transaction_read_only": "on",
            "search_path": "pg_catalog,public",
            "application_name": "pgwatch",
            "TimeZone": "UTC",
        }
        for name, value in expected.items():
            shown = await one(session, f"SHOW {name}", timedelta(milliseconds=700))
            assert str(shown).replace(" ", "") == value, name
        with pytest.raises(RefusedError) as caught:
            await session.run("CREATE TABLE public.t ()", limit=SECOND)
        assert caught.value.sqlstate == "25006"

    within(target(any_database), scenario)


def test_options_of_the_dsn_stay(database: str) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        assert await one(session, "SHOW work_mem") == "1MB"
        assert await one(session, "SHOW lock_timeout") == "100ms"

    options = "?options=-c%20work_mem%3D1MB%20-c%20lock_timeout%3D0"
    within(target(database + options), scenario)


def test_a_server_says_who_it_is(any_database: str) -> None:
    sql(any_database, "CREATE EXTENSION pg_stat_statements")

    async def scenario(session: Session, info: ServerInfo) -> None:
        assert info.version_num // 10_000 == info.major
        assert info.version.startswith(str(info.major))
        assert info.role is Role.PRIMARY
        assert info.database in any_database
        assert (info.user, info.is_superuser, info.pooled) == ("postgres", True, False)
        assert set(info.extensions) == {"plpgsql", "pg_stat_statements"}
        assert info.settings["track_commit_timestamp"] == "off"
        assert info.settings["compute_query_id"] == "auto"
        assert session.prepares

    within(target(any_database), scenario)


@pytest.fixture
def plain_role(server: LocalServer, database: str) -> Iterator[str]:
    """A role without any right, that may log in with the password `plain`."""
    name = database.rpartition("/")[2] + "_role"
    sql(database, f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")
    yield name
    sql(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_memberships_are_those_whose_rights_we_have(
    server: LocalServer, database: str, plain_role: str
) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        assert not info.is_superuser
        assert info.user == plain_role
        assert info.memberships == memberships

    where = target(server.dsn(database.rpartition("/")[2], user=plain_role, password="plain"))
    memberships = frozenset[str]()
    within(where, scenario)
    sql(database, f"GRANT pg_monitor TO {plain_role}")
    memberships = frozenset(
        {"pg_monitor", "pg_read_all_stats", "pg_read_all_settings", "pg_stat_scan_tables"}
    )
    within(where, scenario)
    sql(database, f"ALTER ROLE {plain_role} NOINHERIT")  # from here on: member, but no rights
    sql(database, f"REVOKE pg_monitor FROM {plain_role}; GRANT pg_read_all_data TO {plain_role}")
    memberships = frozenset()
    within(where, scenario)


def test_databases_are_listed_without_those_that_refuse_us(
    server: LocalServer, database: str
) -> None:
    name = database.rpartition("/")[2]
    sql(database, f"CREATE DATABASE {name}_closed ALLOW_CONNECTIONS false")

    async def scenario(session: Session, info: ServerInfo) -> None:
        names = await list_databases(session, limit=SECOND)
        assert {name, "postgres"} <= set(names)
        assert {f"{name}_closed", "template0", "template1"}.isdisjoint(names)

    try:
        within(target(database), scenario)
    finally:
        sql(server.dsn(), f"DROP DATABASE {name}_closed")


def refusal(where: Target, database: str = "") -> str:
    """Return why no session was opened."""

    async def run() -> None:
        session, _ = await open_session(where, database)
        await session.close()

    with pytest.raises(ConnectError) as caught:
        asyncio.run(run())
    return str(caught.value)


def test_a_silent_server_is_given_up_in_time() -> None:
    with silent_server() as port, at_most(1.4):
        reason = refusal(target(f"postgresql://u:zebra@127.0.0.1:{port}/app"))
    assert "within 1s" in reason
    assert "zebra" not in reason


def test_a_refused_connection_says_so() -> None:
    with at_most(1.0):
        reason = refusal(target(f"postgresql://u:zebra@127.0.0.1:{free_port()}/app"))
    assert "refused" in reason
    assert "zebra" not in reason


def test_a_wrong_password_is_not_repeated(server: LocalServer) -> None:
    reason = refusal(target(server.dsn(password="zebra")))
    assert "password authentication failed" in reason
    assert "zebra" not in reason


def test_an_absent_database_is_named(database: str) -> None:
    assert 'database "nowhere" does not exist' in refusal(target(database), "nowhere")


def test_a_password_file_is_read_at_each_connect(server: LocalServer, tmp_path: Path) -> None:
    file = tmp_path / "password"
    where = target(server.dsn(password="old"), password=Secret(file=file))
    assert "cannot read secret file" in refusal(where)
    file.write_text(server.password + "\n")

    async def scenario(session: Session, info: ServerInfo) -> object:
        return await one(session, "SELECT 1")

    assert within(where, scenario) == 1


def test_a_slow_statement_is_cancelled_by_the_server(database: str) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        with at_most(0.9), pytest.raises(RefusedError) as caught:
            await session.run("SELECT pg_sleep(30)", limit=SHORT)
        assert caught.value.sqlstate == "57014"
        assert await one(session, "SELECT 1") == 1

    within(target(database), scenario)


def test_a_frozen_server_is_given_up_after_the_limit(own_server: LocalServer) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        pid = own_server.pid
        assert pid is not None
        with frozen(session.pid, pid):
            with at_most(1.6), pytest.raises(SilentServerError):
                await session.run("SELECT 1", limit=SHORT)
            assert session.closed
            with at_most(1.4), pytest.raises(ConnectError):
                await open_session(target(own_server.dsn()))
        again, _ = await open_session(target(own_server.dsn()))
        assert await one(again, "SELECT 1") == 1
        await again.close()

    within(target(own_server.dsn()), scenario)
    assert ours(own_server.dsn()) == 0


def test_a_cancelled_caller_cancels_on_the_server(database: str) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        work = asyncio.create_task(session.run("SELECT pg_sleep(30)", limit=30 * SECOND))
        await asyncio.sleep(0.1)
        work.cancel()
        with at_most(0.9), pytest.raises(asyncio.CancelledError):
            await work
        assert await one(session, "SELECT 1") == 1  # so the server does not sleep any more

    within(target(database), scenario)


def test_a_cancelled_caller_does_not_wait_for_a_frozen_server(own_server: LocalServer) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        pid = own_server.pid
        assert pid is not None
        with frozen(session.pid, pid):
            work = asyncio.create_task(session.run("SELECT 1", limit=30 * SECOND))
            await asyncio.sleep(0.05)
            work.cancel()
            with at_most(2.5), pytest.raises(asyncio.CancelledError):
                await work

    within(target(own_server.dsn()), scenario)


def test_a_terminated_session_is_broken(database: str) -> None:
    async def scenario(session: Session, info: ServerInfo) -> None:
        sql(database, f"SELECT pg_terminate_backend({session.pid})")
        with pytest.raises(SessionBrokenError):
            await session.run("SELECT 1", limit=SECOND)
        assert session.closed

    within(target(database), scenario)


def test_a_closed_session_is_gone_from_the_server(own_server: LocalServer) -> None:
    async def scenario() -> None:
        for _ in range(20):
            session, _info = await open_session(target(own_server.dsn()))
            await session.close()
            assert ours(own_server.dsn()) == 0

    asyncio.run(scenario())


def test_a_changed_column_type_is_no_error(database: str) -> None:
    sql(database, "CREATE TABLE public.t (v integer)")

    async def scenario(session: Session, info: ServerInfo) -> None:
        statement = "SELECT v FROM public.t"
        for _ in range(2):
            await session.run(statement, limit=SECOND)
        sql(database, "ALTER TABLE public.t ALTER v TYPE text")
        await session.run(statement, limit=SECOND)
        assert await one(session, "SELECT count(*) FROM pg_prepared_statements") == 2

    within(target(database), scenario)


def test_an_extension_is_found_in_whatever_schema(database: str) -> None:
    sql(database, """CREATE SCHEMA "ex't"; CREATE EXTENSION pg_stat_statements SCHEMA "ex't" """)

    async def scenario(session: Session, info: ServerInfo) -> None:
        assert await one(session, "SELECT count(*) > 0 FROM pg_stat_statements(false)") is True
        session.pooled = True  # what it does behind a pooler
        assert await one(session, "SELECT count(*) > 0 FROM pg_stat_statements(false)") is True

    within(target(database), scenario)


def test_the_second_host_is_tried_while_the_first_is_silent(server: LocalServer) -> None:
    with silent_server() as port:
        hosts = f"127.0.0.1:{port},127.0.0.1:{server.port}"
        dsn = f"postgresql://postgres:{server.password}@{hosts}/postgres"

        async def scenario(session: Session, info: ServerInfo) -> object:
            return await one(session, "SELECT 1")

        assert within(target(dsn, connect_timeout=5 * SECOND), scenario) == 1
