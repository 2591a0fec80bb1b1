"""Rows become samples as the header says; what cannot is counted and named."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from pgwatch.queries.answer import AnswerError, LabelCache, to_collected
from pgwatch.queries.header import parse_query
from pgwatch.queries.query import Query
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source


def query(metrics: str, *, scope: str = "database", max_series: int = 1000) -> Query:
    header = (
        f"/*\nhelp: x\nscope: {scope}\nmax_series: {max_series}\nmetrics: {metrics}\n*/\nSELECT 1;"
    )
    return parse_query(header, name="core/x", path=Path("core/x.sql"))


def collected(
    asked: Query,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    target_labels: dict[str, str] | None = None,
    cache: LabelCache | None = None,
) -> Collected:
    return to_collected(
        asked,
        columns,
        rows,
        target="db1",
        target_labels=target_labels or {},
        database="app",
        instance="db1:5432",
        time_ms=1000,
        cache=cache,
    )


ONE = "{pg_n: {type: gauge, value: n, labels: [a], help: h}}"
TWO = (
    "{pg_n: {type: gauge, value: n, labels: [a, b], help: h},"
    " pg_m: {type: counter, value: m, labels: [b], help: h}}"
)


def test_each_row_gives_a_sample_of_each_metric_family_by_family() -> None:
    answer = collected(query(TWO), ["m", "b", "a", "n"], [(1, "x", "y", 2), (3, "z", "w", 4)])
    assert answer.source == Source(target="db1", query="core/x", database="app")
    assert [family.name for family in answer.families] == ["pg_n", "pg_m"]
    assert [repr(labels) for labels in answer.labels] == [
        'pg_n{a="y", b="x", datname="app", target="db1"}',
        'pg_n{a="w", b="z", datname="app", target="db1"}',
        'pg_m{b="x", datname="app", target="db1"}',
        'pg_m{b="z", datname="app", target="db1"}',
    ]
    assert answer.values == [2, 4, 1, 3]
    assert (answer.instance, answer.time_ms, answer.dropped, answer.notes) == (
        "db1:5432",
        1000,
        {},
        (),
    )


def test_scope_cluster_has_no_database() -> None:
    answer = collected(query(ONE, scope="cluster"), ["a", "n"], [("x", 1)])
    assert answer.source == Source(target="db1", query="core/x")
    assert repr(answer.labels[0]) == 'pg_n{a="x", target="db1"}'


def test_the_target_s_labels_stand_below_those_of_a_row() -> None:
    given = {"env": "production", "a": "ours", "target": "other", "empty": ""}
    answer = collected(query(ONE), ["a", "n"], [("x", 1)], target_labels=given)
    assert answer.labels == [
        Labels(
            {"__name__": "pg_n", "a": "x", "env": "production", "target": "db1", "datname": "app"}
        )
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(3, 3, id="int"),
        pytest.param(0.5, 0.5, id="float"),
        pytest.param(Decimal("12.25"), 12.25, id="numeric"),
        pytest.param(True, 1, id="true"),
        pytest.param(False, 0, id="false"),
        pytest.param(datetime(1970, 1, 2, tzinfo=UTC), 86400, id="timestamptz"),
        pytest.param(datetime(1970, 1, 2), 86400, id="timestamp"),  # noqa: DTZ001 - as psycopg gives it
        pytest.param(timedelta(minutes=2, microseconds=500_000), 120.5, id="interval"),
    ],
)
def test_kinds_of_values(value: Any, expected: float) -> None:
    answer = collected(query(ONE), ["a", "n"], [("x", value)])
    assert answer.values == [expected]
    assert type(answer.values[0]) is float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (None, ""),
        (12, "12"),
        (True, "true"),
        (False, "false"),
        (IPv4Address("10.0.0.1"), "10.0.0.1"),
    ],
)
def test_kinds_of_labels(value: Any, expected: str) -> None:
    answer = collected(query(ONE), ["a", "n"], [(value, 1)])
    assert answer.labels[0].label("a") == expected
    assert ("a" in answer.labels[0]) == (expected != "")


def test_a_null_value_gives_no_sample() -> None:
    answer = collected(query(TWO), ["a", "b", "n", "m"], [("x", "y", None, 1), ("x", "z", 2, None)])
    assert [(labels.name, labels["b"]) for labels in answer.labels] == [
        ("pg_n", "z"),
        ("pg_m", "y"),
    ]


def test_no_rows_is_an_answer() -> None:
    answer = collected(query(ONE), ["a", "n"], [])
    assert (answer.labels, answer.values) == ([], [])
    assert [family.name for family in answer.families] == ["pg_n"]


def test_duplicates_are_dropped_counted_and_named() -> None:
    rows = [("x", 1), (None, 2), ("x", 3), ("", 4), (None, 5)]
    answer = collected(query(ONE), ["a", "n"], rows)
    assert answer.values == [1, 2], "the first stays; NULL and empty are the same label"
    assert answer.dropped == {"duplicate": 3}
    assert answer.notes == (
        "pg_n: several rows with the labels a='x': the labels that the header declares do not tell"
        " the rows apart",
    )


def test_the_usual_cause_of_duplicates_is_named() -> None:
    answer = collected(query(ONE), ["a", "n"], [(None, 1), (None, 2)])
    assert answer.notes == (
        "pg_n: several rows with the labels a=None: a is NULL, which is what a role without"
        " pg_read_all_stats sees",
    )


def test_duplicates_are_found_again_with_a_cache() -> None:
    cache = LabelCache()
    rows = [("x", 1), (None, 2), ("", 3), ("y", 4)]
    first = collected(query(ONE), ["a", "n"], rows, cache=cache)
    second = collected(query(ONE), ["a", "n"], rows, cache=cache)
    assert first == second
    assert second.dropped == {"duplicate": 1}


def test_beyond_max_series_whole_rows_are_cut_and_counted() -> None:
    rows = [("a1", "b1", 1, 1), ("a2", "b2", 2, None), ("a3", "b3", 3, 3), ("a4", "b4", 4, None)]
    answer = collected(query(TWO, max_series=4), ["a", "b", "n", "m"], rows)
    assert answer.values == [1, 2, 1]
    assert answer.dropped == {"max_series": 3}
    assert answer.notes == ("3 series are left out: the query's max_series is 4",)


def test_max_series_counts_series_not_rows() -> None:
    rows = [(str(n), str(n), n, None) for n in range(4)]
    answer = collected(query(TWO, max_series=4), ["a", "b", "n", "m"], rows)
    assert (len(answer.labels), answer.dropped) == (4, {})


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        pytest.param(
            ["a", "m"],
            [],
            "query core/x: metric pg_n needs the column 'n'; the answer has a, m",
            id="value column missing",
        ),
        pytest.param(["n"], [], "needs the column 'a'; the answer has n", id="label missing"),
        pytest.param(
            ["a", "n"],
            [("x", "12")],
            "query core/x: column 'n' holds a str; expected a number",
            id="a text as value",
        ),
        pytest.param(
            ["a", "n"],
            [(["x"], 1)],
            "query core/x: column 'a' holds a list; expected a text for the label",
            id="an array as label",
        ),
    ],
)
def test_an_answer_of_another_shape(
    columns: list[str], rows: list[tuple[Any, ...]], message: str
) -> None:
    with pytest.raises(AnswerError) as caught:
        collected(query(ONE), columns, rows)
    assert message in str(caught.value)


def test_an_unchanged_row_keeps_its_labels_object() -> None:
    cache = LabelCache()
    first = collected(query(ONE), ["a", "n"], [("x", 1), ("gone", 2)], cache=cache)
    second = collected(query(ONE), ["a", "n"], [("new", 3), ("x", 4)], cache=cache)
    assert second.labels[1] is first.labels[0]
    assert second.values == [3, 4]
    third = collected(query(ONE), ["a", "n"], [("gone", 5)], cache=cache)
    assert third.labels[0] is not first.labels[1], "only the last answer is kept"


def test_new_labels_of_the_target_reach_known_rows() -> None:
    cache = LabelCache()
    collected(query(ONE), ["a", "n"], [("x", 1)], cache=cache)
    answer = collected(query(ONE), ["a", "n"], [("x", 1)], cache=cache, target_labels={"env": "p"})
    assert answer.labels[0]["env"] == "p"


def test_ten_thousand_series_take_milliseconds() -> None:
    cache = LabelCache()
    rows = [("public", f"table_{n}", n, float(n)) for n in range(5000)]
    asked = query(
        "{pg_n: {type: gauge, value: n, labels: [a, b], help: h},"
        " pg_m: {type: gauge, value: m, labels: [a, b], help: h}}",
        max_series=20_000,
    )
    columns = ["a", "b", "n", "m"]
    assert len(collected(asked, columns, rows, cache=cache).labels) == 10_000
    best = min(_seconds(lambda: collected(asked, columns, rows, cache=cache)) for _ in range(5))
    assert best < 0.03, "measured: 2 ms; the rest is a slow machine"


def _seconds(work: Any) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
