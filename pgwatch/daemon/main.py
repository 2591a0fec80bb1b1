"""The process of `pgwatch run`: start order, signals, reload, housekeeping and stop order."""

import asyncio
import gc
import logging
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pgwatch import __version__
from pgwatch.daemon.adopting import shortcomings, waiting_settings
from pgwatch.daemon.api import group_views
from pgwatch.daemon.clock import Clock
from pgwatch.daemon.ending import end_at_once, first_of, leave_in_time
from pgwatch.daemon.health import UNREADY_AFTER
from pgwatch.daemon.history import HistoryFile
from pgwatch.daemon.measuring import Measuring
from pgwatch.daemon.office import DaemonOffice
from pgwatch.daemon.parts import Parts
from pgwatch.daemon.status import status_view, unready
from pgwatch.errors import PgwatchError
from pgwatch.export.own_metrics import QUERY_METRICS, OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.notify.interventions import Interventions
from pgwatch.notify.outbox import Queued
from pgwatch.rules.evaluate import rule_source
from pgwatch.samples.sample import Source
from pgwatch.samples.store import Store
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from pgwatch.web.app import Providers, create_app
from pgwatch.web.guard import Guard
from pgwatch.web.prometheus_api import ApiSources
from pgwatch.web.server import WebServer
from pgwatch.web.view import StatusView
from pgwatch.wiring import House

logger = logging.getLogger(__name__)

_LOOK_INTERVAL = 1.0  # seconds between two looks at what has changed about ourselves
_TIDY_INTERVAL = timedelta(seconds=15)
_PRUNE_INTERVAL = timedelta(hours=1)
# Seconds; Python's own 5 ms would be waited at every step of a delivery or a page while rules are evaluated.
_SWITCH = 0.0005
_THREADS = 32  # a name that the DNS does not answer holds one for half a minute
_STOP_LIMIT = 20.0  # seconds; whatever hangs must not keep the process
_LAST_LIMIT = 1.0  # seconds; once the state is closed, only receivers and probes that hang are left


