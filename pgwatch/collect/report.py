"""Tells the sink how every run ended, and makes sure that what is no longer answered is told too."""

import logging
import time
from collections.abc import Callable, Collection
from datetime import timedelta

from pgwatch.collect.outcome import (
    Answered,
    NotApplicable,
    Outcome,
    OutcomeKind,
    QueryRun,
    Unreachable,
)
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.targets.target import Target

logger = logging.getLogger(__name__)

Sink = Callable[[QueryRun], None]

UP = "up"  # the pseudo query that brings pg_up
_PG_UP = Family(
    "pg_up",
    MetricType.GAUGE,
    # as postgres_exporter says it
    "Whether the last scrape of metrics from PostgreSQL was able to connect to the server"
    " (1 for yes, 0 for no).",
)


class Report:
    """What one target's worker tells; one log line when a source ends otherwise than the last time."""

    def __init__(self, target: Target, sink: Sink) -> None:
        self._target = target
        self._sink = sink
        self._ended: dict[
            Source, tuple[str, OutcomeKind]
        ] = {}  # → where it was asked, how it ended
        self._up = Source(target=target.name, query=UP)
        self._up_labels = (
            Labels({**target.labels, METRIC_NAME: _PG_UP.name, "target": target.name}),
        )

    @property
    def began(self) -> bool:
        """Whether pg_up has been told once."""
        return self._up in self._ended

    def tell(self, run: QueryRun, database: str) -> None:
        """Pass on one run, which was asked in `database`."""
        _, previous = self._ended.get(run.source, ("", None))
        self._ended[run.source] = (database, run.outcome.kind)
        if run.outcome.kind is not previous:
            _log(run.source, run.outcome, previous)
        self._sink(run)

    def up(self, reason: str, *, database: str, elapsed: float = 0.0) -> None:
        """Tell pg_up: 1, or 0 with the `reason` why there is no session."""
        now_ms = round(time.time() * 1000)
        value = 0 if reason else 1
        collected = Collected(
            source=self._up,
            time_ms=now_ms,
            families=(_PG_UP,),
            labels=self._up_labels,
            values=(float(value),),
            instance=self._target.dsn.host_port,
        )
        # "No" is an answer to the question whether the server is up.
        outcome = Answered(
            columns=(_PG_UP.name, "reason"),
            rows=((value, reason),),
            elapsed=timedelta(seconds=elapsed),
        )
        run = QueryRun(
            source=self._up,
            outcome=outcome,
            collected=collected,
            time_ms=now_ms,
            elapsed_seconds=elapsed,
        )
        self.tell(run, database)

    def lost(self, database: str | None, reason: str) -> None:
        """Tell that no source of `database` (None: of the whole server) answers any more."""
        for source, (where, kind) in list(self._ended.items()):
            concerned = database in (where, None) and source != self._up
            if concerned and kind is OutcomeKind.ANSWERED:
                self._end(source, where, Unreachable(reason=reason))

    def forget(self, databases: Collection[str]) -> None:
        """Tell that `databases` are not watched any more, and keep nothing of them."""
        for source, (where, _) in list(self._ended.items()):
            if source.database in databases:
                reason = f"database {source.database} is not there any more"
                self._end(source, where, NotApplicable(reason=reason))
                del self._ended[source]

    def _end(self, source: Source, where: str, outcome: Outcome) -> None:
        now_ms = round(time.time() * 1000)
        run = QueryRun(
            source=source, outcome=outcome, collected=None, time_ms=now_ms, elapsed_seconds=0.0
        )
        self.tell(run, where)


def _log(source: Source, outcome: Outcome, previous: OutcomeKind | None) -> None:
    where = {"target": source.target, "database": source.database, "query": source.query}
    if isinstance(outcome, Unreachable):
        return  # one line for the database says it
    if isinstance(outcome, Answered):
        # One line says that the database is reachable again; here are only the query's own troubles.
        if previous not in (None, OutcomeKind.UNREACHABLE):
            logger.info("query answers again", extra=where)
        return
    level = logging.DEBUG if isinstance(outcome, NotApplicable) else logging.WARNING
    extra = {**where, "outcome": str(outcome.kind), "reason": outcome.reason}
    logger.log(level, "query has no answer", extra=extra)
