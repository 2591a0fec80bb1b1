"""A session of a check's own on the database that it visits: what it brought, or why it brought nothing."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pgwatch.errors import PgwatchError
from pgwatch.targets.connect import ConnectError, open_session
from pgwatch.targets.server_info import Asked
from pgwatch.targets.session import RefusedError, Session, SessionBrokenError, SilentServerError
from pgwatch.targets.target import ServerInfo, Target

_T = TypeVar("_T")
_FAILURES: tuple[type[PgwatchError], ...] = (RefusedError, SessionBrokenError, SilentServerError)


async def in_session(
    target: Target,
    database: str,
    work: Callable[[Session, ServerInfo], Awaitable[_T]],
    *,
    asked: Asked | None = None,
    prepare: bool = False,
    failing: str = "the catalogue could not be read",
    unreadable: tuple[type[PgwatchError], ...] = (),
) -> _T | str:
    """Return what `work` returns, or a sentence that says why nobody could look.

    `failing` begins that sentence where the server refused or went away, or `work` raised one of
    `unreadable`. Not prepared unless asked for: most of what a check asks, it asks once.
    """
    failures = (*_FAILURES, *unreadable)
    try:
        session, info = await open_session(target, database, asked=asked, prepare=prepare)
    except ConnectError as error:
        return f"no session: {error}"
    try:
        return await work(session, info)
    except failures as error:
        return f"{failing}: {error}"
    finally:
        await session.close()
