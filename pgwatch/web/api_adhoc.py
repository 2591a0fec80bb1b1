"""Ad-hoc queries: one at a time on a thread of their own, each within a limit.

So whoever queries can neither stall the event loop nor take more than one core beside the rules.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

from pgwatch.web.api_answer import ApiError, ErrorKind

LIMIT = timedelta(seconds=30)  # wall-clock time of a query, with the time that it waits for others
_MAX_WAITING = 100  # a dashboard asks for a few dozen at once

T = TypeVar("T")
CheckTime = Callable[[], None]


class AdHoc:
    """Runs the work of requests, in the order in which they came."""

    def __init__(self, limit: timedelta = LIMIT) -> None:
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ad-hoc")
        self._asked = 0

    async def run(self, work: Callable[[CheckTime], T], within: timedelta | None = None) -> T:
        """Return what `work` gives; raises ApiError if that takes too long.

        `work` calls its argument now and then, which ends it by raising once nobody waits any more.
        """
        if self._asked > _MAX_WAITING:
            raise ApiError(ErrorKind.UNAVAILABLE, "too many queries are waiting; try again later")
        limit = min(self._limit, within or self._limit).total_seconds()
        ends, given_up = time.monotonic() + limit, threading.Event()

        def check_time() -> None:
            if given_up.is_set() or time.monotonic() > ends:
                raise _timed_out()

        def run() -> T:
            check_time()
            return work(check_time)

        self._asked += 1
        try:
            async with asyncio.timeout(limit):
                return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        except TimeoutError:
            raise _timed_out() from None
        finally:
            given_up.set()
            self._asked -= 1


def _timed_out() -> ApiError:
    return ApiError(ErrorKind.TIMEOUT, "query timed out in expression evaluation")
