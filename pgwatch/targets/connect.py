"""Opens sessions that do no harm, within a time that holds against any server."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import psycopg

from pgwatch.errors import PgwatchError
from pgwatch.secret import redact
from pgwatch.targets.server_info import Asked, read_server_info
from pgwatch.targets.session import (
    FIRST_LIMIT,
    SETTINGS,
    RefusedError,
    Session,
    SessionBrokenError,
    SilentServerError,
)
from pgwatch.targets.target import ServerInfo, Target
from pgwatch.targets.words import one_line
from pgwatch.units import format_duration

APPLICATION_NAME = "pgwatch"
# How poolers refuse what they cannot keep per session: PgBouncer, RDS Proxy.
_OPTIONS_REFUSED = ("startup parameter", "command-line options")


class ConnectError(PgwatchError):
    """No session: refused, silent, wrong password, no slot left. The message says which, without secrets."""

    def __init__(self, reason: str, sqlstate: str = "") -> None:
        super().__init__(reason)
        self.sqlstate = sqlstate


async def open_session(
    target: Target, database: str = "", *, asked: Asked | None = None, prepare: bool = True
) -> tuple[Session, ServerInfo]:
    """Connect to `database` (empty: the DSN's own) of `target` and read its ServerInfo.

    `prepare`: statements will run more than once, so that a plan on the server pays.
    Raises ConnectError within `target.connect_timeout`.
    """
    ends = time.monotonic() + target.connect_timeout.total_seconds()
    try:
        secrets = target.dsn.secrets()
        async with asyncio.timeout(target.connect_timeout.total_seconds()):
            session = await _connect_with_limits(target, database, secrets)
    except TimeoutError:
        raise ConnectError(_silence(target)) from None
    except psycopg.Error as error:
        reason = redact(one_line(str(error)), secrets)
        # Not chained: a traceback would print libpq's own words.
        raise ConnectError(reason, error.sqlstate or "") from None
    except PgwatchError as error:
        raise ConnectError(str(error)) from error
    try:
        left = timedelta(seconds=max(0.05, ends - time.monotonic()))
        info = await read_server_info(session, asked or Asked(), limit=FIRST_LIMIT, deadline=left)
    except SilentServerError:
        raise ConnectError(_silence(target)) from None
    except (RefusedError, SessionBrokenError) as error:
        await session.close()
        raise ConnectError(str(error), error.sqlstate) from error
    except BaseException:
        await session.close()
        raise
    session.prepares = prepare and not session.pooled
    return session, info


def _silence(target: Target) -> str:
    limit = format_duration(target.connect_timeout)
    return (
        f"{target.dsn.host_port} did not let us in within {limit} (it may accept and stay silent)"
    )


async def _connect_with_limits(target: Target, database: str, secrets: frozenset[str]) -> Session:
    ours = {**SETTINGS, "statement_timeout": str(FIRST_LIMIT // timedelta(milliseconds=1))}
    options = " ".join(f"-c {name}={value}" for name, value in ours.items())
    given = target.dsn.value("options")
    try:
        connection = await _connect(target, database, f"{given} {options}".strip())
    except psycopg.OperationalError as error:
        if not any(words in str(error) for words in _OPTIONS_REFUSED):
            raise
        session = Session(await _connect(target, database, given), secrets=secrets)
        session.pooled = True
        return session
    return Session(connection, secrets=secrets)


async def _connect(
    target: Target, database: str, options: str
) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    settings = {"options": options} if options else {}
    hosts = target.dsn.value("host").count(",") + 1
    if hosts > 1:
        # psycopg tries them one after another: each may use its share, 2 s at least (libpq's rule)
        share = target.connect_timeout.total_seconds() / hosts
        settings["connect_timeout"] = str(max(2, int(share)))
    conninfo = target.dsn.conninfo(
        database=database,
        application_name=APPLICATION_NAME,
        client_encoding="utf8",
        **settings,
    )
    return await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
