"""Where every run of a query or probe ends up: history, pages, own counts, and what was last seen."""

import threading
from collections.abc import Iterable
from datetime import timedelta

from pgwatch.collect.outcome import Answered, NotApplicable, QueryRun
from pgwatch.export.own_metrics import QueryMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.queries.query import Query
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

_STALE_AFTER = 3  # intervals without an answer before "fresh" is no longer true
_SLACK = timedelta(seconds=30)  # for a worker that is catching up


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
        self._targets: frozenset[str] = frozenset()  # with the names of HTTP probes
        self._unpublished: set[str] = set()  # targets whose counts have changed
        self._writing = threading.Lock()

    def take(self, run: QueryRun) -> None:
        """Take over how one run ended; without an answer, what the source brought before is stale."""
        source, outcome = run.source, run.outcome
        self.latest[source] = run
        if run.collected is not None:
            self.append(run.collected)
            self.exposition.accept(run.collected)
        else:
            with self._writing:
                self.store.mark_stale(source, run.time_ms)
            self.exposition.forget(source)
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

    def append(self, collected: Collected) -> None:
        """Add an answer to the history."""
        with self._writing:
            self.store.append(collected)

    def publish_counts(self, now_ms: int) -> None:
        """Bring our own counts of the targets that ran something to the pages and the history."""
        for target in self._unpublished:
            collected = self.counts.collected(target, now_ms)
            self.append(collected)
            self.exposition.accept(collected)
        self._unpublished.clear()

    def silent(self, among: Iterable[Source]) -> frozenset[Source]:
        """Return those of `among` whose newest run brought no answer, or that never ran here."""
        return frozenset(source for source in among if not self._answers(source))

    def keep_only(self, targets: Iterable[str], now_ms: int) -> None:
        """Forget all targets and probes but `targets`: the configuration no longer has them."""
        self._targets = frozenset(targets)
        for source in [source for source in self.latest if source.target not in self._targets]:
            del self.latest[source]
            with self._writing:
                self.store.mark_stale(source, now_ms)
            self.exposition.forget(source)
            self.counts.forget_target(source.target)
            self.exposition.forget_target(source.target)

    def _answers(self, source: Source) -> bool:
        if source.target and source.target not in self._targets:
            return True  # it is not watched any more: there is nothing to wait for
        run = self.latest.get(source)
        # What does not apply (any more) has been told: there is nothing to wait for.
        return run is not None and isinstance(run.outcome, Answered | NotApplicable)


def overdue(run: QueryRun | None, query: Query, now_ms: int) -> bool:
    """Return whether `query` should have a newer run than `run` by now."""
    if run is None:
        return True
    limit = query.interval * _STALE_AFTER + _SLACK
    return timedelta(milliseconds=now_ms - run.time_ms) > limit
