"""Says when: one regular, spread-out tick for each (owner, interval). The only user of APScheduler.

APScheduler does not own the work: its shutdown would cancel what runs, and a job that waits would hold
its slot. A tick only offers what is due to a worker, which takes it, or counts an overrun.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from pgwatch.queries.query import Query

# It writes a line at INFO for every tick.
logging.getLogger("apscheduler").setLevel(logging.WARNING)


class Schedule:
    """Regular calls on the running event loop, until `stop`."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def start(self) -> None:
        """Begin to call; needs the running event loop."""
        self._scheduler.start()

    def every(
        self, interval: timedelta, call: Callable[[], None], *, owner: str, now: datetime
    ) -> None:
        """Call `call`, which must not block, each `interval`; `owner` decides the phase, and ends it.

        A second `call` of one owner with the same interval replaces the first.
        """
        self._scheduler.add_job(
            _tick,
            IntervalTrigger(
                seconds=interval.total_seconds(),
                start_date=first_tick(owner, interval, now),
                timezone=UTC,
            ),
            args=(call,),
            id=_job_id(owner, interval),
            replace_existing=True,
            coalesce=True,  # after a pause of the machine: once
            misfire_grace_time=None,  # a late tick is better than none
            max_instances=1,
        )

    def drop(self, owner: str) -> None:
        """Call nothing of `owner` any more."""
        for job in self._scheduler.get_jobs():
            if job.id.startswith(_job_id(owner, None)):
                job.remove()

    def clock_set_back(self, now: datetime) -> None:
        """Call again in time what would wait until the clock, which was set back, has caught up."""
        for job in self._scheduler.get_jobs():
            away, interval = job.next_run_time - now, job.trigger.interval
            if away > interval:
                job.modify(next_run_time=now + away % interval)

    def stop(self) -> None:
        """Call nothing any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


def by_interval(queries: Iterable[Query]) -> Mapping[timedelta, tuple[Query, ...]]:
    """Return the queries that one tick of each interval makes due."""
    due = defaultdict[timedelta, list[Query]](list)
    for query in queries:
        due[query.interval].append(query)
    return {interval: tuple(group) for interval, group in sorted(due.items())}


def first_tick(owner: str, interval: timedelta, now: datetime) -> datetime:
    """Return the first tick after `now`: a phase of `interval` that only `owner` decides.

    As Prometheus spreads its scrapes: a thousand targets do not come due in one moment, and a restart
    does not shift anybody's rhythm.
    """
    digest = hashlib.sha256(f"{owner}\0{interval.total_seconds()}".encode()).digest()
    phase = int.from_bytes(digest[:8], "big") / 2**64 * interval
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    since = (now - epoch - phase) % interval
    return now + (interval - since)


def _job_id(owner: str, interval: timedelta | None) -> str:
    return f"{owner}\0{interval or ''}"


async def _tick(call: Callable[[], None]) -> None:
    # A coroutine, because APScheduler gives plain functions to a thread.
    call()
