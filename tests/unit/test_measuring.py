"""What is remembered of runs, and what is forgotten, on a line of time that only the tests move."""

from datetime import timedelta

import pytest

from pgwatch.collect.outcome import (
    Answered,
    Blocked,
    Denied,
    Failed,
    NotApplicable,
    Outcome,
    QueryRun,
    TimedOut,
    Unreachable,
)
from pgwatch.daemon.measuring import Measuring, overdue
from pgwatch.export.own_metrics import QUERY_METRICS
from pgwatch.export.prometheus import Exposition
from pgwatch.promql.engine import Engine
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from tests.watching import query

SOURCE = Source("db", "core/slow", "app")
FAMILY = Family("debt", MetricType.GAUGE, "A value")
ANSWER = Answered(columns=("debt",), rows=((1,),), elapsed=timedelta(milliseconds=3))


def measuring() -> Measuring:
    return Measuring(Store(), Exposition())


def answered(
    at: float, *, source: Source = SOURCE, value: float = 1.0, missing: int = 0
) -> QueryRun:
    labels = Labels({METRIC_NAME: "debt", "target": source.target})
    collected = Collected(
        source=source,
        time_ms=ms(at),
        families=(FAMILY,),
        labels=[labels],
        values=[value],
        dropped={"max_series": missing} if missing else {},
    )
    return QueryRun(
        source=source, outcome=ANSWER, collected=collected, time_ms=ms(at), elapsed_seconds=0.1
    )


def without(outcome: Outcome, at: float, *, source: Source = SOURCE) -> QueryRun:
    return QueryRun(
        source=source, outcome=outcome, collected=None, time_ms=ms(at), elapsed_seconds=0.1
    )


def ms(at: float) -> int:
    return 1_800_000_000_000 + round(at * 1000)


def found(taken: Measuring, expression: str, at: float) -> list[float]:
    return [value for _, value in Engine(taken.store).instant(expression, ms(at)).vector]


def page(taken: Measuring, target: str | None = None) -> str | None:
    shown = taken.exposition.page(target)
    return None if shown is None else shown.body.decode()


def test_an_answer_stands_until_the_next_though_promql_looks_back_five_minutes_only() -> None:
    taken = measuring()
    taken.take(answered(0))
    for at in range(1, 3600):
        taken.repeat_answers(ms(at))
    assert all(found(taken, "debt", at) == [1.0] for at in range(0, 3600, 60))
    assert found(taken, "count_over_time(debt[10m])", 3599)[0] < 10


def test_an_answer_that_came_late_replaces_its_repetition() -> None:
    taken = measuring()
    taken.take(answered(0))
    taken.repeat_answers(ms(100))
    taken.take(answered(99, value=2.0))
    assert found(taken, "debt", 101) == [2.0]


@pytest.mark.parametrize(
    "outcome",
    [
        Unreachable(reason="refused"),
        TimedOut(limit=timedelta(seconds=1), reason="silent"),
        Blocked(reason="a lock"),
        Denied(reason="no", grant="GRANT pg_monitor TO u;"),
        Failed(reason="a bug"),
    ],
    ids=lambda outcome: str(outcome.kind),
)
def test_without_an_answer_the_series_end_and_are_not_repeated(outcome: Outcome) -> None:
    taken = measuring()
    taken.take(answered(0))
    taken.take(without(outcome, 15))
    taken.repeat_answers(ms(200))
    assert found(taken, "debt", 16) == found(taken, "debt", 200) == []
    assert "debt" not in (page(taken) or "")
    assert not taken.answered(SOURCE, ms(16))


def test_what_does_not_apply_has_been_told() -> None:
    taken = measuring()
    taken.take(without(NotApplicable(reason="no extension"), 0))
    assert taken.answered(SOURCE, ms(1))
    assert found(taken, "debt", 1) == []


def test_an_answer_counts_from_its_own_time_on() -> None:
    """An evaluation of the slot before cannot have seen it."""
    taken = measuring()
    assert not taken.answered(SOURCE, ms(0))
    taken.take(answered(10))
    assert not taken.answered(SOURCE, ms(9))
    assert taken.answered(SOURCE, ms(10))
    taken.take(answered(20))
    assert taken.answered(SOURCE, ms(15))
    taken.take(without(Unreachable(reason="gone"), 30))
    taken.take(answered(40))
    assert not taken.answered(SOURCE, ms(35))
    assert taken.answered(SOURCE, ms(40))


def test_an_answer_that_was_cut_says_nothing_about_what_it_lacks(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken = measuring()
    taken.take(answered(0))
    for at in (10, 20):
        taken.take(answered(at, missing=3))
        assert not taken.answered(SOURCE, ms(at))
        assert found(taken, "debt", at) == [1.0]
    assert [record.getMessage() for record in caplog.records] == ["answer is cut"]
    taken.take(answered(30))
    assert not taken.answered(SOURCE, ms(25))
    assert taken.answered(SOURCE, ms(30))
    taken.take(answered(40, missing=3))
    assert len(caplog.records) == 2


def test_our_own_counts_are_an_answer_too_and_not_a_row_each_second() -> None:
    taken = measuring()
    counts = Source("db", QUERY_METRICS)
    for at in range(60):
        taken.take(answered(at))
        taken.publish_counts(ms(at))
    assert taken.answered(counts, ms(30))
    runs = 'pgwatch_query_outcomes_total{outcome="answered"}'
    assert found(taken, runs, 59) == [46.0]
    assert found(taken, f"count_over_time({runs}[1m])", 59) == [4.0]
    taken.publish_counts(ms(60))
    assert found(taken, runs, 60) == [60.0]


def test_skipped_runs_are_on_the_pages_by_query() -> None:
    taking = measuring()
    taking.take(answered(0))
    taking.take_overruns({SOURCE: 2})
    taking.publish_counts(ms(1))
    page = taking.exposition.page()
    assert page is not None
    series = b'pgwatch_query_overruns_total{datname="app",query="core/slow",target="db"} '
    assert series + b"2.0\n" in page.body
    taking.take_overruns({SOURCE: 5})
    taking.publish_counts(ms(2))
    page = taking.exposition.page()
    assert page is not None
    assert series + b"5.0\n" in page.body


def test_what_is_not_watched_any_more_leaves_nothing_behind() -> None:
    taken = measuring()
    gone, dropped = Source("old", "core/a"), Source("db", "core/slow", "dropped")
    for source in (SOURCE, gone, dropped):
        taken.take(answered(0, source=source))
    taken.publish_counts(ms(0))
    taken.keep_only(lambda source: source == SOURCE, ms(20))
    taken.publish_counts(ms(20))
    taken.repeat_answers(ms(200))
    assert set(taken.latest) == {SOURCE}
    assert page(taken, "old") is None
    assert 'target="old"' not in (page(taken) or "")
    assert "dropped" not in (page(taken) or "")
    assert found(taken, '{target="old"}', 200) == []
    assert found(taken, "debt", 200) == [1.0]
    assert not taken.answered(gone, ms(300))


@pytest.mark.parametrize(
    ("age", "expected"), [(0, False), (60, False), (209, False), (211, True)]
)  # three intervals of 60 s and half a minute
def test_overdue(age: float, expected: bool) -> None:
    slow = query("SELECT 1 AS value", interval="60s")
    assert overdue(answered(0), slow, ms(age)) is expected


def test_what_never_ran_is_overdue() -> None:
    assert overdue(None, query("SELECT 1 AS value"), ms(0))
