"""Where every run of a query or probe ends up: history, pages, own counts, and what was last seen."""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from pgwatch.collect.outcome import Answered, NotApplicable, QueryRun
from pgwatch.export.own_metrics import QUERY_METRICS, QueryMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.queries.query import Query
from pgwatch.samples.history import Kept
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

logger = logging.getLogger(__name__)

_STALE_AFTER = 3  # intervals without an answer before "fresh" is no longer true
_SLACK = timedelta(seconds=30)  # for a worker that is catching up
# An answer stands until the next one; far below the five minutes that PromQL looks back.
_REPEAT_AFTER_MS = 75_000
_LOOKBACK_MS = 300_000  # older samples are not found (Prometheus's default, as that of our engine)
# How often our own counts go into the history; more often than a scrape would only cost memory.
_COUNTS_AFTER_MS = 15_000


class Measuring:
    """Takes every run; keeps the newest run of each source.

    The store has one writer at a time: runs come from the event loop, recorded series from the
    alerting thread.
    """

    def __init__(self, store: Store, exposition: Exposition) -> None:
        self.store = store
        self.exposition = exposition
        self.counts = QueryMetrics()
        self.latest: dict[Source, QueryRun] = {}
        # Time of the first whole answer after the last run without one.
        self._since: dict[Source, int] = {}
        self._cut: set[Source] = set()  # whose newest answer lacks what `max_series` left out
        self._stands: dict[Source, int] = {}  # time of the newest row of each source that answers
        self._unpublished: set[str] = set()  # targets whose counts have changed, for the pages
        self._unrecorded: set[str] = set()  # and for the history
        self._recorded: dict[str, int] = {}  # by target: when its counts went into the history
        self._writing = threading.Lock()

    def take(self, run: QueryRun) -> None:
        """Take over how one run ended; without an answer, what the source brought before is stale."""
        source, outcome = run.source, run.outcome
        self.latest[source] = run
        tells = isinstance(outcome, Answered | NotApplicable) and not self._notice_cut(run)
        if not tells:
            self._since.pop(source, None)
        if run.collected is not None:
            self._stands[source] = run.collected.time_ms
            self.append(run.collected)
            self.exposition.accept(run.collected)
        else:
            self.end(source, run.time_ms)
        if tells:
            # Only now that the answer can be found. What does not apply (any more) has been told too:
            # there is nothing to wait for.
            at_ms = run.collected.time_ms if run.collected else run.time_ms
            self._since[source] = min(at_ms, self._since.get(source, at_ms))
        self.counts.observe(
            source,
            outcome=str(outcome.kind),
            time_ms=run.time_ms,
            elapsed_seconds=run.elapsed_seconds,
            answered=isinstance(outcome, Answered),
            dropped=run.collected.dropped if run.collected else None,
        )
        if isinstance(outcome, Answered) and not source.query.startswith("probe/"):
            self.counts.observe_database_time(source, outcome.elapsed)
        self._unpublished.add(source.target)

    def _notice_cut(self, run: QueryRun) -> bool:
        """Return whether series are missing from the answer, and log it where that begins."""
        missing = run.collected.dropped.get("max_series", 0) if run.collected else 0
        if missing and run.source not in self._cut:
            source = run.source
            where = {"target": source.target, "database": source.database, "query": source.query}
            logger.warning("answer is cut", extra={**where, "missing_series": missing})
        (self._cut.add if missing else self._cut.discard)(run.source)
        return missing > 0

    def append(self, collected: Collected) -> None:
        """Add an answer to the history."""
        with self._writing:
            self.store.append(collected)

    def end(self, source: Source, now_ms: int) -> None:
        """Let the series of `source` end: stale in the history, and off the pages."""
        self._stands.pop(source, None)
        with self._writing:
            self.store.mark_stale(source, now_ms)
        self.exposition.forget(source)

    def answered(self, source: Source, at_ms: int) -> bool:
        """Return whether `source` had an answer that stood at `at_ms`, and has not been without since.

        An answer that was cut is none: what it lacks may be there all the same. Nor is one that is too
        old to be found, as after a pause of the machine.
        """
        since, stands = self._since.get(source), self._stands.get(source, at_ms)
        return since is not None and since <= at_ms < stands + _LOOKBACK_MS

    def repeat_answers(self, now_ms: int) -> None:
        """Let old answers stand in the history: a query that runs each hour is true in between too."""
        for source, time_ms in self._stands.items():
            if now_ms - time_ms >= _REPEAT_AFTER_MS:
                self._stands[source] = now_ms
                with self._writing:
                    self.store.repeat(source, now_ms)

    def begin_anew(self) -> None:
        """Forget all answers, since the clock was set back: the past lies ahead of what will come."""
        self._since.clear()  # first: who finds nothing must not take that for an answer
        with self._writing:
            self.store.clear()
        self._stands.clear()
        self._recorded.clear()

    def kept(self) -> list[Kept]:
        """Return the history as it is now, to be written to a file while measuring goes on."""
        with self._writing:
            return self.store.kept()

    def end_old(self, goes_on: Callable[[Source], bool], now_ms: int) -> None:
        """End what an earlier process observed and nobody will observe again."""
        for source in self.store.sources():
            if not goes_on(source):
                self.end(source, now_ms)

    def take_overruns(self, overruns: Mapping[Source, int]) -> None:
        """Take over how often each source was due and skipped."""
        for source, total in overruns.items():
            if self.counts.observe_overruns(source, total):
                self._unpublished.add(source.target)

    def publish_counts(self, now_ms: int) -> None:
        """Bring our own counts of the targets that ran something to the pages and the history."""
        for target in self._unpublished:
            self.exposition.accept(self.counts.collected(target, now_ms))
        self._unrecorded |= self._unpublished
        self._unpublished.clear()
        for target in list(self._unrecorded):
            if now_ms - self._recorded.get(target, -_COUNTS_AFTER_MS) >= _COUNTS_AFTER_MS:
                self._record(self.counts.collected(target, now_ms))

    def _record(self, counts: Collected) -> None:
        source, now_ms = counts.source, counts.time_ms
        self._recorded[source.target] = now_ms
        self._unrecorded.discard(source.target)
        self._since.setdefault(source, now_ms)
        self._stands[source] = now_ms
        self.append(counts)

    def keep_only(self, watched: Callable[[Source], bool], now_ms: int) -> None:
        """Forget the sources that are not `watched` any more, and targets of which none is left."""
        gone = [source for source in self.latest if not watched(source)]
        for source in gone:
            del self.latest[source]
            self._since.pop(source, None)
            self._cut.discard(source)
            self.end(source, now_ms)
            self.counts.forget(source)
        left = {source.target for source in self.latest}
        for target in {source.target for source in gone}:
            self._unpublished.add(target)
            if target not in left:
                self._forget_target(target, now_ms)

    def _forget_target(self, target: str, now_ms: int) -> None:
        counts = Source(target, QUERY_METRICS)
        self._since.pop(counts, None)
        self.end(counts, now_ms)
        self.counts.forget_target(target)
        self._recorded.pop(target, None)
        self._unpublished.discard(target)
        self._unrecorded.discard(target)
        self.exposition.forget_target(target)


def overdue(run: QueryRun | None, query: Query, now_ms: int) -> bool:
    """Return whether `query` should have a newer run than `run` by now."""
    if run is None:
        return True
    limit = query.interval * _STALE_AFTER + _SLACK
    return timedelta(milliseconds=now_ms - run.time_ms) > limit
