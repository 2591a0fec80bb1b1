"""Runs probes: blocking observers, each on a thread of a small pool, so that none delays a database."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from pgwatch.collect.outcome import Answered, Failed, Outcome, QueryRun, TimedOut
from pgwatch.errors import PgwatchError
from pgwatch.probes.probe import Probe
from pgwatch.samples.sample import Source
from pgwatch.units import format_duration

logger = logging.getLogger(__name__)

_GRACE = timedelta(seconds=1)  # a probe keeps its own timeout; this is for one that does not


async def run_probe(probe: Probe, executor: ThreadPoolExecutor | None = None) -> QueryRun:
    """Run `probe` once and return how it ended; within its timeout and a second, also if it hangs."""
    began, started = time.time(), time.perf_counter()
    loop = asyncio.get_running_loop()
    collected = None
    try:
        limit = (probe.timeout + _GRACE).total_seconds()
        work = loop.run_in_executor(executor, probe.run, round(began * 1000))
        collected = await asyncio.wait_for(asyncio.shield(work), limit)
        elapsed = timedelta(seconds=time.perf_counter() - started)
        outcome: Outcome = Answered(columns=(), rows=(), elapsed=elapsed)
    except TimeoutError:
        reason = f"the probe did not end within {format_duration(probe.timeout + _GRACE)}"
        outcome = TimedOut(limit=probe.timeout, reason=reason)
    except PgwatchError as error:
        outcome = Failed(reason=str(error))
    except Exception as error:  # the boundary of one unit of work: a bug ends this run alone
        logger.exception("probe meets a bug", extra={"probe": probe.source.query})
        outcome = Failed(reason=f"a bug in pgwatch: {type(error).__name__}")
    return QueryRun(
        source=probe.source,
        outcome=outcome,
        collected=collected,
        time_ms=round(began * 1000),
        elapsed_seconds=time.perf_counter() - started,
    )


class Prober:
    """Runs due probes, each at most once at a time; a tick that finds it still running is skipped."""

    def __init__(self, probes: tuple[Probe, ...], sink: Callable[[QueryRun], None]) -> None:
        self.probes = probes
        self.overruns = 0
        self._sink = sink
        self._due: asyncio.Queue[Probe] = asyncio.Queue()
        self._running: set[Source] = set()
        self._threads = ThreadPoolExecutor(
            max_workers=max(1, min(8, len(probes))), thread_name_prefix="probe"
        )

    def offer(self, probe: Probe) -> None:
        """Take `probe` as due now."""
        if probe.source in self._running:
            self.overruns += 1
            return
        self._running.add(probe.source)
        self._due.put_nowait(probe)

    async def run(self) -> None:
        """Work until cancelled; every probe runs once at the start."""
        for probe in self.probes:
            self.offer(probe)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    group.create_task(self._one(await self._due.get()))
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _one(self, probe: Probe) -> None:
        try:
            self._sink(await run_probe(probe, self._threads))
        finally:
            self._running.discard(probe.source)
