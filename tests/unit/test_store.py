"""The store of recent history: what an answer replaces, what is stale, what is forgotten, what is found."""

import math
import threading
from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pytest

from pgwatch.samples.block import is_stale
from pgwatch.samples.labels import METRIC_NAME, Labels, Matcher, MatchType
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store

SOURCE = Source("db1", "core/activity")
FAMILY = Family("m", MetricType.GAUGE, "something")


def labels(name: str = "m", /, **others: str) -> Labels:
    return Labels({METRIC_NAME: name, "target": "db1", **others})


def answer(
    time_ms: int,
    values: Mapping[Labels, float],
    *,
    source: Source = SOURCE,
    instance: str = "",
) -> Collected:
    return Collected(
        source=source,
        time_ms=time_ms,
        families=(FAMILY,),
        labels=list(values),
        values=list(values.values()),
        instance=instance,
    )


def equal(name: str, value: str) -> Matcher:
    return Matcher(name, MatchType.EQUAL, value)


def history(store: Store, *matchers: Matcher) -> dict[Labels, list[tuple[int, float]]]:
    """Return every live sample of the series that match."""
    selection = store.select(matchers or (equal(METRIC_NAME, "m"),))
    found: dict[Labels, list[tuple[int, float]]] = {}
    for part in selection.parts:
        rows = part.block.rows
        values = rows.values[:, part.columns]
        places = np.arange(len(selection.table))[part.places]
        for column, place in enumerate(places):
            live = ~is_stale(values[:, column])
            samples = zip(rows.times[live].tolist(), values[live, column].tolist(), strict=True)
            found.setdefault(selection.table.labels[place], []).extend(samples)
    return found


def test_an_answer_replaces_the_previous_one() -> None:
    store = Store()
    a, b, c = labels(x="a"), labels(x="b"), labels(x="c")
    store.append(answer(1000, {a: 1, b: 2}))
    store.append(answer(2000, {c: 4, a: 3}))
    store.append(answer(3000, {b: 5}))
    assert history(store) == {a: [(1000, 1), (2000, 3)], b: [(1000, 2), (3000, 5)], c: [(2000, 4)]}


def test_what_a_label_list_means_is_its_content_not_its_object() -> None:
    store = Store()
    a, b = labels(x="a"), labels(x="b")
    given = [a]
    for time_ms in (1000, 2000):
        store.append(
            Collected(source=SOURCE, time_ms=time_ms, families=(), labels=given, values=[1])
        )
    given.append(b)
    store.append(Collected(source=SOURCE, time_ms=3000, families=(), labels=given, values=[1, 2]))
    store.append(
        Collected(source=SOURCE, time_ms=4000, families=(), labels=(Labels(a), b), values=[3, 4])
    )
    assert history(store)[b] == [(3000, 2), (4000, 4)]
    assert history(store)[a][-1] == (4000, 3)


def test_an_answer_that_is_not_newer_changes_nothing() -> None:
    store = Store()
    assert store.append(answer(2000, {labels(): 1}))
    assert not store.append(answer(2000, {labels(): 2}))
    assert not store.append(answer(1000, {labels(): 3}))
    assert history(store) == {labels(): [(2000, 1)]}


def test_an_empty_answer_is_an_answer() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1}))
    store.append(answer(2000, {}))
    assert history(store) == {labels(): [(1000, 1)]}
    assert store.newest_ms(SOURCE) == 2000


def test_an_unreachable_target_makes_its_series_stale_but_is_no_answer() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1}))
    store.mark_stale(SOURCE, 2000)
    store.mark_stale(SOURCE, 3000)
    (part,) = store.select((equal(METRIC_NAME, "m"),)).parts
    assert part.block.rows.times.tolist() == [1000, 2000]
    assert is_stale(part.block.rows.values[-1]).all()
    assert store.newest_ms(SOURCE) == 1000
    assert store.newest_ms(Source("db1", "other")) is None


def test_an_answer_may_stand_for_longer() -> None:
    store = Store()
    a, b = labels(x="a"), labels(x="b")
    store.append(answer(1000, {a: 1, b: 2}))
    store.append(answer(2000, {b: 3}))
    for time_ms in (2000, 3000):
        store.repeat(SOURCE, time_ms)
    assert history(store) == {a: [(1000, 1)], b: [(1000, 2), (2000, 3), (3000, 3)]}
    assert store.newest_ms(SOURCE) == 2000
    store.mark_stale(SOURCE, 4000)
    store.repeat(SOURCE, 5000)
    store.repeat(Source("db1", "never/answered"), 5000)
    assert history(store)[b][-1] == (3000, 3)


def test_an_answer_that_was_under_way_while_the_last_was_repeated_counts() -> None:
    store = Store()
    a = labels(x="a")
    store.append(answer(1000, {a: 1}))
    store.repeat(SOURCE, 3000)
    assert store.append(answer(2000, {a: 2}))
    assert not store.append(answer(2000, {a: 9}))
    assert history(store) == {a: [(1000, 1), (3000, 1), (3001, 2)]}


def test_a_nan_that_was_collected_is_a_value() -> None:
    store = Store()
    a, b = labels(x="a"), labels(x="b")
    marker = np.full(1, 0x7FF8_0000_0000_0002, dtype=np.int64).view(np.float64)
    store.append(answer(1000, {a: math.nan, b: float(marker[0])}))
    found = history(store)
    assert [len(found[a]), len(found[b])] == [1, 1]
    assert math.isnan(found[b][0][1])


