"""One of a target's few connections: it serves one database at a time."""

import time
from collections.abc import Iterable
from datetime import timedelta

from pgwatch.targets.connect import open_session
from pgwatch.targets.server_info import read_server_info
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo, Target

# A server process keeps a cache of every relation it has seen; a new one begins small again.
_LIFETIME = timedelta(hours=1)
_PING_LIMIT = timedelta(seconds=2)


class Line:
    """Holds at most one session; closes it before it opens the next. Used by one task at a time."""

    def __init__(self, target: Target, *, settings: Iterable[str] = ()) -> None:
        self.database = ""  # of the session; empty: none
        self.used = 0.0  # monotonic time at which it last served
        self._target = target
        self._settings = tuple(settings)
        self._session: Session | None = None
        self._info: ServerInfo | None = None

    @property
    def info(self) -> ServerInfo | None:
        """What the server of the current session said last."""
        return self._info

    async def session(self, database: str) -> tuple[Session, ServerInfo]:
        """Return an open session of `database`; raises ConnectError."""
        session, info = self._session, self._info
        if session is None or info is None or session.closed or database != self.database:
            await self.close()
            session, info = await open_session(self._target, database, settings=self._settings)
            self._session, self._info, self.database = session, info, database
        self.used = time.monotonic()
        return session, info

    async def refresh(self, database: str) -> ServerInfo:
        """Ask the server again who it is: a failover, an upgrade, a new extension show here.

        Raises ConnectError, or what `Session.run` raises.
        """
        opened_before = self._session
        session, info = await self.session(database)
        if session is opened_before:
            info = await read_server_info(session, limit=_PING_LIMIT, settings=self._settings)
            self._info = info
        return info

    async def retire(self) -> None:
        """Close a session that has lived long enough, after its work."""
        session = self._session
        if session is not None and time.monotonic() - session.opened > _LIFETIME.total_seconds():
            await self.close()

    async def close(self) -> None:
        """End the session, if there is one."""
        session, self._session, self._info, self.database = self._session, None, None, ""
        if session is not None:
            await session.close()
