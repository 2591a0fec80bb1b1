"""Serves the application with uvicorn as one task among the daemon's others."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from pgwatch.errors import PgwatchError

_GRACE_SECONDS = 2  # for answers that are under way when we stop
_MAX_CONNECTIONS = 200  # beyond it: 503, so that nobody can take all file descriptors


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: signals are the daemon's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WebServer:
    """Listens from the moment it is made, and answers while `run` runs.

    Raises PgwatchError if the address cannot be had.
    """

    def __init__(
        self, app: ASGIApp, *, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            # Python adds the address.
            reason = (error.strerror or str(error)).partition(" (while")[0]
            if error.errno == errno.EADDRINUSE:
                reason += " (by another pgwatch?); `web: {listen: …}` names another"
            raise PgwatchError(f"cannot listen on {host}:{port}: {reason}") from error
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            access_log=False,
            http="httptools",
            lifespan="off",
            limit_concurrency=_MAX_CONNECTIONS,
            log_config=None,
            log_level="warning",
            loop="asyncio",
            # Who a client is must not depend on a header: reload is for this machine only.
            proxy_headers=False,
            server_header=False,
            ssl_context_factory=(lambda *_: tls) if tls is not None else None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ws="none",
        )
        self._server = _Server(config)

    async def run(self) -> None:
        """Answer requests until cancelled, then let those under way finish for a moment."""
        try:
            await self._server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            # uvicorn only cleans up when it ends by itself; this ends within the grace.
            if self._server.started:
                await asyncio.shield(self._server.shutdown(sockets=[self._socket]))
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Give up the address; for a server that never ran."""
        self._socket.close()
