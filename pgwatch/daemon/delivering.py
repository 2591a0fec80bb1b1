"""Delivers through the channels of the routing in force; a change of channels loses and repeats nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from pgwatch.notify.channels.build import build_channels
from pgwatch.notify.deadletter import dead_letters
from pgwatch.notify.notification import Notification
from pgwatch.notify.outbox import Outbox, Queue, Queued
from pgwatch.notify.route import Routing

_STOP_GRACE = timedelta(seconds=5)  # what is on its way then is sent again after the next start
_CHANGE_GRACE = timedelta(seconds=30)  # longer than a channel waits for its receiver


class Delivering:
    """Runs one outbox worker at a time, in a thread."""

    def __init__(
        self,
        queue: Queue,
        routing: Routing,
        *,
        dead_letters_to: str = "",
        on_outcome: Callable[[Queued, str], None],
    ) -> None:
        """`dead_letters_to` is the receiver that hears what another could not be told; "": any other."""
        self._queue = queue
        self._routing = routing
        self._dead_letters_to = dead_letters_to
        self._on_outcome = on_outcome
        self._outbox = self._build()
        self._resumed, self._idle = asyncio.Event(), asyncio.Event()
        self._resumed.set()
        self._idle.set()

    def wake(self) -> None:
        """Look at the outbox now; may be called from any thread."""
        self._outbox.wake()

    @asynccontextmanager
    async def changing_to(self, routing: Routing, dead_letters_to: str = "") -> AsyncIterator[None]:
        """Deliver through the channels of `routing` after the block, unless it raises.

        Inside it nothing is taken from the outbox: the old channels would give up what is for new ones.
        """
        if _channels(routing, dead_letters_to) == _channels(self._routing, self._dead_letters_to):
            yield
            return
        self._resumed.clear()
        self._outbox.halt()
        await self._idle.wait()
        try:
            yield
            self._routing = routing
            self._dead_letters_to = dead_letters_to
        finally:
            self._resumed.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        loop = asyncio.get_running_loop()
        threads = ThreadPoolExecutor(2, thread_name_prefix="outbox")
        try:
            while True:
                await self._resumed.wait()
                self._idle.clear()
                outbox = self._outbox = self._build()
                grace = _STOP_GRACE
                try:
                    await loop.run_in_executor(threads, outbox.run)
                    self._idle.set()
                    grace = _CHANGE_GRACE
                finally:
                    await loop.run_in_executor(threads, outbox.stop, grace)
        finally:
            self._idle.set()
            threads.shutdown(wait=False)

    def _build(self) -> Outbox:
        routing, wanted = self._routing, self._dead_letters_to

        def letters(lost: Notification, error: str, now: datetime) -> tuple[Notification, ...]:
            return dead_letters(lost, error, routing, wanted=wanted, now=now)

        return Outbox(
            self._queue,
            build_channels(routing),
            dead_letters=letters,
            on_outcome=self._on_outcome,
        )


def _channels(routing: Routing, dead_letters_to: str) -> tuple[object, ...]:
    """Return what the channels are built from."""
    receivers = (routing.receivers, routing.hidden, routing.root.receiver)
    return (*receivers, routing.templates, dead_letters_to)
