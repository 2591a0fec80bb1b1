"""One open session: statements bounded on the server and on the client, given up when it is silent."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence, Sized
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq.abc import PGresult

from pgwatch.errors import PgwatchError
from pgwatch.secret import redact
from pgwatch.targets.describe import (
    Described,
    Explained,
    describe_all,
    explain_all,
    rows_of,
    run_all,
)
from pgwatch.targets.words import one_line
from pgwatch.units import format_duration

_T = TypeVar("_T")

LOCK_TIMEOUT = timedelta(milliseconds=100)
FIRST_LIMIT = timedelta(seconds=5)  # statement_timeout at connecting
GRACE = timedelta(seconds=1)  # statement_timeout + this = the client's deadline
_LAST_WORDS = 1.0  # seconds for what should take milliseconds: a cancel, a close, a broken read

SETTINGS: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "lock_timeout": str(LOCK_TIMEOUT // timedelta(milliseconds=1)),
    "idle_in_transaction_session_timeout": "10000",
    "search_path": "pg_catalog,public",
    "row_security": "off",  # rows that a policy hides are an error then, not an answer without them
    "jit": "off",  # compiling a catalogue query costs more than running it
    # psycopg reads dates and intervals in these forms only; a role's own defaults may differ.
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
}
# Of a statement that met the end of its session: operator intervention, and all of class 08.
_ENDINGS = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03"})


class SessionBrokenError(PgwatchError):
    """The connection is gone; another one may work at once."""

    def __init__(self, reason: str, sqlstate: str = "") -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate


class SilentServerError(PgwatchError):
    """No answer within the client's deadline, though the server should have cancelled: given up."""


class RefusedError(PgwatchError):
    """The server refused the statement (`sqlstate`), or its answer cannot be read (no sqlstate)."""

    def __init__(
        self, reason: str, sqlstate: str, elapsed: timedelta, *, position: int | None = None
    ) -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate
        self.elapsed = elapsed
        self.position = position  # of the character of the statement that it is about, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All rows of one statement."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    elapsed: timedelta  # from sending to the last row


