"""Small parts for tests that watch a real server: queries from text, targets, a sink that can be awaited."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from pgwatch.collect.outcome import Outcome, QueryRun
from pgwatch.collect.report import UP
from pgwatch.queries.header import parse_query
from pgwatch.queries.query import Query
from pgwatch.secret import Secret
from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.session import Session
from pgwatch.targets.target import Target

_T = TypeVar("_T")
SECOND = timedelta(seconds=1)
_HEADER = """/*
help: A test's query
interval: {interval}
timeout: {timeout}
scope: {scope}
{more}
metrics:
  test_value: {{type: gauge, value: value, help: A value}}
*/
"""


def query(
    sql: str,
    *,
    name: str = "test/value",
    timeout: str = "1s",
    interval: str = "60s",
    scope: str = "database",
    more: str = "",
) -> Query:
    """Return a query with one metric, `test_value`, from the column `value`."""
    header = _HEADER.format(interval=interval, timeout=timeout, scope=scope, more=more)
    return parse_query(header + sql + ";\n", name=name, path=Path(f"{name}.sql"))


def target(dsn: str, *, password: Secret | None = None, **more: Any) -> Target:
    """Return a target named `t1` that gives up connecting after one second."""
    more.setdefault("connect_timeout", SECOND)
    return Target(name="t1", dsn=Dsn.parse(dsn, password=password), **more)


class Heard:
    """A sink: keeps every run, and lets a test wait for one."""

    def __init__(self) -> None:
        self.runs: list[QueryRun] = []
        self._news = asyncio.Event()

    def __call__(self, run: QueryRun) -> None:
        self.runs.append(run)
        self._news.set()

    @property
    def up(self) -> list[float]:
        """All values of pg_up so far, without repetitions."""
        values: list[float] = []
        for run in self.runs:
            if run.source.query == UP and run.collected is not None:
                value = run.collected.values[0]
                if values[-1:] != [value]:
                    values.append(value)
        return values

    def has_runs(self, count: int) -> bool:
        """Return whether there are `count` of them."""
        return len(self.runs) >= count

    def outcomes(self, name: str = "test/value") -> list[Outcome]:
        """Return the outcomes of query `name` so far."""
        return [run.outcome for run in self.runs if run.source.query == name]

    async def until(self, condition: Callable[[], object], *, seconds: float = 10.0) -> None:
        """Return as soon as `condition` holds; it is looked at after each run."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()


@contextmanager
def silent_server() -> Iterator[int]:
    """A port of loopback that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for connection in kept:
            connection.close()


def sql(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement in a session of its own; returns its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def over_session(dsn: str, work: Callable[[Session], Coroutine[Any, Any, _T]]) -> _T:
    """Return what `work` finds over a session of its own, opened as commands do it."""

    async def run() -> _T:
        session, _ = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
        try:
            return await work(session)
        finally:
            await session.close()

    return asyncio.run(run())


def ours(dsn: str) -> int:
    """Return how many sessions of pgwatch the server has now."""
    return int(
        sql(
            dsn,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwatch'",
        )[0][0]
    )
