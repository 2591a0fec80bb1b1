"""Stores filled with the series of a test, each series on its own (so that each may have gaps)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store

STALE = "stale"
Point = float | str | None  # None: no sample; STALE: the series ends here


@dataclass(frozen=True)
class TestSeries:
    """One series: a point each `step_ms` from `start_ms` on."""

    __test__ = False

    labels: Mapping[str, str]
    points: Iterable[Point]
    step_ms: int = 15_000
    start_ms: int = 0


def store_of(series: Iterable[TestSeries]) -> Store:
    """Return a store that forgets nothing and holds `series`, each observed by a source of its own."""
    store = Store(timedelta(days=36500))
    for number, each in enumerate(series):
        source = Source("test", f"test/{number}")
        labels = (Labels(each.labels),)
        for place, point in enumerate(each.points):
            time_ms = each.start_ms + place * each.step_ms
            if point == STALE:
                store.mark_stale(source, time_ms)
            elif point is not None:
                store.append(
                    Collected(
                        source=source,
                        time_ms=time_ms,
                        families=(),
                        labels=labels,
                        values=(float(point),),
                    )
                )
    return store