class Session:
    """One connection in autocommit, used by one task at a time.

    Where the limits could not be set for the whole session (`pooled`: PgBouncer), each statement runs
    unprepared in a read-only transaction that sets them.
    """

    def __init__(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], *, secrets: Iterable[str]
    ) -> None:
        self.pooled = False
        self.prepares = False  # until the server confirmed that the session's limits reached it
        self.opened = time.monotonic()
        self._connection = connection
        self._secrets = tuple(secrets)
        self.schemas: tuple[str, ...] = ()  # of extensions, after those of SETTINGS' search_path
        self._limit_ms = _milliseconds(FIRST_LIMIT)
        self._schemas: tuple[str, ...] = ()  # those that the server's session has
        self._answered: set[str] = set()  # statements that have a prepared plan

    @property
    def closed(self) -> bool:
        """Whether nothing can be run any more."""
        return self._connection.closed

    @property
    def pid(self) -> int:
        """The server process of the connection; behind a pooler it means nothing."""
        return self._connection.info.backend_pid

    async def run(self, sql: str, *, limit: timedelta, deadline: timedelta | None = None) -> Answer:
        """Run one statement and return its rows; `limit` is its statement_timeout.

        Returns or raises within `deadline` (default: `limit` + GRACE) whatever the server does.
        Raises RefusedError, SessionBrokenError or SilentServerError (then the session is closed). When the
        calling task is cancelled, the statement is cancelled on the server.
        """
        patience = limit + GRACE if deadline is None else deadline
        return await self._bounded(self._work(sql, limit), patience)

    async def run_all(
        self, statements: Sequence[str], *, limit: timedelta
    ) -> list[list[tuple[Any, ...]] | RefusedError]:
        """Run statements that travel together, each as by `run`; return the rows or the refusal of each.

        Raises SessionBrokenError, or SilentServerError after `limit` + GRACE without a word of any of them.
        """
        if self.pooled:
            return [await self._alone(one, limit) for one in statements]
        started = time.perf_counter()
        results: list[list[PGresult]] = []
        work = self._pipelined(run_all(self._connection.pgconn, statements, results), limit)
        await self._bounded(work, limit + GRACE, progress=results)
        elapsed = timedelta(seconds=time.perf_counter() - started)
        return [self._read(one, elapsed) for one in results]

    async def _alone(self, sql: str, limit: timedelta) -> list[tuple[Any, ...]] | RefusedError:
        try:
            return (await self.run(sql, limit=limit)).rows
        except RefusedError as error:
            return error

    def _read(
        self, results: Sequence[PGresult], elapsed: timedelta
    ) -> list[tuple[Any, ...]] | RefusedError:
        try:
            return rows_of(self._connection, results)
        except psycopg.Error as error:
            return RefusedError(self.shown(error), error.sqlstate or "", elapsed)
        except ValueError as error:  # bytes that are not UTF-8
            return RefusedError(self.shown(error), "", elapsed)

    async def describe(self, statements: Sequence[str], *, limit: timedelta) -> list[Described]:
        """Let the server analyse each statement, and neither plan nor run it; `limit` is for all of them.

        They travel together. A statement takes ACCESS SHARE locks on what it reads, briefly. Raises
        SessionBrokenError or SilentServerError; a refusal is an answer.
        """
        return await self._bounded(
            self._pipelined(describe_all(self._connection.pgconn, statements), limit), limit + GRACE
        )

    async def explain(self, statements: Sequence[str], *, limit: timedelta) -> list[Explained]:
        """Run EXPLAINs together and return the document of each; `limit` is for each, and for all.

        Raises SessionBrokenError or SilentServerError; a refusal is an answer.
        """
        if not self.pooled:
            work = self._pipelined(explain_all(self._connection.pgconn, statements), limit)
            return await self._bounded(work, limit + GRACE)
        answers = []
        for statement in statements:
            try:
                [[document]] = (await self.run(statement, limit=limit)).rows
                answers.append(Explained(document=json.dumps(document)))
            except RefusedError as error:
                answers.append(Explained(sqlstate=error.sqlstate, message=str(error)))
        return answers

    async def _bounded(
        self, coroutine: Coroutine[Any, Any, _T], patience: timedelta, *, progress: Sized = ()
    ) -> _T:
        """Wait for the work for `patience`, and again as often as `progress` grew meanwhile."""
        work = asyncio.create_task(coroutine)
        work.add_done_callback(_retrieve)
        seen = -1
        try:
            while not work.done() and len(progress) > seen:
                seen = len(progress)
                await asyncio.wait({work}, timeout=patience.total_seconds())
        except asyncio.CancelledError:
            await self._cancel(work)
            raise
        if not work.done():
            await self._abandon(work)
            raise SilentServerError(
                f"the server was silent for {format_duration(patience)}; it did not even"
                " cancel the statement at its statement_timeout"
            )
        return work.result()

    async def close(self) -> None:
        """End the session, and wait (briefly) until the server's process of it is really gone.

        So the next connection cannot be one more than the cap: the kernel closes the server's side of
        the socket only when that process has ended.
        """
        watch = self._duplicate()
        await self._connection.close()
        if watch is None:
            return
        with watch, suppress(OSError, TimeoutError):
            watch.setblocking(False)
            async with asyncio.timeout(_LAST_WORDS):
                while await asyncio.get_running_loop().sock_recv(watch, 4096):
                    pass

    def shown(self, error: BaseException) -> str:
        """Return the error's message in one line, without any password and without the statement."""
        text = str(error)
        if isinstance(error, psycopg.Error) and (primary := error.diag.message_primary):
            # The detail of a refused privilege names the role that has it; others may hold rows.
            detail = error.diag.message_detail if error.sqlstate == "42501" else None
            text = f"{primary}: {detail}" if detail else primary
        return redact(one_line(text), self._secrets)

    async def _work(self, sql: str, limit: timedelta) -> Answer:
        started = time.perf_counter()
        try:
            limit_ms = _milliseconds(limit)
            if self.pooled:
                return await self._in_transaction(sql, limit_ms)
            await self._settle(limit_ms)
            return await self._prepared(sql)
        except (psycopg.Error, ValueError) as error:  # ValueError: bytes that are not UTF-8
            elapsed = timedelta(seconds=time.perf_counter() - started)
            state, position = "", None
            if isinstance(error, psycopg.Error):
                state, position = error.sqlstate or "", error.diag.statement_position
            if self.closed or state in _ENDINGS or state.startswith("08"):
                await self._connection.close()
                raise SessionBrokenError(self.shown(error), state) from None
            at = int(position) if position else None
            raise RefusedError(self.shown(error), state, elapsed, position=at) from None

    async def _pipelined(self, work: PQGen[_T], limit: timedelta) -> _T:
        try:
            if not self.pooled:
                await self._settle(_milliseconds(limit))
            return await self._connection.wait(work)
        except psycopg.Error as error:
            await self._connection.close()
            raise SessionBrokenError(self.shown(error), error.sqlstate or "") from None

    async def _settle(self, limit_ms: int) -> None:
        """Bring the session's settings to what the next statement needs, if they differ."""
        if limit_ms != self._limit_ms:
            await self._connection.execute(
                f"SET statement_timeout = {limit_ms}".encode(), prepare=False
            )
            self._limit_ms = limit_ms
        if self.schemas != self._schemas:
            path = _search_path(self.schemas)
            await self._connection.execute(f"SET search_path = {path}".encode(), prepare=False)
            self._schemas = self.schemas

    async def _prepared(self, sql: str) -> Answer:
        try:
            answer = await self._fetch(sql, prepare=self.prepares)
        except psycopg.errors.FeatureNotSupported:
            if sql not in self._answered:
                raise
            # "cached plan must not change result type": a migration changed a column's type.
            self._answered.clear()
            await self._connection.execute(b"DEALLOCATE ALL", prepare=False)
            answer = await self._fetch(sql, prepare=True)
        self._answered.add(sql)
        return answer

    async def _in_transaction(self, sql: str, limit_ms: int) -> Answer:
        values = {name: _literal(value) for name, value in SETTINGS.items()}
        values["statement_timeout"] = str(limit_ms)
        values["search_path"] = _search_path(self.schemas)
        local = "".join(f"SET LOCAL {name} = {value};" for name, value in values.items())
        await self._connection.execute(f"BEGIN READ ONLY; {local}".encode(), prepare=False)
        try:
            return await self._fetch(sql, prepare=False)
        finally:
            if not self.closed:
                await self._connection.execute(b"ROLLBACK", prepare=False)

    async def _fetch(self, sql: str, *, prepare: bool) -> Answer:
        started = time.perf_counter()
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql.encode(), prepare=prepare)
            rows = await cursor.fetchall() if cursor.description else []
            columns = tuple(column.name for column in cursor.description or ())
        elapsed = timedelta(seconds=time.perf_counter() - started)
        return Answer(columns=columns, rows=rows, elapsed=elapsed)

    async def _cancel(self, work: asyncio.Task[Any]) -> None:
        try:
            with suppress(psycopg.Error, OSError):
                await self._connection.cancel_safe(timeout=_LAST_WORDS)
            await asyncio.wait({work}, timeout=_LAST_WORDS)
        finally:
            if not work.done():
                await self._abandon(work)

    async def _abandon(self, work: asyncio.Task[Any]) -> None:
        """Shut the socket down under psycopg, whose own cancel would wait 10 s for a frozen server."""
        if (watch := self._duplicate()) is not None:
            with watch, suppress(OSError):
                watch.shutdown(socket.SHUT_RDWR)
        await asyncio.wait({work}, timeout=_LAST_WORDS)
        work.cancel()  # no effect on what has ended
        await self._connection.close()

    def _duplicate(self) -> socket.socket | None:
        try:
            return socket.socket(fileno=os.dup(self._connection.pgconn.socket))
        except (psycopg.Error, OSError):
            return None


def _retrieve(work: asyncio.Task[Any]) -> None:
    """Look at the error of work that nobody waits for any more; asyncio would print it."""
    if not work.cancelled():
        work.exception()


def _milliseconds(duration: timedelta) -> int:
    return max(1, duration // timedelta(milliseconds=1))


def _search_path(schemas: Iterable[str]) -> str:
    return ", ".join(map(_literal, (*SETTINGS["search_path"].split(","), *schemas)))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