class Daemon:
    """The process behind `pgwatch run`.

    `build` reads the configuration anew and returns what it says; it raises PgwatchError (then a
    running daemon keeps what it has).
    """

    def __init__(self, build: Callable[[], House]) -> None:
        self._build = build
        self._house = self._first_house = build()
        self._started = datetime.now(UTC)
        self._metrics = OwnMetrics(version=__version__)
        exposition = Exposition(tail=self._metrics.render)
        store = Store(self._house.retention)
        self._metrics.watch(store)
        self._measuring = Measuring(store, exposition)
        self._clock = Clock()
        self._undelivered = 0
        self._refused = ""  # why the configuration on disk is not in force
        self._waiting: tuple[str, ...] = ()  # settings that change at the next start only
        self._state_fault = ""
        self._office: DaemonOffice | None = None
        self._reloads: set[asyncio.Task[str]] = set()  # by signal, under way

    async def run(self) -> None:
        """Run until a signal says stop; raises PgwatchError if it cannot start."""
        sys.setswitchinterval(_SWITCH)
        waiting = ThreadPoolExecutor(_THREADS, thread_name_prefix="waiting")
        asyncio.get_running_loop().set_default_executor(waiting)
        self._stopping, self._reloading = asyncio.Event(), asyncio.Lock()
        listen = self._house.listen
        security = self._house.web
        app = create_app(self._providers(), prefix=self._house.route_prefix)
        self._guard = Guard(app, security)
        self._tls = security.tls.context() if security.tls else None
        web = WebServer(self._guard, host=listen.host, port=listen.port, tls=self._tls)
        try:
            state = State.open(self._house.state_path)
        except BaseException:
            web.close()
            raise
        path = state.path.with_name(state.path.name + ".history")
        self._history = HistoryFile(path, self._measuring) if self._house.keep_history else None
        try:
            if self._history is not None:
                await asyncio.to_thread(self._history.read, self._house.retention)
            async with asyncio.TaskGroup() as tasks:
                await self._live(web, state, tasks)
        except BaseExceptionGroup as group:
            leave_in_time(1, _STOP_LIMIT)
            raise first_of(group) from group
        finally:
            await asyncio.to_thread(self._parts.close)
            if self._history is not None:
                await asyncio.to_thread(self._history.close)
            state.close()
            logger.info("pgwatch has stopped")
        leave_in_time(0, _LAST_LIMIT)

    async def _live(self, web: WebServer, state: State, tasks: asyncio.TaskGroup) -> None:
        """Start everything, wait until it is to stop, and cancel everything."""
        self._tasks = tasks
        self._parts = Parts(
            self._house,
            state=state,
            measuring=self._measuring,
            metrics=self._metrics,
            on_outcome=self._count_delivery,
            tasks=tasks,
        )
        self._office = DaemonOffice(self._parts, state, self._started)
        self._watch_signals()
        await self._parts.start(self._house)
        self._measuring.end_old(self._goes_on(), round(time.time() * 1000))
        own = [tasks.create_task(_serve(web)), tasks.create_task(self._keep_house(state))]
        if self._history is not None:
            own.append(tasks.create_task(self._history.keep()))
        self._in_force(self._house)
        # What there is now stays. To go through all of it takes the collector 60 ms, in which nothing else is
        # done, each time that many alerts come.
        gc.collect()
        gc.freeze()
        logger.info(
            "pgwatch runs",
            extra={
                "version": __version__,
                "listen": str(self._house.listen),
                "state": str(state.path),
            },
        )
        await self._stopping.wait()
        self._parts.cancel()
        for task in (*own, *self._reloads):
            task.cancel()

    async def _keep_house(self, state: State) -> None:
        """Publish our own counts, and now and then throw out what is old."""
        tidied = pruned = datetime.min.replace(tzinfo=UTC)
        thread = ThreadPoolExecutor(1, thread_name_prefix="housekeeping")
        loop = asyncio.get_running_loop()
        while True:
            now, now_ms = datetime.now(UTC), round(time.time() * 1000)
            if back := self._clock.set_back(now):
                logger.warning("clock was set back", extra={"seconds": back.total_seconds()})
                self._measuring.begin_anew()
                self._parts.polling.clock_set_back(now)
                tidied = pruned = datetime.min.replace(tzinfo=UTC)
            self._measuring.take_overruns(self._parts.polling.overruns())
            self._measuring.publish_counts(now_ms)
            if now - tidied > _TIDY_INTERVAL:
                self._measuring.repeat_answers(now_ms)
                self._measuring.keep_only(self._parts.polling.watches, now_ms)
                tidied = now
            try:
                counts = await loop.run_in_executor(thread, state.message_counts)
                if now - pruned > _PRUNE_INTERVAL:
                    await loop.run_in_executor(thread, state.prune, now)
                    pruned = now
                self._state_fault = ""
            except PgwatchError as error:
                if not self._state_fault:
                    logger.error("state cannot be used", extra={"error": str(error)})  # noqa: TRY400
                self._state_fault = str(error)
            else:
                self._undelivered = counts[OutboxState.PENDING] + counts[OutboxState.SENDING]
                self._metrics.outbox(self._undelivered)
            await asyncio.sleep(_LOOK_INTERVAL)

    def _goes_on(self) -> Callable[[Source], bool]:
        """Return whether there will be more of what an earlier process observed."""
        house, watches = self._house, self._parts.polling.watches
        rules = {rule_source(rule) for group in house.groups for rule in group.rules}
        names = {target.name for target, _ in house.targets}
        names |= {probe.source.target for probe in house.probes}
        return lambda source: (
            source in rules
            or watches(source)
            or (source.query == QUERY_METRICS and source.target in names)
        )

    # What the web pages ask

    def _providers(self) -> Providers:
        return Providers(
            page=self._measuring.exposition.page,
            status=self._status,
            unhealthy=lambda: self._parts.unhealthy(datetime.now(UTC)),
            unready=self._unready,
            reload=self._reload,
            office=lambda: self._office,
            api=ApiSources(
                store=self._measuring.store,
                groups=lambda: group_views(self._parts.alerting),
                retention=self._first_house.retention,
            ),
        )

    def _status(self) -> StatusView:
        parts = self._parts
        refused = f"the configuration on disk is not in force: {self._refused}"
        now, alerting = datetime.now(UTC), parts.alerting
        return status_view(
            now=now,
            started=self._started,
            workers=parts.polling.workers,
            probes=parts.polling.probes,
            measuring=self._measuring,
            alerts=alerting.deciding.everything(now) if alerting else (),
            interventions=alerting.deciding.interventions if alerting else Interventions(),
            undelivered=self._undelivered,
            problems=[
                *([refused] if self._refused else []),
                *(f"{setting} changes at the next start only" for setting in self._waiting),
                *([self._state_fault] if self._state_fault else []),
                *parts.unhealthy(now),
            ],
        )

    def _unready(self) -> list[str]:
        now_ms = round(time.time() * 1000)
        return [
            *unready(self._parts.polling.workers, self._measuring, now_ms),
            *([self._state_fault] if self._state_fault else []),
            *self._parts.late(datetime.now(UTC), UNREADY_AFTER),
        ]

    # Reload

    async def _reload(self) -> str:
        """Read the configuration; returns why the present one stays, empty if it does not."""
        async with self._reloading:
            try:
                house = await asyncio.to_thread(self._build)
                await self._parts.apply(house)
                self._in_force(house)
            except PgwatchError as error:
                self._refuse(str(error))
            else:
                logger.info("configuration is in force", extra={"targets": len(house.targets)})
            return self._refused

    def _refuse(self, reason: str) -> None:
        self._metrics.reloaded(successful=False, at=datetime.now(UTC))
        self._refused = reason
        logger.error("configuration is not in force", extra={"error": reason})

    def _in_force(self, house: House) -> None:
        first, self._house = self._first_house, house
        self._guard.security = replace(house.web, tls=first.web.tls)
        if self._tls is not None and house.web.tls is not None:
            # For the connections from now on; it was tried when the file was read.
            house.web.tls.load(self._tls)
        self._metrics.reloaded(successful=True, at=datetime.now(UTC))
        self._refused = ""
        self._waiting = waiting_settings(first, house)
        for setting in self._waiting:
            logger.warning("setting changes at the next start only", extra={"setting": setting})
        for event, reason in shortcomings(first, house):
            logger.warning(event, extra={"reason": reason})

    # Signals

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        task = self._tasks.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    def _stop(self, number: int) -> None:
        logger.info("pgwatch stops", extra={"signal": signal.Signals(number).name})
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, end_at_once)  # not on the event loop: it may be what hangs
        leave_in_time(0, _STOP_LIMIT)
        self._stopping.set()

    def _count_delivery(self, queued: Queued, outcome: str) -> None:
        kind = queued.notification.channel.partition("[")[0]
        if outcome == "delivered":
            self._metrics.notified(kind, str(queued.notification.reason))
        else:
            self._metrics.notification_failed(kind)


async def _serve(web: WebServer) -> None:
    await web.run()
    raise PgwatchError("the web server has ended")
