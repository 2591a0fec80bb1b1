"""The workers and probes under the configuration in force; a reload touches only what it changes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial

from pgwatch.collect.outcome import Outcome
from pgwatch.collect.probing import Prober
from pgwatch.collect.report import UP, Sink
from pgwatch.collect.schedule import Schedule, by_interval
from pgwatch.collect.worker import UP_INTERVAL, Worker
from pgwatch.probes.probe import Probe
from pgwatch.queries.query import Query
from pgwatch.samples.sample import Source
from pgwatch.targets.target import Target

Watched = tuple[Target, tuple[Query, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    worker: Worker
    task: asyncio.Task[None]


class Polling:
    """Owns the workers, the prober and the schedule; all its tasks are in `tasks`, and end with it."""

    def __init__(
        self,
        sink: Sink,
        tasks: asyncio.TaskGroup,
        *,
        on_idle: Callable[[str], None] = lambda _target: None,
    ) -> None:
        """`on_idle` hears the name of each target whose due queries have all been run."""
        self.workers: tuple[Worker, ...] = ()  # in the order of the configuration
        self.probes: tuple[Probe, ...] = ()
        self._sink = sink
        self._on_idle = on_idle
        self._tasks = tasks
        self._running: dict[str, _Running] = {}  # by target
        self._prober: Prober | None = None
        self._probing: asyncio.Task[None] | None = None
        self._queries: frozenset[tuple[str, str]] = frozenset()  # target and query, and probes
        self._schedule = Schedule()
        self._schedule.start()

    async def apply(self, targets: Iterable[Watched], probes: tuple[Probe, ...]) -> None:
        """Watch `targets` and run `probes` from now on; a target that is as it was keeps its sessions."""
        wanted = {target.name: (target, queries) for target, queries in targets}
        await self._end(
            [
                name
                for name, running in self._running.items()
                if not _does(running.worker, wanted.get(name))
            ]
        )
        for name, (target, queries) in wanted.items():
            if name not in self._running:
                self._start(target, queries)
        self.workers = tuple(self._running[name].worker for name in wanted)
        await self._replace_probes(probes)
        self._queries = frozenset(
            (worker.target.name, query)
            for worker in self.workers
            for query in (UP, *(query.name for query in worker.queries))
        ) | {(probe.source.target, probe.source.query) for probe in probes}

    def watches(self, source: Source) -> bool:
        """Return whether an answer of `source` is to be expected; may be called from any thread.

        What a target's databases are is known only after its server told us: until then, all that were.
        """
        if (source.target, source.query) not in self._queries:
            return False
        running = self._running.get(source.target)
        if not source.database or running is None:
            return True
        worker = running.worker
        return not worker.knows_databases or source.database in worker.databases

    async def ask(self, target: str, query: Query, database: str) -> Outcome | None:
        """Return how `query` ends in a database of a target; None if it is not watched."""
        running = self._running.get(target)
        return None if running is None else await running.worker.ask(query, database)

    def tasks(self) -> dict[str, asyncio.Task[None] | None]:
        """Return what should run now, under names for people."""
        workers = {f"the worker of {name}": one.task for name, one in self._running.items()}
        return {**workers, "probing": self._probing}

    def overruns(self) -> Counter[Source]:
        """Return how often what was due was skipped, because its previous run had not ended."""
        total = Counter(self._prober.overruns if self._prober else ())
        for worker in self.workers:
            total.update(worker.overruns)
        return Counter({source: count for source, count in total.items() if self.watches(source)})

    def clock_set_back(self, now: datetime) -> None:
        """Do not wait until the clock, which was set back, has caught up."""
        self._schedule.clock_set_back(now)

    def cancel(self) -> None:
        """Make nothing due any more, and cancel all tasks."""
        self._schedule.stop()
        for running in self._running.values():
            running.task.cancel()
        if self._probing is not None:
            self._probing.cancel()

    async def _end(self, names: Iterable[str]) -> None:
        tasks = []
        for name in names:
            self._schedule.drop(name)
            task = self._running.pop(name).task
            task.cancel()
            tasks.append(task)
        if tasks:
            await asyncio.wait(
                tasks
            )  # so that a changed target never has more than its connections

    def _start(self, target: Target, queries: tuple[Query, ...]) -> None:
        idle = partial(self._on_idle, target.name)
        worker, now = Worker(target, queries, self._sink, on_idle=idle), datetime.now(UTC)
        self._running[target.name] = _Running(
            worker=worker, task=self._tasks.create_task(worker.run())
        )
        self._schedule.every(UP_INTERVAL, worker.offer_up, owner=f"{target.name}\0up", now=now)
        for interval, due in by_interval(queries).items():
            self._schedule.every(interval, partial(worker.offer, due), owner=target.name, now=now)

    async def _replace_probes(self, probes: tuple[Probe, ...]) -> None:
        probing, self._probing = self._probing, None
        if probing is not None:
            probing.cancel()
            await asyncio.wait([probing])
        for probe in self.probes:
            self._schedule.drop(_owner(probe))
        self.probes, prober, now = probes, Prober(probes, self._sink), datetime.now(UTC)
        self._prober, self._probing = prober, self._tasks.create_task(prober.run())
        for probe in probes:
            offer = partial(prober.offer, probe)
            self._schedule.every(probe.interval, offer, owner=_owner(probe), now=now)


def _does(worker: Worker, wanted: Watched | None) -> bool:
    if wanted is None or worker.target != wanted[0]:
        return False
    return [_content(query) for query in worker.queries] == [_content(query) for query in wanted[1]]


def _content(query: Query) -> list[object]:
    # A query equals itself only; one that was read anew may say the same.
    return [getattr(query, field.name) for field in fields(query)]


def _owner(probe: Probe) -> str:
    return f"{probe.source.target}\0{probe.source.query}"  # NUL: in no name, so nobody's else
