"""Statements that travel together are answered each for itself."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from pgwatch.targets.connect import open_session
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.session import RefusedError, Session, SessionBrokenError
from pgwatch.targets.target import Target

SECOND = timedelta(seconds=1)
Answers = list[list[tuple[Any, ...]] | RefusedError]


def in_session(dsn: str, work: Callable[[Session], Awaitable[Answers]]) -> Answers:
    async def run() -> Answers:
        session, _ = await open_session(Target(name="t", dsn=Dsn.parse(dsn)))
        try:
            return await work(session)
        finally:
            await session.close()

    return asyncio.run(run())


def together(
    dsn: str, *statements: str, limit: timedelta = SECOND, pooled: bool = False
) -> Answers:
    async def work(session: Session) -> Answers:
        session.pooled = pooled
        return await session.run_all(statements, limit=limit)

    return in_session(dsn, work)


@pytest.mark.parametrize("pooled", [False, True])
def test_each_statement_has_its_rows_or_its_refusal(database: str, pooled: bool) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int)")
    rows, refused, none, writes, values = together(
        database,
        "SELECT 1::int8, true, NULL::text, ARRAY['a', 'b'], '{\"k\": 1}'::jsonb",
        "SELECT 1 / 0",
        "SELECT a FROM t",
        "INSERT INTO t VALUES (1)",
        "VALUES (1), (2)",
        pooled=pooled,
    )
    assert rows == [(1, True, None, ["a", "b"], {"k": 1})]
    assert isinstance(refused, RefusedError)
    assert (refused.sqlstate, str(refused)) == ("22012", "division by zero")
    assert none == []
    assert isinstance(writes, RefusedError)
    assert writes.sqlstate == "25006"
    assert values == [(1,), (2,)]


def test_the_limit_is_each_statement_s_own(database: str) -> None:
    limit = timedelta(milliseconds=500)
    # All of them take longer than the client waits for a word.
    *slow, late, last = together(
        database, *["SELECT pg_sleep(0.4)"] * 5, "SELECT pg_sleep(5)", "SELECT 1", limit=limit
    )
    assert slow == [[("",)]] * 5
    assert isinstance(late, RefusedError)
    assert late.sqlstate == "57014"
    assert last == [(1,)]


def test_a_connection_that_ends_in_the_middle_is_broken(database: str) -> None:
    with pytest.raises(SessionBrokenError):
        together(database, "SELECT 1", "SELECT pg_terminate_backend(pg_backend_pid())", "SELECT 2")


def test_the_session_goes_on_afterwards(database: str) -> None:
    async def work(session: Session) -> Answers:
        first = await session.run_all(["SELECT 1", "SELECT nothing"], limit=SECOND)
        return [*first, (await session.run("SELECT 2", limit=SECOND)).rows]

    one, refused, two = in_session(database, work)
    assert (one, two) == ([(1,)], [(2,)])
    assert isinstance(refused, RefusedError)
