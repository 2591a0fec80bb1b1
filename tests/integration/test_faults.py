"""A worker through each fault of a real server, and its recovery: pg_up is true to fact, nothing hangs."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from pgwatch.collect import turns
from pgwatch.collect.outcome import Blocked, OutcomeKind, Unreachable
from pgwatch.collect.worker import Worker
from pgwatch.demo.server import LocalServer, free_port
from pgwatch.queries.query import Query
from pgwatch.secret import Secret
from pgwatch.targets.target import Target
from tests.servers import local_server
from tests.watching import Heard, ours, query, silent_server, sql, target

ONE = query("SELECT pg_backend_pid() AS value", timeout="300ms")


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts to come back every 50 to 200 ms."""
    monkeypatch.setattr(turns, "_FIRST_DELAY", 0.1)
    monkeypatch.setattr(turns, "_LONGEST_DELAY", 0.2)


@asynccontextmanager
async def watching(where: Target, *queries: Query) -> AsyncIterator[tuple[Worker, Heard]]:
    """A worker that is offered everything each 50 ms, as a very fast schedule would."""
    heard = Heard()
    worker = Worker(where, queries, heard)

    async def ticking() -> None:
        while True:
            await asyncio.sleep(0.05)
            worker.offer_up()
            worker.offer(queries)

    tasks = [asyncio.create_task(worker.run()), asyncio.create_task(ticking())]
    try:
        yield worker, heard
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def answered(heard: Heard, *, seconds: float = 10) -> None:
    """Return after the next answered run of the query."""
    seen = len(heard.runs)
    await heard.until(
        lambda: any(
            run.outcome.kind is OutcomeKind.ANSWERED and run.source.query == ONE.name
            for run in heard.runs[seen:]
        ),
        seconds=seconds,
    )


def is_up(heard: Heard) -> bool:
    return heard.up[-1:] == [1]


def is_down(heard: Heard) -> bool:
    return heard.up[-1:] == [0]


def test_a_silent_server_is_down_from_the_first_second() -> None:
    async def scenario() -> None:
        with silent_server() as port:
            where = target(f"postgresql://u:zebra@127.0.0.1:{port}/app")
            started = time.monotonic()
            async with watching(where, ONE) as (_, heard):
                await heard.until(lambda: is_down(heard))
                assert time.monotonic() - started < 1.5
                await heard.until(heard.outcomes)
                assert {type(outcome) for outcome in heard.outcomes()} == {Unreachable}
                assert heard.up == [0]
                assert "zebra" not in repr(heard.runs)

    asyncio.run(scenario())


def test_a_target_that_comes_late_is_found() -> None:
    port = free_port()

    async def scenario(server: LocalServer) -> None:
        async with watching(target(server.dsn()), ONE) as (_, heard):
            await heard.until(lambda: is_down(heard))
            await asyncio.to_thread(server.launch)
            await heard.until(lambda: is_up(heard))
            await answered(heard)
            assert heard.up == [0, 1]

    with local_server(port=port) as server:
        server.halt()
        asyncio.run(scenario(server))


