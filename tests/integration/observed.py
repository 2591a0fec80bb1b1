"""The measuring half over a real database with the roofing application, served over HTTP.

Everything between the database and the page is the product's; only the loop that drives it is ours.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from pgwatch.collect.outcome import Answered, QueryRun
from pgwatch.collect.poll import poll_once
from pgwatch.collect.probing import run_probe
from pgwatch.export.own_metrics import OwnMetrics, QueryMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.probes.host import LocalHostProbe
from pgwatch.probes.http import HttpProbe
from pgwatch.queries.catalog import load_catalog
from pgwatch.share import share
from pgwatch.targets.dsn import Dsn
from pgwatch.targets.target import Target
from pgwatch.web.app import Providers, create_app
from pgwatch.web.server import WebServer
from pgwatch.web.view import ProbeView, StatusView, TargetView


class Observed:
    """Polls everything once a second and serves what it found."""

    def __init__(self, dsn: str) -> None:
        self._target = Target(name="roofing", dsn=Dsn.parse(dsn), labels={"env": "test"})
        self._queries = tuple(load_catalog([share("queries")]).queries.values())
        self._runs = QueryMetrics()
        own = OwnMetrics(version="1.2.3")
        own.reloaded(successful=True, at=datetime.now(UTC))
        own.evaluated("a.yml;a", at=datetime.now(UTC), elapsed=timedelta(0), rules=1, failures=0)
        own.notified("slack", "first notification")
        self.exposition = Exposition(own.render)
        providers = Providers(
            page=self.exposition.page,
            status=self._status,
            unhealthy=tuple,
            unready=tuple,
            reload=self._reload,
        )
        self._server = WebServer(create_app(providers), host="127.0.0.1", port=0)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._probes = (
            LocalHostProbe(target="roofing"),
            HttpProbe(name="health", url=f"{self.url}/-/healthy"),
        )
        self.first_pass = threading.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._server.run())
            while True:
                await self._pass()
                self.first_pass.set()
                await asyncio.sleep(1)

    async def _pass(self) -> None:
        for database in await poll_once(
            self._target, self._queries, deadline=timedelta(seconds=30)
        ):
            for run in database.runs:
                self._take(run)
        for probe in self._probes:
            self._take(await run_probe(probe))
        for target in ("roofing", "health"):
            self.exposition.accept(self._runs.collected(target, 0))

    def _take(self, run: QueryRun) -> None:
        self._runs.observe(
            run.source,
            outcome=run.outcome.kind,
            time_ms=run.time_ms,
            elapsed_seconds=run.elapsed_seconds,
            answered=isinstance(run.outcome, Answered),
            dropped={} if run.collected is None else run.collected.dropped,
        )
        if isinstance(run.outcome, Answered):
            self._runs.observe_database_time(run.source, run.outcome.elapsed)
        if run.collected is not None:
            self.exposition.accept(run.collected)
        else:
            self.exposition.forget(run.source)

    def _status(self) -> StatusView:
        now = datetime.now(UTC)
        return StatusView(
            now=now,
            version="1.2.3",
            started=now,
            targets=(TargetView(name="roofing", up=True),),
            probes=(ProbeView(name="health"),),
        )

    async def _reload(self) -> None:
        pass


@contextmanager
def observing(dsn: str) -> Iterator[Observed]:
    """Run an `Observed` in a thread; it has been through one pass when this gives it."""
    observed = Observed(dsn)
    loop = asyncio.new_event_loop()
    task = loop.create_task(observed.run())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert observed.first_pass.wait(60)
        yield observed
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
        assert not thread.is_alive()
