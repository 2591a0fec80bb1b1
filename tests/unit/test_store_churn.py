"""Series that come and go: what a reader sees meanwhile, and what they cost."""

import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta

import numpy as np
import pytest

from pgwatch.promql.engine import Engine
from pgwatch.promql.parser import parse
from pgwatch.samples.block import is_stale
from pgwatch.samples.labels import METRIC_NAME, Labels, Matcher, MatchType
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.select import Selection
from pgwatch.samples.store import Store

SOURCE = Source("db1", "core/activity")
POLL_MS = 15_000


def series(name: str, key: object) -> Labels:
    return Labels({METRIC_NAME: name, "k": str(key)})


def append(store: Store, poll: int, given: Iterable[Labels], *, instance: str = "") -> None:
    labels = list(given)
    store.append(
        Collected(
            source=SOURCE,
            time_ms=poll * POLL_MS,
            families=(Family("m", MetricType.GAUGE, ""),),
            labels=labels,
            values=[float(poll)] * len(labels),
            instance=instance,
        )
    )


def samples(store: Store) -> dict[str, list[int]]:
    """Return by key the polls in which the series have a sample."""
    selection = store.select((Matcher(METRIC_NAME, MatchType.EQUAL, "m"),))
    assert not selection.overlapping
    found: dict[str, list[int]] = {}
    for part in selection.parts:
        rows = part.block.rows
        live = ~is_stale(rows.values[:, part.columns])
        places = np.arange(len(selection.table))[part.places].tolist()
        for column, place in enumerate(places):
            times = rows.times[live[:, column]] // POLL_MS
            found[selection.table.labels[place].label("k")] = times.tolist()
    return found


# Each answer has something of both metrics, under keys that never come back.
@pytest.mark.parametrize("expr", ["count(m)", 'm{k="static"}', "count(m and on (k) n)"])
def test_a_reader_never_misses_what_every_answer_has(expr: str) -> None:
    store = Store(timedelta(minutes=4))
    engine, parsed = Engine(store), parse(expr)
    append(store, 0, [series("m", "static"), series("n", "static")])
    newest, done = [0], threading.Event()
    missed: list[int] = []

    def read() -> None:
        while not done.is_set():
            time_ms = newest[0] * POLL_MS
            result = engine.instant(parsed, time_ms + POLL_MS)
            if not result.vector or not result.sources:
                missed.append(time_ms)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for poll in range(1, 400):
            keys = ["static"] if "static" in expr else []
            keys += [f"{poll}-{i}" for i in range(40)]
            append(store, poll, [series(name, key) for name in "mn" for key in keys])
            newest[0] = poll
    finally:
        done.set()
        reader.join()
    assert not missed


def test_a_reader_never_misses_a_series_whose_address_changes() -> None:
    store = Store(timedelta(minutes=4))
    engine, parsed = Engine(store), parse("count(m)")
    append(store, 0, [series("m", 0)], instance="0")
    done = threading.Event()
    missed: list[int] = []

    def read() -> None:
        poll = 0
        while not done.is_set():
            poll = (store.newest_ms(SOURCE) or 0) // POLL_MS
            if not engine.instant(parsed, (poll + 1) * POLL_MS).vector:
                missed.append(poll)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for poll in range(1, 400):
            append(store, poll, [series("m", 0)], instance=str(poll))
    finally:
        done.set()
        reader.join()
    assert not missed


@pytest.mark.parametrize("long_lived", [False, True], ids=["short", "one in fifty lasts"])
def test_memory_grows_with_the_samples_and_not_with_their_square(*, long_lived: bool) -> None:
    def cells(polls: int) -> float:
        store, lasting = Store(timedelta(seconds=15) * polls), list[Labels]()
        held = 0
        for poll in range(polls + polls // 4):
            new = [series("m", f"{poll}-{i}") for i in range(5)]
            if long_lived and poll % 10 == 0:
                lasting = [*lasting[-19:], new[0]]
            given = dict.fromkeys([series("m", "static"), *lasting, *new])
            held += len(given)
            append(store, poll, given)
        return store.memory_bytes / 8 / (held * polls / (polls + polls // 4))

    small, large = cells(400), cells(1600)
    assert large < 80, small
    assert large < 1.5 * small


def test_history_stays_whole_whatever_comes_and_goes() -> None:
    store, polls = Store(timedelta(seconds=15) * 300), 400
    random = np.random.default_rng(7)
    keys = [f"{i}" for i in range(3000)]
    given: dict[str, list[int]] = {}
    for poll in range(polls):
        # Some new, some that may have been there, and one that always is.
        chosen = {keys[poll * 7 + i] for i in range(7)} | {"static"}
        chosen |= {keys[i] for i in random.integers(0, poll * 7 + 7, 3).tolist()}
        append(store, poll, [series("m", key) for key in sorted(chosen)])
        for key in chosen:
            given.setdefault(key, []).append(poll)
    kept, found = polls - 1 - 300, samples(store)
    for key, times in given.items():
        expected = [t for t in times if t >= kept]
        assert [t for t in found.get(key, ()) if t >= kept] == expected


class Thorough(Store):
    """Looks at all that it has, however old."""

    def select_all(
        self, since: Mapping[tuple[Matcher, ...], int]
    ) -> Mapping[tuple[Matcher, ...], Selection]:
        return self._index.select(since)


OLD_AND_NEW = [
    "m",
    "count(m)",
    "sum(rate(m[5m]))",
    "count_over_time(m[40m])",
    "m offset 20m",
    "m @ 1500 or m",
    "topk(3, m)",
    "max_over_time(count(m)[30m:1m] offset 3m)",
    "count(m offset 10m unless m)",
    "absent(m{k='0'})",
    "{k=~'1.*'}",
    "sum_over_time(m[10m] @ start()) + on (k) group_left () n",
]


@pytest.mark.parametrize("expr", OLD_AND_NEW)
def test_what_ended_long_ago_may_be_left_out(expr: str) -> None:
    quick, thorough = Store(timedelta(hours=2)), Thorough(timedelta(hours=2))
    for poll in range(300):
        keys = [f"s{one}" for one in range(5)] + [str(poll * 3 + one) for one in range(3)]
        given = [series("m", key) for key in keys] + [series("n", key) for key in keys[3:6]]
        append(quick, poll, given)
        append(thorough, poll, given)
    one, other = Engine(quick), Engine(thorough)
    for poll in (10, 60, 150, 299, 310, 330):
        at_ms = poll * POLL_MS + 500
        assert one.instant(expr, at_ms).vector == other.instant(expr, at_ms).vector
        mine, all_of_it = (
            each.range(expr, at_ms - 600_000, at_ms, 60_000) for each in (one, other)
        )
        assert [x.labels for x in mine.series] == [x.labels for x in all_of_it.series]
        for left, right in zip(mine.series, all_of_it.series, strict=True):
            np.testing.assert_array_equal(left.values, right.values)