def test_a_wrong_password_is_down_until_it_is_right(
    server: LocalServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "password"
    file.write_text("zebra")

    async def scenario() -> None:
        where = target(server.dsn(password=""), password=Secret(file=file))
        async with watching(where, ONE) as (worker, heard):
            await heard.until(lambda: is_down(heard))
            assert "password authentication failed" in (worker.unreachable("postgres") or "")
            assert "zebra" not in repr(heard.runs)
            file.write_text(server.password)
            await answered(heard)
            assert heard.up == [0, 1]

    asyncio.run(scenario())
    assert "database is unreachable" in caplog.text
    assert "zebra" not in repr([record.__dict__ for record in caplog.records])


def test_a_killed_session_is_no_outage(database: str) -> None:
    kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'pgwatch' AND datname = current_database()"""

    async def scenario() -> None:
        async with watching(target(database), ONE) as (_, heard):
            await answered(heard)
            for _ in range(5):
                assert await asyncio.to_thread(sql, database, kill)
                await answered(heard)
            assert heard.up == [1]
            assert {outcome.kind for outcome in heard.outcomes()} == {OutcomeKind.ANSWERED}

    asyncio.run(scenario())


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_frozen_server_goes_down_and_comes_back(own_server: LocalServer) -> None:
    find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwatch'"

    async def scenario() -> None:
        async with watching(target(own_server.dsn()), ONE) as (_, heard):
            await answered(heard)
            backend = sql(own_server.dsn(), find)[0][0]
            assert own_server.pid is not None
            with stopped(backend, own_server.pid):
                started = time.monotonic()
                await heard.until(lambda: is_down(heard))
                # the ping's limit 2 s + 1 s, then a new connection's 1 s
                assert time.monotonic() - started < 4.6
                await heard.until(lambda: isinstance(heard.outcomes()[-1], Unreachable))
            await answered(heard)
            assert heard.up == [1, 0, 1]
            assert ours(own_server.dsn()) <= 3

    asyncio.run(scenario())


def test_one_frozen_session_is_no_outage(own_server: LocalServer) -> None:
    find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwatch'"

    async def scenario() -> None:
        async with watching(target(own_server.dsn()), ONE) as (_, heard):
            await answered(heard)
            with stopped(sql(own_server.dsn(), find)[0][0]):
                await asyncio.sleep(0)
                await answered(heard)
                assert heard.up == [1]

    asyncio.run(scenario())


def test_a_locked_table_blocks_only_the_query_that_reads_it(database: str) -> None:
    sql(database, "CREATE TABLE public.orders (id integer)")
    reading = query("SELECT count(*) AS value FROM public.orders", name="test/orders")

    async def scenario() -> None:
        async with watching(target(database), reading, ONE) as (_, heard):
            await heard.until(lambda: heard.outcomes("test/orders"))
            with psycopg.connect(database) as blocker:
                blocker.execute("LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE")
                await heard.until(lambda: isinstance(heard.outcomes("test/orders")[-1], Blocked))
                blocked = heard.outcomes("test/orders")[-1]
                assert isinstance(blocked, Blocked)
                assert blocked.pid == blocker.info.backend_pid
                await answered(heard)
                blocker.rollback()
            await heard.until(
                lambda: heard.outcomes("test/orders")[-1].kind is OutcomeKind.ANSWERED
            )
            assert heard.up == [1]

    asyncio.run(scenario())


def test_no_slot_left_is_down_for_who_comes_late(own_server: LocalServer) -> None:
    sql(own_server.dsn(), "CREATE ROLE watcher LOGIN PASSWORD 'w'")
    where = target(own_server.dsn(user="watcher", password="w"))

    async def scenario() -> None:
        async with watching(where, ONE) as (_, early), _full(own_server) as stack:
            await answered(early)  # who is connected already goes on
            async with watching(where, ONE) as (worker, late):
                await late.until(lambda: is_down(late))
                assert "connection" in (worker.unreachable("postgres") or "")
                stack.close()
                await answered(late)
                assert late.up == [0, 1]
            assert early.up == [1]

    @asynccontextmanager
    async def _full(server: LocalServer) -> AsyncIterator[ExitStack]:
        """Every connection slot of ordinary roles is taken until the stack is closed."""
        await asyncio.sleep(0.3)  # the early worker has its session
        with ExitStack() as stack:
            while True:
                try:
                    dsn = server.dsn(user="watcher", password="w")
                    stack.enter_context(psycopg.connect(dsn))
                except psycopg.OperationalError:
                    break
            yield stack

    asyncio.run(scenario())


def test_a_server_that_restarts_is_found_again(own_server: LocalServer) -> None:
    async def scenario() -> None:
        async with watching(target(own_server.dsn()), ONE) as (_, heard):
            await answered(heard)
            await asyncio.to_thread(own_server.halt)
            await heard.until(lambda: is_down(heard))
            lost = heard.outcomes()[-1]
            assert isinstance(lost, Unreachable)  # so that its series go stale at once
            await asyncio.to_thread(own_server.launch)
            await answered(heard)
            assert heard.up == [1, 0, 1]

    asyncio.run(scenario())


def test_connections_never_exceed_the_cap(server: LocalServer) -> None:
    names = [f"cap_{number}" for number in range(4)]
    for name in names:
        sql(server.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        sql(server.dsn(), f"CREATE DATABASE {name}")
    count = """SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwatch'
        AND (datname LIKE 'cap\\_%' OR datname = 'postgres')"""

    async def scenario() -> None:
        where = target(server.dsn(), databases=("cap_*",), max_connections=2)
        async with watching(where, ONE) as (_, heard):
            with psycopg.connect(server.dsn(), autocommit=True) as observer:
                most, ends = 0, time.monotonic() + 2
                while time.monotonic() < ends:
                    row = observer.execute(count.encode()).fetchone()
                    assert row is not None
                    most = max(most, row[0])
                    await asyncio.sleep(0)
            assert most == 2
            answers = {
                run.source.database
                for run in heard.runs
                if run.outcome.kind is OutcomeKind.ANSWERED and run.source.query == ONE.name
            }
            assert answers == set(names)

    try:
        asyncio.run(scenario())
    finally:
        for name in names:
            sql(server.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_the_whole_server_is_looked_at_when_one_database_is_lost(own_server: LocalServer) -> None:
    name = "app"
    sql(own_server.dsn(), f"CREATE DATABASE {name}")
    heard = Heard()

    async def scenario() -> None:
        worker = Worker(target(own_server.dsn(), databases=(name,)), [ONE], heard)
        work = asyncio.create_task(worker.run())
        await answered(heard)
        await asyncio.to_thread(own_server.halt)
        worker.offer([ONE])  # in `app` only, and nobody asks whether the server is up
        await heard.until(lambda: is_down(heard))
        work.cancel()
        await asyncio.wait({work})

    asyncio.run(scenario())
