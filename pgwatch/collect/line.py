"""One of a target's few connections: it serves one database at a time."""

import time
from datetime import timedelta

from pgwatch.targets.connect import open_session
from pgwatch.targets.server_info import Asked, read_server_info
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo, Target

# A server process keeps a cache of every relation it has seen; a new one begins small again.
_LIFETIME = timedelta(hours=1)
_INFO_AGE = timedelta(minutes=1)
_PING_LIMIT = timedelta(seconds=2)


class Line:
    """Holds at most one session; closes it before it opens the next. Used by one task at a time."""

    def __init__(self, target: Target, asked: Asked, *, prepare: bool = True) -> None:
        self.database = ""  # of the session; empty: none
        self.used = 0.0  # monotonic time at which it last served
        self._target = target
        self._asked = asked
        self._prepare = prepare
        self._session: Session | None = None
        self._info: ServerInfo | None = None
        self._informed = 0.0  # monotonic time of `_info`

    @property
    def info(self) -> ServerInfo | None:
        """What the server of the current session said last."""
        return self._info

    def outdated(self, database: str) -> bool:
        """Whether there is a session of `database` whose ServerInfo is too old to plan with."""
        age = time.monotonic() - self._informed
        return database == self.database and age > _INFO_AGE.total_seconds()

    async def session(self, database: str) -> tuple[Session, ServerInfo]:
        """Return an open session of `database`; raises ConnectError."""
        session, info = self._session, self._info
        if session is None or info is None or session.closed or database != self.database:
            await self.close()
            session, info = await open_session(
                self._target, database, asked=self._asked, prepare=self._prepare
            )
            self._session, self._info, self.database = session, info, database
            self._informed = time.monotonic()
        self.used = time.monotonic()
        return session, info

    async def refresh(self, database: str) -> ServerInfo:
        """Ask the server again who it is: a failover, an upgrade, a new extension show here.

        Raises ConnectError, or what `Session.run` raises.
        """
        opened_before = self._session
        session, info = await self.session(database)
        if session is opened_before:
            info = await read_server_info(session, self._asked, limit=_PING_LIMIT)
            self._info, self._informed = info, time.monotonic()
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
