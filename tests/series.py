"""Stores filled with the series of a test, each series on its own (so that each may have gaps)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.promql.ast import selectors
from pgwatch.promql.engine import Engine
from pgwatch.promql.parser import parse
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


def series(selector: str, *points: Point, step_ms: int = 60_000) -> TestSeries:
    """Return the series that a selector with `=` matchers names."""
    (node,) = selectors(parse(selector))
    labels = {matcher.name: matcher.value for matcher in node.matchers}
    return TestSeries(labels=labels, points=points, step_ms=step_ms)


def ask(expr: str, at_ms: int, *given: TestSeries) -> dict[str, float]:
    """Return the elements of `expr` by their label set as PromQL writes it."""
    result = Engine(store_of(given)).instant(expr, at_ms)
    return {repr(labels): value for labels, value in result.vector}


def same(got: dict[str, float], expected: dict[str, float]) -> bool:
    """Return whether both have the same elements, but for rounding; NaN is the same as NaN."""
    return got.keys() == expected.keys() and all(
        got[key] == value
        or (math.isnan(value) and math.isnan(got[key]))
        or math.isclose(got[key], value, rel_tol=1e-12)
        for key, value in expected.items()
    )
