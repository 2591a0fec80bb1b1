"""One TaskGroup: start order, signals, reload and stop order of `pgwatch run`."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from pgwatch import __version__
from pgwatch.collect.probing import Prober
from pgwatch.collect.schedule import Schedule, by_interval
from pgwatch.collect.worker import UP_INTERVAL, Worker
from pgwatch.daemon.alerting import Alerting
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.status import status_view, unready
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.notify.channels.build import build_channels
from pgwatch.notify.outbox import Outbox, Queued
from pgwatch.samples.store import Store
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from pgwatch.web.app import Providers, create_app
from pgwatch.web.server import WebServer
from pgwatch.web.view import StatusView
from pgwatch.wiring import House

logger = logging.getLogger(__name__)

_COUNTS_INTERVAL = 1.0  # seconds between two publications of our own counts
_PRUNE_INTERVAL = timedelta(hours=1)
_OUTBOX_GRACE = timedelta(seconds=5)


class Daemon:
    """The process behind `pgwatch run`.

    `build` reads the configuration anew and returns what it says; it raises PgwatchError (then a
    running daemon keeps what it has).
    """

    def __init__(self, build: Callable[[], House]) -> None:
        self._build = build
        self._house = build()
        self._started = datetime.now(UTC)
        self._metrics = OwnMetrics(version=__version__)
        exposition = Exposition(tail=self._metrics.render)
        self._measuring = Measuring(Store(self._house.retention), exposition)
        self._problems: list[str] = []
        self._undelivered = 0
        self._workers: list[Worker] = []
        self._alerting: Alerting | None = None
        self._outbox: Outbox | None = None

    async def run(self) -> None:
        """Run until a signal says stop; raises PgwatchError if it cannot start."""
        self._stopping, self._changed = asyncio.Event(), asyncio.Event()
        web = WebServer(
            create_app(self._providers()),
            host=self._house.listen.host,
            port=self._house.listen.port,
        )
        try:
            state = State.open(self._house.state_path)
        except BaseException:
            web.close()
            raise
        self._metrics.reloaded(successful=True, at=datetime.now(UTC))
        self._watch_signals()
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(web.run())
                logger.info(
                    "pgwatch runs",
                    extra={
                        "version": __version__,
                        "listen": str(self._house.listen),
                        "state": str(state.path),
                    },
                )
                while not self._stopping.is_set():
                    self._changed.clear()
                    await self._live(self._house, state)
                serving.cancel()
        finally:
            state.close()
            logger.info("pgwatch has stopped")

    async def _live(self, house: House, state: State) -> None:
        """Run under one configuration, until it changes or all ends."""
        measuring, now = self._measuring, datetime.now(UTC)
        measuring.keep_only(house.names, round(time.time() * 1000))
        outbox = Outbox(state, build_channels(house.routing), on_outcome=self._count_delivery)
        delivering = threading.Thread(target=outbox.run, name="outbox", daemon=True)
        alerting = Alerting(
            groups=house.groups,
            routing=house.routing,
            accepted=house.accepted,
            measuring=measuring,
            state=state,
            metrics=self._metrics,
            on_enqueued=outbox.wake,
            now=now,
        )
        workers = [Worker(target, queries, measuring.take) for target, queries in house.targets]
        prober = Prober(house.probes, measuring.take)
        schedule = _schedule(workers, prober, now)
        self._workers, self._alerting, self._outbox = workers, alerting, outbox
        delivering.start()
        schedule.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [
                    *(tasks.create_task(worker.run()) for worker in workers),
                    tasks.create_task(prober.run()),
                    tasks.create_task(alerting.run()),
                    tasks.create_task(self._keep_house(state)),
                ]
                await self._stopped_or_changed()
                for task in running:
                    task.cancel()
        finally:
            schedule.stop()
            await asyncio.get_running_loop().run_in_executor(None, outbox.stop, _OUTBOX_GRACE)

    async def _stopped_or_changed(self) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self._stopping, self._changed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _keep_house(self, state: State) -> None:
        """Publish our own counts, and now and then throw out what is old."""
        loop, pruned = asyncio.get_running_loop(), None
        with ThreadPoolExecutor(1, thread_name_prefix="housekeeping") as thread:
            while True:
                self._measuring.publish_counts(round(time.time() * 1000))
                try:
                    counts = await loop.run_in_executor(thread, state.message_counts)
                    self._undelivered = counts.get(OutboxState.PENDING, 0) + counts.get(
                        OutboxState.SENDING, 0
                    )
                    self._metrics.outbox(self._undelivered)
                    now = datetime.now(UTC)
                    if pruned is None or now - pruned > _PRUNE_INTERVAL:
                        await loop.run_in_executor(thread, state.prune, now)
                        pruned = now
                except PgwatchError as error:
                    logger.error("state cannot be used", extra={"error": str(error)})  # noqa: TRY400
                await asyncio.sleep(_COUNTS_INTERVAL)

    # What the web pages ask

    def _providers(self) -> Providers:
        return Providers(
            page=self._measuring.exposition.page,
            status=self._status,
            unhealthy=lambda: (),
            unready=lambda: unready(self._workers, self._measuring, round(time.time() * 1000)),
            reload=self._reload,
        )

    def _status(self) -> StatusView:
        return status_view(
            now=datetime.now(UTC),
            started=self._started,
            workers=self._workers,
            probes=self._house.probes,
            measuring=self._measuring,
            alerts=self._alerting.alerts if self._alerting else {},
            undelivered=self._undelivered,
            problems=self._problems,
        )

    # Signals and reload

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.call_soon(self._reload_on_signal))

    def _stop(self, number: int) -> None:
        if self._stopping.is_set():
            # Everything that matters is in the state file already, so a hard end loses nothing.
            os._exit(128 + number)
        logger.info("pgwatch stops", extra={"signal": signal.Signals(number).name})
        self._stopping.set()

    def _reload_on_signal(self) -> None:
        try:
            self._take_configuration()
        except PgwatchError:
            return  # logged and shown already; the old configuration goes on

    async def _reload(self) -> None:
        self._take_configuration()

    def _take_configuration(self) -> None:
        """Read the configuration; raises PgwatchError and keeps the present one if it is not good."""
        now = datetime.now(UTC)
        try:
            house = self._build()
        except PgwatchError as error:
            self._metrics.reloaded(successful=False, at=now)
            self._problems = [f"the configuration on disk is not in force: {error}"]
            logger.error("configuration is not in force", extra={"error": str(error)})  # noqa: TRY400
            raise
        self._metrics.reloaded(successful=True, at=now)
        self._problems = []
        for what, before, after in (
            ("web.listen", self._house.listen, house.listen),
            ("state", self._house.state_path, house.state_path),
        ):
            if before != after:
                self._problems.append(f"{what} changes at the next start only")
                logger.warning("setting changes at the next start only", extra={"setting": what})
        self._house = house
        logger.info("configuration is in force", extra={"targets": len(house.targets)})
        self._changed.set()

    def _count_delivery(self, queued: Queued, outcome: str) -> None:
        kind = queued.notification.channel.partition("[")[0]
        if outcome == "delivered":
            self._metrics.notified(kind, str(queued.notification.reason))
        else:
            self._metrics.notification_failed(kind)


def _schedule(workers: list[Worker], prober: Prober, now: datetime) -> Schedule:
    schedule = Schedule()
    for worker in workers:
        owner = worker.target.name
        schedule.every(UP_INTERVAL, worker.offer_up, owner=f"{owner}/up", now=now)
        for interval, queries in by_interval(worker.queries).items():
            schedule.every(interval, partial(worker.offer, queries), owner=owner, now=now)
    for probe in prober.probes:
        owner = f"{probe.source.target}/{probe.source.query}"
        schedule.every(probe.interval, partial(prober.offer, probe), owner=owner, now=now)
    return schedule
