"""What works under the configuration in force: polling, alerting and delivering."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pgwatch.collect.outcome import QueryRun
from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.chaining import Changes
from pgwatch.daemon.delivering import Delivering
from pgwatch.daemon.desk import Desk
from pgwatch.daemon.evidence import Witness
from pgwatch.daemon.health import UNHEALTHY_AFTER, ended
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.polling import Polling
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.notify.outbox import Queued
from pgwatch.samples.history import Kept
from pgwatch.state.store import State
from pgwatch.wiring import House

Result = TypeVar("Result")


class Parts:
    """Starts with `start`; `apply` replaces what another configuration changes. All tasks are in `tasks`."""

    def __init__(
        self,
        house: House,
        *,
        state: State,
        measuring: Measuring,
        metrics: OwnMetrics,
        on_outcome: Callable[[Queued, str], None],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.polling = Polling(self._take, tasks, on_idle=self._settled)
        self._changes = Changes()
        self.alerting: Alerting | None = None
        self._delivering = Delivering(
            state, house.routing, dead_letters_to=house.duties.dead_letters, on_outcome=on_outcome
        )
        self._state = state
        self._measuring = measuring
        self._metrics = metrics
        self._tasks = tasks
        # One for all configurations, so that an evaluation that is under way ends before a new one begins.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alerting")
        self._delivery: asyncio.Task[None] | None = None
        self._evaluating: asyncio.Task[None] | None = None

    async def start(self, house: House) -> None:
        """Begin to work under `house`; raises StateError."""
        self._delivery = self._tasks.create_task(self._delivering.run())
        await self.apply(house)

    async def apply(self, house: House) -> None:
        """Work under `house` from now on; raises StateError, and then all goes on as before."""
        async with self._delivering.changing_to(house.routing, house.duties.dead_letters):
            await self._replace_alerting(house)
        await self.polling.apply(house.targets, house.probes)
        self._measuring.keep_only(self.polling.watches, round(time.time() * 1000))

    def kept(self) -> list[Kept]:
        """Return the history as it is now; in any thread."""
        return self._measuring.kept()

    def late(self, now: datetime, intervals: int) -> list[str]:
        """Return the rule groups whose evaluation is late by more than `intervals`, one line each."""
        return self.alerting.late(now, intervals) if self.alerting else []

    def unhealthy(self, now: datetime) -> list[str]:
        """Return why the process does not do its work, one line each."""
        running = {
            **self.polling.tasks(),
            "alerting": self._evaluating,
            "delivery": self._delivery,
        }
        return [*ended(running), *self.late(now, UNHEALTHY_AFTER)]

    async def at_desk(self, work: Callable[[Desk], Result]) -> Result:
        """Return what `work` does on the alerting thread."""
        if self.alerting is None:
            raise PgwatchError("pgwatch is starting")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, lambda: work(self._desk()))
        finally:
            self.alerting.look_again()

    def wake(self) -> None:
        """Look at the outbox now."""
        self._delivering.wake()

    def _take(self, run: QueryRun) -> None:
        """Take over how a run ended, and wake the rules that read what is new in it."""
        before = self._measuring.latest.get(run.source)
        self._measuring.take(run)
        self._notice(self._changes.take(run, before))

    def _settled(self, target: str) -> None:
        self._notice(self._changes.settled(target))

    def _notice(self, names: frozenset[str]) -> None:
        if self.alerting is not None:
            self.alerting.notice(names)

    def _desk(self) -> Desk:
        # On the alerting thread: a reload that came before has put its own in place.
        assert self.alerting is not None
        return Desk(deciding=self.alerting.deciding, now=datetime.now(UTC))

    def cancel(self) -> None:
        """Cancel all tasks."""
        self.polling.cancel()
        for task in (self._delivery, self._evaluating):
            if task is not None:
                task.cancel()

    def close(self) -> None:
        """Wait for the evaluation that is under way, if any."""
        self._thread.shutdown(cancel_futures=True)

    async def _replace_alerting(self, house: House) -> None:
        evaluating, self._evaluating = self._evaluating, None
        if evaluating is not None:
            evaluating.cancel()
            await asyncio.wait([evaluating])
        make = partial(
            Alerting,
            groups=house.groups,
            routing=house.routing,
            accepted=house.accepted,
            measuring=self._measuring,
            watches=self.polling.watches,
            state=self._state,
            metrics=self._metrics,
            on_enqueued=self._delivering.wake,
            now=datetime.now(UTC),
            surroundings=house.surroundings,
            duties=house.duties,
            witness=Witness(
                house.evidence, self.polling, self._measuring.latest, asyncio.get_running_loop()
            ),
            previous=self.alerting,
        )
        try:
            loop = asyncio.get_running_loop()
            self.alerting = await loop.run_in_executor(self._thread, make)
        finally:
            if self.alerting is not None:
                running = self.alerting.run(self._thread)
                self._evaluating = self._tasks.create_task(running)
