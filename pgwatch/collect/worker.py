"""Polls one target: takes due queries, runs them over its few connections, and reports every run."""

import asyncio
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from pgwatch.collect.attempt import attempt, bug, refresh
from pgwatch.collect.execute import asked_for
from pgwatch.collect.line import Line
from pgwatch.collect.outcome import Answered, Failed, Outcome, QueryRun, Unreachable
from pgwatch.collect.refusals import Refusals
from pgwatch.collect.report import Report, Sink
from pgwatch.collect.turns import Absence, assign
from pgwatch.errors import PgwatchError
from pgwatch.queries.answer import LabelCache, to_collected
from pgwatch.queries.query import Query, Scope
from pgwatch.samples.sample import Collected, Source
from pgwatch.targets.discover import choose_databases, list_databases
from pgwatch.targets.target import ServerInfo, Target

logger = logging.getLogger(__name__)

UP_INTERVAL = timedelta(seconds=15)  # of `offer_up`: one row, 0.3 ms of the server
_FIRST_WORD = timedelta(seconds=1)  # until pg_up is 0 for a target that has not answered yet
_DISCOVERY = timedelta(minutes=5)
_DISCOVERY_LIMIT = timedelta(seconds=5)


class Worker:
    """Runs the queries of one target, one at a time in each database, over at most `max_connections`.

    What is offered waits at most once per (query, database), which bounds the queue; a second offer
    is an overrun: counted and skipped. All methods belong to one event loop.
    """

    def __init__(
        self,
        target: Target,
        queries: Iterable[Query],
        sink: Sink,
        *,
        once: bool = False,
        also: Iterable[Query] = (),
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_idle` hears whenever nothing is left of what was due: a pass is over.

        What the queries `also` require is asked of the server, too, for somebody else to run them.
        """
        self.target = target
        self._on_idle = on_idle
        self.queries = tuple(queries)
        self.main = target.dsn.dbname  # asked once per server, also where it is not watched itself
        self.databases = choose_databases((), target.databases, own=self.main)
        self.infos: dict[str, ServerInfo] = {}  # by database, as last seen
        self.overruns: Counter[Source] = Counter()
        self._report = Report(target, sink)
        self._once = once  # for one pass: nothing is prepared, nor tried again if out of reach
        asked = asked_for((*self.queries, *also))
        self._lines = tuple(
            Line(target, asked, prepare=not once) for _ in range(target.max_connections)
        )
        self._free = list(self._lines)
        self._open: dict[tuple[str, str], Query] = {}  # offered and not reported yet
        self._waiting: dict[str, list[Query]] = {}
        self._asked: dict[str, list[tuple[Query, asyncio.Future[Outcome]]]] = {}
        self._serving: set[str] = set()
        self._up_due = False
        self._absent: dict[str, Absence] = {}
        self._refusals = Refusals()
        self._discovered = -math.inf  # monotonic time
        self._labels = LabelCache()
        self._wake = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def knows_databases(self) -> bool:
        """Whether `databases` is what the server has, where it must be asked for that."""
        return not self.target.databases or self._discovered > -math.inf

    @property
    def unwatched(self) -> str:
        """Why there is no database to ask, though the server answers; "" where there is one."""
        asks = any(query.scope is Scope.DATABASE for query in self.queries)
        if self.databases or not asks or self.unreachable(self.main) is not None:
            return ""
        if not self.knows_databases:
            return "the databases of the server are not known yet"
        return f"no database of the server matches {', '.join(self.target.databases)}"

    def offer(self, queries: Iterable[Query]) -> None:
        """Take `queries` as due now, in every database that they are meant for."""
        for query in queries:
            for database in (self.main,) if query.scope is Scope.CLUSTER else self.databases:
                self._offer(query, database)

    def offer_up(self) -> None:
        """Take the look whether the server answers as due now."""
        self._up_due = True
        self._waiting.setdefault(self.main, [])
        self._wake.set()

    async def ask(self, query: Query, database: str) -> Outcome:
        """Return how `query` ends in `database`, asked at its next turn and before what is due there.

        Nothing is reported. Whoever waits no longer cancels it, before it is asked.
        """
        where = self.main if query.scope is Scope.CLUSTER or not database else database
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(where, []).append((query, answer))
        self._waiting.setdefault(where, [])
        self._wake.set()
        return await answer

    def unreachable(self, database: str) -> str | None:
        """Return why there is no session with `database`; None if there is one, or was no attempt."""
        absence = self._absent.get(self.main) or self._absent.get(database)
        return absence.reason if absence else None

    async def run(self) -> None:
        """Work until cancelled; a poll of everything begins at once. Ends its sessions when it ends."""
        self._later(_FIRST_WORD.total_seconds(), self._first_word)
        self.offer_up()
        self.offer(self.queries)
        try:
            await self._work(until_idle=False)
        finally:
            await self.close()

    async def work_off(self) -> None:
        """Return when nothing that was offered is left."""
        await self._work(until_idle=True)

    def give_up(self, outcome: Outcome) -> None:
        """Report `outcome` for all that was offered and has not been reported."""
        self._waiting.clear()
        for (database, _), query in list(self._open.items()):
            self._tell(query, database, outcome, began=time.time(), elapsed=0.0)

    async def close(self) -> None:
        """End all sessions; what still waits is not run."""
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*(line.close() for line in self._lines))

    def _offer(self, query: Query, database: str) -> None:
        key = (database, query.name)
        if key in self._open:
            self.overruns[self._source(query, database)] += 1
            return
        self._open[key] = query
        self._waiting.setdefault(database, []).append(query)
        self._wake.set()

    async def _work(self, *, until_idle: bool) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                ready = [name for name in self._waiting if name not in self._serving]
                for database, line in assign(ready, self._free):
                    self._free.remove(line)
                    self._serving.add(database)
                    group.create_task(self._serve(line, database, self._waiting.pop(database)))
                if until_idle and not self._serving:
                    return
                await self._wake.wait()
                self._wake.clear()

    async def _serve(self, line: Line, database: str, queries: list[Query]) -> None:
        try:
            if database == self.main and self._up_due:
                self._up_due = False
                await self._up(line)
            elif line.outdated(database) and self._absence(database) is None:
                self._contacted(line, database, await refresh(line, database))
            await self._answer(line, database)
            # By their limits: each change of statement_timeout is a round trip.
            for query in sorted(queries, key=lambda query: query.timeout):
                await self._run(line, database, query)
            await line.retire()
        finally:
            self._serving.discard(database)
            self._free.append(line)
            self._wake.set()
            if not self._serving and not self._waiting:
                self._on_idle()

    async def _answer(self, line: Line, database: str) -> None:
        for query, answer in self._asked.pop(database, ()):
            if not answer.done():
                outcome = await self._attempt(line, database, query)
                if not answer.done():  # given up meanwhile
                    answer.set_result(outcome)

    async def _run(self, line: Line, database: str, query: Query) -> None:
        began, started = time.time(), time.perf_counter()
        outcome = await self._attempt(line, database, query)
        elapsed = time.perf_counter() - started
        self._tell(query, database, outcome, began=began, elapsed=elapsed)

    async def _attempt(self, line: Line, database: str, query: Query) -> Outcome:
        if (absence := self._absence(database)) is not None:
            return Unreachable(reason=absence.reason)
        if (
            refusal := self._refusals.last(
                database, query, self.infos.get(database), now=time.monotonic()
            )
        ) is not None:
            return refusal
        outcome = await attempt(line, database, query)
        self._refusals.remember(database, query, outcome, line.info, now=time.monotonic())
        reason = outcome.reason if isinstance(outcome, Unreachable) else ""
        self._contacted(line, database, reason)
        return outcome

    def _tell(
        self, query: Query, database: str, outcome: Outcome, *, began: float, elapsed: float
    ) -> None:
        collected = None
        if isinstance(outcome, Answered):
            try:
                collected = self._collect(query, database, outcome)
            except PgwatchError as error:
                outcome = Failed(reason=str(error))
            except Exception as error:  # noqa: BLE001 - a bug ends this one run alone
                outcome = bug(error, query.name)
        self._open.pop((database, query.name), None)
        run = QueryRun(
            source=self._source(query, database),
            outcome=outcome,
            collected=collected,
            time_ms=round(began * 1000),
            elapsed_seconds=elapsed,
        )
        self._report.tell(run, database)

    def _collect(self, query: Query, database: str, answer: Answered) -> Collected:
        return to_collected(
            query,
            answer.columns,
            answer.rows,
            target=self.target.name,
            target_labels=self.target.labels,
            database=database,
            instance=self.target.dsn.host_port,
            time_ms=round(time.time() * 1000),
            cache=self._labels,
        )

    def _source(self, query: Query, database: str) -> Source:
        scoped = database if query.scope is Scope.DATABASE else ""
        return Source(target=self.target.name, query=query.name, database=scoped)

    # Whether the server answers

    async def _up(self, line: Line) -> None:
        if (absence := self._absence(self.main)) is not None:
            self._report.up(absence.reason, database=self.main)
            return
        started = time.perf_counter()
        reason = await refresh(line, self.main)
        self._contacted(line, self.main, reason)
        if reason:
            return
        self._report.up("", database=self.main, elapsed=time.perf_counter() - started)
        due = time.monotonic() - self._discovered > _DISCOVERY.total_seconds()
        if due and self.target.databases:
            await self._discover(line)

    def _first_word(self) -> None:
        if not self._report.began:
            self._report.up("not reached yet", database=self.main)

    def _absence(self, database: str) -> Absence | None:
        """Why `database` is not tried now: it, or the server as a whole, was out of reach just now."""
        for name in (self.main, database):
            absence = self._absent.get(name)
            if absence is not None and time.monotonic() < absence.until:
                return absence
        return None

    def _contacted(self, line: Line, database: str, reason: str) -> None:
        """Keep what an attempt to speak with `database` showed; no `reason`: it is there."""
        if line.info is not None:
            self.infos[database] = line.info
        if reason:
            self._lost(database, reason)
        elif database in self._absent:
            del self._absent[database]
            extra = {"target": self.target.name, "database": database}
            logger.info("database is reachable again", extra=extra)
            if database == self.main:
                self._report.up("", database=database)
                for each in dict.fromkeys((database, *self.databases)):
                    self._offer_all(each)
            else:
                self._offer_all(database)

    def _lost(self, database: str, reason: str) -> None:
        previous, now = self._absent.get(database), time.monotonic()
        absence = Absence.after(previous, reason, now=now, luck=random.random())  # noqa: S311
        if self._once:
            absence = Absence(reason=reason, attempts=1, until=math.inf)
        else:
            self._later(absence.until - now + 0.001, lambda: self._retry(database))
        self._absent[database] = absence
        if database == self.main:
            self._report.up(reason, database=database)
        if previous is None:
            extra = {"target": self.target.name, "database": database, "reason": reason}
            logger.warning("database is unreachable", extra=extra)
            self._report.lost(None if database == self.main else database, reason)
            if database != self.main and not self._once:
                self.offer_up()  # it may be the whole server

    def _retry(self, database: str) -> None:
        if database == self.main:
            self.offer_up()
        else:
            self._offer_all(database)

    def _offer_all(self, database: str) -> None:
        """Take as due what is asked in `database` and does not wait there already."""
        for query in self.queries:
            asked = (
                database == self.main
                if query.scope is Scope.CLUSTER
                else database in self.databases
            )
            if asked and (database, query.name) not in self._open:
                self._offer(query, database)

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(delay, fire)
        self._timers.add(timer)

    # Which databases there are

    async def _discover(self, line: Line) -> None:
        try:
            session, _ = await line.session(self.main)
            existing = await list_databases(session, limit=_DISCOVERY_LIMIT)
        except PgwatchError as error:
            extra = {"target": self.target.name, "reason": str(error)}
            logger.warning("databases cannot be listed", extra=extra)
            return
        known, self._discovered = self.knows_databases, time.monotonic()
        before = set(self.databases)
        self.databases = choose_databases(existing, self.target.databases, own=self.main)
        for database in self.databases:
            if database not in before:
                self._offer_all(database)
        if self.unwatched and (before or not known):
            extra = {"target": self.target.name, "reason": self.unwatched}
            logger.warning("target watches no database", extra=extra)
        if gone := before - set(self.databases):
            await self._forget(gone)

    async def _forget(self, gone: set[str]) -> None:
        for database in gone - {self.main}:
            self.infos.pop(database, None)
            self._absent.pop(database, None)
            self._refusals.forget(database)
            for query in self._waiting.pop(database, ()):
                self._open.pop((database, query.name), None)
        self._report.forget(gone)
        for other in [line for line in self._free if line.database in gone - {self.main}]:
            self._free.remove(other)
            try:
                await other.close()
            finally:
                self._free.append(other)