def test_instance_and_job_are_added_but_never_replace_a_label() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1, labels(instance="http://x"): 2}, instance="h:5432"))
    assert set(history(store)) == {
        labels(instance="h:5432", job="pgwatch"),
        labels(instance="http://x", job="pgwatch"),
    }


def test_a_new_address_ends_the_old_series() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1}, instance="a:1"))
    store.append(answer(2000, {labels(): 2}, instance="b:1"))
    assert history(store) == {
        labels(instance="a:1", job="pgwatch"): [(1000, 1)],
        labels(instance="b:1", job="pgwatch"): [(2000, 2)],
    }


def test_samples_older_than_the_retention_are_forgotten() -> None:
    store = Store(timedelta(seconds=10))
    for second in range(100):
        store.append(answer(second * 1000, {labels(): second}))
    assert history(store) == {labels(): [(s * 1000, s) for s in range(89, 100)]}


def test_series_and_sources_that_ended_give_their_memory_back() -> None:
    store = Store(timedelta(seconds=10))
    other = Source("db2", "core/activity")
    store.append(answer(0, {labels("gone"): 1}, source=other))
    for second in range(60):
        store.append(answer(second * 1000, {labels(pid=str(second)): 1, labels(pid="first"): 2}))
    assert store.names() == ("m",)
    assert store.newest_ms(other) is None
    assert store.series_count <= 16
    assert len(history(store)[labels(pid="first")]) == 11
    assert history(store)[labels(pid="59")] == [(59_000, 1)]
    assert store.memory_bytes < 10_000


def test_a_series_that_comes_back_after_its_column_is_gone() -> None:
    store = Store(timedelta(seconds=10))
    a, b = labels(x="a"), labels(x="b")
    store.append(answer(0, {a: 1, b: 1}))
    for second in range(1, 30):
        store.append(answer(second * 1000, {b: second}))
    assert a not in history(store)
    store.append(answer(30_000, {b: 30, a: 31}))
    assert history(store)[a] == [(30_000, 31)]
    assert history(store)[b][-1] == (30_000, 30)


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (equal("x", "a"), ["a"]),
        (equal("x", ""), [""]),
        (Matcher("x", MatchType.NOT_EQUAL, "a"), ["", "b"]),
        (equal("target", "db2"), []),
        (equal(METRIC_NAME, "other"), []),
    ],
    ids=str,
)
def test_matchers_select(matcher: Matcher, expected: list[str]) -> None:
    store = Store()
    store.append(answer(1000, {labels(x="b"): 1, labels(x="a"): 1, labels(): 1}))
    chosen = store.select((equal("target", "db1"), matcher))
    assert sorted(each.label("x") for each in chosen.table.labels) == expected


def test_a_selection_is_remembered_until_its_metric_changes() -> None:
    store = Store()
    by_name, any_name = (equal(METRIC_NAME, "m"),), (equal("target", "db1"),)
    store.append(answer(1000, {labels(x="a"): 1}))
    before = store.select(by_name), store.select(any_name)
    store.append(answer(2000, {labels(x="a"): 2}))
    assert (store.select(by_name), store.select(any_name)) == before
    assert store.select(by_name) is before[0]
    store.append(answer(1000, {labels("n"): 1}, source=Source("db1", "else")))
    assert store.select(by_name) is before[0]
    assert len(store.select(any_name).table) == 2
    store.append(answer(3000, {labels(x="b"): 2}))
    assert len(store.select(by_name).table) == 2


def test_one_series_from_two_sources_is_one_column_of_the_table() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1}))
    store.append(answer(2000, {labels(): 2}, source=Source("db1", "renamed")))
    selection = store.select((equal(METRIC_NAME, "m"),))
    assert selection.overlapping
    assert selection.table.labels == (labels(),)


def test_families_are_known_by_name() -> None:
    store = Store()
    store.append(answer(1000, {labels(): 1}))
    assert dict(store.families()) == {"m": FAMILY}


def test_families_that_left_the_history_are_forgotten() -> None:
    store = Store(timedelta(seconds=10))
    for second in range(100):
        other = Family(f"rule_{second}", MetricType.GAUGE, "")
        store.append(
            Collected(
                source=Source("", f"rule/{second}"),
                time_ms=second * 1000,
                families=(other,),
                labels=[Labels({METRIC_NAME: other.name})],
                values=[1.0],
            )
        )
        store.append(answer(second * 1000, {}))
    assert "m" in store.families()  # declared, though without a series
    assert "rule_99" in store.families()
    assert "rule_50" not in store.families()
    assert len(store.families()) < 20


def test_readers_never_see_a_half_written_row() -> None:
    """Every row has equal values in all its series, whatever the writer does meanwhile."""
    store = Store(timedelta(milliseconds=200))
    done = threading.Event()
    torn: list[str] = []

    def read() -> None:
        while not done.is_set():
            for part in store.select((equal(METRIC_NAME, "m"),)).parts:
                rows = part.block.rows
                values = rows.values[:, part.columns]
                live = np.where(is_stale(values), np.nan, values)
                # By now every series that was selected may have ended: such a row says nothing.
                live = live[~np.isnan(live).all(axis=1)]
                if len(live) and not (np.nanmax(live, axis=1) == np.nanmin(live, axis=1)).all():
                    torn.append(str(live))
                    return

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for time_ms in range(1, 3000):
            numbers = range(time_ms // 4, time_ms // 3 + 2)
            store.append(answer(time_ms, {labels(n=str(n)): float(time_ms) for n in numbers}))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not torn
