"""Runs probes: blocking observers, each on a thread of a small pool, so that none delays a database."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from pgwatch.collect.outcome import Answered, Failed, Outcome, QueryRun, TimedOut
from pgwatch.errors import PgwatchError
from pgwatch.probes.probe import Probe
from pgwatch.samples.sample import Collected, Source
from pgwatch.units import format_duration

logger = logging.getLogger(__name__)

_GRACE = timedelta(seconds=1)  # a probe keeps its own timeout; this is for one that does not


async def run_probe(probe: Probe) -> QueryRun:
    """Run `probe` once and return how it ended; within its timeout and a second, also if it hangs."""
    return await _ending(probe, _start(probe, None))


def _start(probe: Probe, executor: ThreadPoolExecutor | None) -> asyncio.Future[Collected]:
    now_ms = round(time.time() * 1000)
    return asyncio.get_running_loop().run_in_executor(executor, probe.run, now_ms)


async def _ending(probe: Probe, work: asyncio.Future[Collected]) -> QueryRun:
    began, started = time.time(), time.perf_counter()
    await asyncio.wait({work}, timeout=(probe.timeout + _GRACE).total_seconds())
    elapsed = timedelta(seconds=time.perf_counter() - started)
    collected, outcome = _outcome(probe, work, elapsed)
    return QueryRun(
        source=probe.source,
        outcome=outcome,
        collected=collected,
        time_ms=round(began * 1000),
        elapsed_seconds=elapsed.total_seconds(),
    )


def _outcome(
    probe: Probe, work: asyncio.Future[Collected], elapsed: timedelta
) -> tuple[Collected | None, Outcome]:
    if not work.done():
        reason = f"the probe did not end within {format_duration(probe.timeout + _GRACE)}"
        return None, TimedOut(limit=probe.timeout, reason=reason)
    error = work.exception()
    if error is None:
        return work.result(), Answered(columns=(), rows=(), elapsed=elapsed)
    if isinstance(error, PgwatchError):
        return None, Failed(reason=str(error))
    extra = {"probe": probe.source.query}
    logger.error("probe meets a bug", exc_info=error, extra=extra)
    return None, Failed(reason=f"a bug in pgwatch: {type(error).__name__}")


class Prober:
    """Runs due probes, each at most once at a time; a tick that finds it still running is skipped."""

    def __init__(self, probes: tuple[Probe, ...], sink: Callable[[QueryRun], None]) -> None:
        self.probes = probes
        self.overruns: Counter[Source] = Counter()
        self._sink = sink
        self._due: asyncio.Queue[Probe] = asyncio.Queue()
        self._running: set[Source] = set()
        self._threads = ThreadPoolExecutor(
            max_workers=max(1, min(8, len(probes))), thread_name_prefix="probe"
        )

    def offer(self, probe: Probe) -> None:
        """Take `probe` as due now."""
        if probe.source in self._running:
            self.overruns[probe.source] += 1
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
        work = _start(probe, self._threads)
        # Not before its thread is free again: one probe that hangs must not take them all.
        work.add_done_callback(partial(self._ended, probe))
        self._sink(await _ending(probe, work))

    def _ended(self, probe: Probe, work: asyncio.Future[Collected]) -> None:
        self._running.discard(probe.source)
        if not work.cancelled():
            work.exception()  # seen, also where nobody waits for it any more
