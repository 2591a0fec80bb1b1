"""The real HTTP server over values of a test, in a thread of its own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pgwatch.web.app import Providers, create_app
from pgwatch.web.server import WebServer


@contextmanager
def serving(providers: Providers, *, host: str = "127.0.0.1") -> Iterator[str]:
    """Give the base URL of a running server."""
    server = WebServer(create_app(providers), host=host, port=0)
    loop = asyncio.new_event_loop()
    task = loop.create_task(server.run())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://{host}:{server.port}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        assert not thread.is_alive()
