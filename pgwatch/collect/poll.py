"""One pass over a target: every query once, by the daemon's own worker, within one deadline."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.collect.outcome import QueryRun, TimedOut
from pgwatch.collect.worker import Worker
from pgwatch.queries.query import Query
from pgwatch.targets.target import ServerInfo, Target
from pgwatch.units import format_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one pass brought from one database of a target."""

    target: str
    database: str
    info: ServerInfo | None  # None: no session
    runs: tuple[QueryRun, ...]  # those asked once per server stand with the DSN's database
    error: str | None  # why there is no session
    unwatched: str = ""  # why no database of the target was asked; stands with the DSN's own


async def poll_once(
    target: Target,
    queries: Iterable[Query],
    *,
    deadline: timedelta,
    also: Iterable[Query] = (),
    on_progress: Callable[[QueryRun], None] = lambda _: None,
) -> list[Polled]:
    """Run each of `queries` once on `target`; returns within `deadline` and a second or two.

    The first element is the DSN's own database, with the run `up`; then the other watched ones, in
    order. What did not get its turn in time is `TimedOut`. `on_progress` hears of each run as it ends.
    Whether the queries `also` apply can be told afterwards from each `info`.
    """
    runs: list[QueryRun] = []

    def sink(run: QueryRun) -> None:
        runs.append(run)
        on_progress(run)

    worker = Worker(target, queries, sink, once=True, also=also)
    late = None
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            worker.offer_up()
            worker.offer(worker.queries)
            await worker.work_off()
    except TimeoutError:
        late = f"the time for the whole pass, {format_duration(deadline)}, was over"
        worker.give_up(TimedOut(limit=deadline, reason=late))
    finally:
        await worker.close()
    return [
        _polled(worker, database, runs, late)
        for database in dict.fromkeys((worker.main, *worker.databases))
    ]


def _polled(worker: Worker, database: str, runs: list[QueryRun], late: str | None) -> Polled:
    names = {database, ""} if database == worker.main else {database}
    info = worker.infos.get(database)
    return Polled(
        target=worker.target.name,
        database=database,
        info=info,
        runs=tuple(run for run in runs if run.source.database in names),
        error=worker.unreachable(database) or (late if info is None else None),
        unwatched=worker.unwatched if database == worker.main else "",
    )
