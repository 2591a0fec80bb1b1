"""When samples count, in which form answers come, who fed them, and what is refused for its cost."""

import math
import threading
from datetime import timedelta

import pytest

from pgwatch.promql.engine import Engine, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store
from tests.series import STALE, ask, series, store_of

MINUTE = 60_000
INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("expr", "at_ms", "expected"),
    [
        pytest.param("m", 2 * MINUTE, 3.0, id="a sample at the time itself counts"),
        pytest.param("m", 7 * MINUTE - 1, 3.0, id="just within the lookback"),
        pytest.param("m", 7 * MINUTE, None, id="the lookback is open on the left"),
        pytest.param("m offset 1m", 2 * MINUTE, 2.0, id="offset"),
        pytest.param("m offset -1m", MINUTE, 3.0, id="negative offset"),
        pytest.param("m @ 60", 99 * MINUTE, 2.0, id="@"),
        pytest.param("m @ 120 offset 1m", 99 * MINUTE, 2.0, id="@ with offset"),
        pytest.param("count_over_time(m[2m])", 2 * MINUTE, 2.0, id="windows are open on the left"),
        pytest.param("count_over_time(m[2m])", 2 * MINUTE + 1, 2.0, id="... and closed on the right"),
        pytest.param("count_over_time(m[121s])", 2 * MINUTE, 3.0, id="a second longer"),
        pytest.param("sum_over_time(m[2m:1m])", 2 * MINUTE, 5.0, id="so are aligned subqueries"),
        pytest.param("sum_over_time(m[2m:1m])", 2 * MINUTE + 1, 5.0, id="not aligned: multiples only"),
        pytest.param("sum_over_time(m[2m:])", 2 * MINUTE, 5.0, id="default resolution"),
        pytest.param("sum_over_time((m @ start())[2m:1m])", 2 * MINUTE, 6.0, id="start() is the outermost"),
        pytest.param("timestamp(m)", 4 * MINUTE, 120.0, id="a selector has its sample's time"),
        pytest.param("timestamp((m))", 4 * MINUTE, 120.0, id="parentheses do not matter"),
        pytest.param("timestamp(m + 0)", 4 * MINUTE, 240.0, id="anything else the evaluation's"),
    ],
)  # fmt: skip
def test_when(expr: str, at_ms: int, expected: float | None) -> None:
    found = ask(expr, at_ms, series("m", 1, 2, 3))
    assert list(found.values()) == ([] if expected is None else [expected])


def test_start_and_end_are_those_of_the_range_query() -> None:
    engine = Engine(store_of([series("m", *range(100))]))
    result = engine.range(
        "(m @ start()) * 1000 + m @ end()", 10 * MINUTE, 14 * MINUTE + 1, 3 * MINUTE
    )
    assert [s.values.tolist() for s in result.series] == [[10_014, 10_014]]
    inner = engine.range("sum_over_time((m @ end())[2m:1m])", 10 * MINUTE, 14 * MINUTE, 4 * MINUTE)
    assert [s.values.tolist() for s in inner.series] == [[28, 28]]


def test_a_stale_series_is_gone_at_once_and_may_come_back() -> None:
    given = series("m", 1, STALE, None, 4)
    assert ask("m", MINUTE - 1, given) == {"m": 1}
    assert ask("m", MINUTE, given) == {}
    assert ask("m", 3 * MINUTE, given) == {"m": 4}


def test_a_series_missing_from_an_answer_is_gone_at_once() -> None:
    store = Store()
    source = Source("db1", "core/x")
    a, b = (Labels({METRIC_NAME: "m", "x": x}) for x in "ab")
    for time_ms, given in ((1000, (a, b)), (2000, (b,)), (3000, (a, b))):
        store.append(
            Collected(
                source=source,
                time_ms=time_ms,
                families=(),
                labels=given,
                values=[time_ms / 1000] * len(given),
            )
        )
    engine = Engine(store)
    assert engine.instant("m", 2000).vector == ((b, 2.0),)
    assert engine.instant("sum_over_time(m[1m])", 3000).vector == (
        (Labels({"x": "a"}), 4.0),
        (Labels({"x": "b"}), 6.0),
    )
    assert [(s.labels, s.values.tolist()) for s in engine.range("m", 1000, 3000, 1000).series] == [
        (a, [1.0, 3.0]),
        (b, [1.0, 2.0, 3.0]),
    ]


def test_a_warning_names_its_place_if_the_text_is_known() -> None:
    engine = Engine(store_of([series("m", 1)]))
    expr = "\n quantile(1.5, m)"
    assert engine.instant(expr, 0).warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got 1.5 (2:11)",
    )
    assert engine.instant(parse(expr), 0).warnings == (
        "PromQL warning: quantile value should be between 0 and 1, got 1.5",
    )


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("m", ["a", "b", "c"]),  # in label order
        ("sort(m)", ["b", "c", "a"]),
        ("sort_desc(m)", ["c", "b", "a"]),  # NaN is last both ways
        ("topk(2, m)", ["c", "b"]),
        ("bottomk(3, m)", ["b", "c", "a"]),
        ("sort(m) > 0", ["b", "c"]),  # no longer the outermost
    ],
)
def test_the_order_of_an_instant_answer(expr: str, expected: list[str]) -> None:
    given = [series('m{x="c"}', 2), series('m{x="b"}', 1), series('m{x="a"}', NAN)]
    result = Engine(store_of(given)).instant(expr, 0)
    assert [labels["x"] for labels, _ in result.vector] == expected


def _collect(store: Store, source: Source, time_ms: int, **values: float) -> None:
    labels = [Labels({METRIC_NAME: name, "target": source.target}) for name in values]
    store.append(
        Collected(
            source=source, time_ms=time_ms, families=(), labels=labels, values=list(values.values())
        )
    )


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("up", {"db1", "db2"}),
        ("sum(up)", {"db1", "db2"}),
        ("up == 5", {"db1", "db2"}),  # it was read, though nothing came of it
        ('up{target="db1"}', {"db1"}),
        ("rate(up[5m])", {"db1", "db2", "gone"}),
        ("max_over_time(up[5m:1m])", {"db1", "db2", "gone"}),
        ("absent(up)", {"db1", "db2"}),
        ("up * on(target) other", {"db1", "db2"}),
        ("none", set()),
        ("1 + 1", set()),
    ],
)
def test_sources_are_who_had_a_sample_that_was_read(expr: str, expected: set[str]) -> None:
    store = Store()
    for target in ("db1", "db2", "gone"):
        for minute in range(4):
            _collect(store, Source(target, "up"), minute * MINUTE, up=1)
    store.mark_stale(Source("gone", "up"), 3 * MINUTE + 1)
    result = Engine(store).instant(expr, 4 * MINUTE)
    assert {source.target for source in result.sources} == expected


def test_a_source_too_old_to_count_is_none() -> None:
    store = Store()
    _collect(store, Source("db1", "up"), 0, up=1)
    engine = Engine(store, lookback=timedelta(minutes=2))
    assert len(engine.instant("up", 2 * MINUTE - 1).sources) == 1
    assert engine.instant("up", 2 * MINUTE).sources == frozenset()
    assert len(engine.instant("count_over_time(up[3m])", 2 * MINUTE).sources) == 1


def test_a_renamed_source_continues_its_series() -> None:
    store = Store()
    _collect(store, Source("db1", "old/up"), MINUTE, up=1)
    _collect(store, Source("db1", "new/up"), 2 * MINUTE, up=2)
    engine = Engine(store)
    assert [value for _, value in engine.instant("up", 2 * MINUTE).vector] == [2.0]
    counted = engine.instant("sum_over_time(up[5m])", 2 * MINUTE)
    assert [value for _, value in counted.vector] == [3.0]
    assert {source.query for source in counted.sources} == {"old/up", "new/up"}
    for source in ("new/up", "old/up"):
        _collect(store, Source("db1", source), 3 * MINUTE, up=4)
    _collect(store, Source("db1", "new/up"), 4 * MINUTE, up=5)
    _collect(store, Source("db1", "old/up"), 4 * MINUTE)
    counted = engine.instant("sum_over_time(up[5m])", 4 * MINUTE)
    assert [value for _, value in counted.vector] == [12.0]
    store.mark_stale(Source("db1", "old/up"), 5 * MINUTE)
    assert [value for _, value in engine.instant("up", 5 * MINUTE).vector] == [5.0]


def test_kinds() -> None:
    engine = Engine(store_of([series("m", 1, 2)]))
    assert engine.instant("1 + 1", 0).kind is Kind.SCALAR
    assert engine.instant("1 + 1", 0).vector == ((Labels(), 2.0),)
    assert (engine.instant('"x"', 0).kind, engine.instant('"x"', 0).text) == (Kind.STRING, "x")
    window = engine.instant("m[5m]", MINUTE)
    assert window.kind is Kind.MATRIX
    assert [(s.times.tolist(), s.values.tolist()) for s in window.matrix] == [([0, MINUTE], [1, 2])]
    assert [s.values.tolist() for s in engine.range("1 + 1", 0, 2, 1).series] == [[2, 2, 2]]


@pytest.mark.parametrize(
    ("expr", "start", "end", "step", "message"),
    [
        ("m", 0, 10, 0, "zero or negative query resolution step"),
        ("m", 10, 0, 1, "end timestamp must not be before start time"),
        ("m", 0, 11_001, 1, "exceeded maximum resolution of 11,000 points"),
        ("m[5m]", 0, 10, 1, 'invalid expression type "range vector" for range query'),
        ('"x"', 0, 10, 1, 'invalid expression type "string" for range query'),
    ],
)
def test_range_queries_that_are_refused(
    expr: str, start: int, end: int, step: int, message: str
) -> None:
    with pytest.raises(PromqlError) as refused:
        Engine(store_of([series("m", 1)])).range(expr, start, end, step)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "expr",
    [
        "count_over_time(m[1h:1s])",  # 36 M values
        "max_over_time(rate(m[5m])[10h:1m])",
        "sum(sum_over_time(m[1000d:1ms]))",
        "count_over_time((1 + 1 + time() + m)[1d:1s])",
    ],
)
def test_a_query_that_costs_too_much_is_refused_before_it_is_evaluated(expr: str) -> None:
    store = Store()
    labels = [Labels({METRIC_NAME: "m", "x": str(x)}) for x in range(10_000)]
    for minute in range(3):
        store.append(
            Collected(
                source=Source("db1", "many"),
                time_ms=minute * MINUTE,
                families=(),
                labels=labels,
                values=[1.0] * len(labels),
            )
        )
    engine = Engine(store)
    with pytest.raises(PromqlError, match="too many samples into memory"):
        engine.instant(expr, 3 * MINUTE)
    with pytest.raises(PromqlError, match="too many samples into memory"):
        engine.range("m", 0, 600_000, 1_000)
    assert len(engine.instant("m", 3 * MINUTE).vector) == 10_000


@pytest.mark.parametrize("expr", ["rate(none[5m])[1e9:1s]", "sum(none)[1e9:1s]", "(-none)[1d:1ms]"])
def test_a_subquery_of_very_many_steps_is_refused_though_it_reads_nothing(expr: str) -> None:
    with pytest.raises(PromqlError, match="too many samples into memory"):
        Engine(Store()).instant(f"last_over_time({expr})", MINUTE)


@pytest.mark.parametrize(
    ("expr", "steps"),
    [
        ("sum(m)", 100),
        ("topk(1, m)", 100),
        ('count_values("v", m)', 100),
        ("histogram_quantile(0.5, m)", 100),
        ("m > on () group_left topk(1, m)", 100),
    ],
)
def test_the_clock_is_looked_at_in_each_step(expr: str, steps: int) -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    engine = Engine(store_of([series('m{le="1"}', 1), series('m{le="+Inf"}', 2)]))
    engine.range(expr, 0, steps * 1000 - 1000, 1000, check_time=look)
    assert looks >= steps


@pytest.mark.parametrize(
    ("expr", "end_ms", "step_ms"),
    [
        # 60 series x 800 samples x 11,000 steps: little memory, but many seconds
        pytest.param("rate(m[800s])", 11_000_000, 1_000, id="windows that overlap"),
        pytest.param(
            "max_over_time(vector(1)[1m:1ms])", 10**12, 10**9, id="a subquery between steps"
        ),
    ],
)
def test_a_range_query_that_takes_too_long_is_refused(expr: str, end_ms: int, step_ms: int) -> None:
    given = [series(f'm{{x="{x}"}}', *range(800), step_ms=1000) for x in range(60)]
    with pytest.raises(PromqlError, match="too many samples into memory"):
        Engine(store_of(given)).range(expr, 0, end_ms, step_ms)


def test_an_evaluation_can_be_ended_from_outside() -> None:
    calls = 0

    def check_time() -> None:
        nonlocal calls
        calls += 1
        if calls > 50:
            raise TimeoutError

    engine = Engine(store_of([series("m", *range(100))]))
    with pytest.raises(TimeoutError):
        engine.range("rate(m[5m])", 0, 99 * MINUTE, MINUTE, check_time=check_time)
    assert calls == 51


def test_a_long_expression_does_not_exhaust_the_stack() -> None:
    engine = Engine(store_of([series("m", 1)]))
    assert [value for _, value in engine.instant(" + ".join(["m"] * 99), 0).vector] == [99.0]


def test_evaluations_are_right_while_the_store_is_written() -> None:
    """Each answer has one value in all its series, whose number changes all the time."""
    store = Store(timedelta(milliseconds=500))
    engine = Engine(store)
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            newest = store.newest_ms(Source("db1", "many"))
            if newest is None:
                continue
            result = engine.instant("max(m) - min(m)", newest)
            if result.vector and result.vector[0][1] != 0:
                wrong.append(result.vector)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for time_ms in range(1, 1500):
            labels = [
                Labels({METRIC_NAME: "m", "x": str(x)})
                for x in range(time_ms // 9, time_ms // 7 + 2)
            ]
            values = [float(time_ms)] * len(labels)
            store.append(
                Collected(
                    source=Source("db1", "many"),
                    time_ms=time_ms,
                    families=(),
                    labels=labels,
                    values=values,
                )
            )
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not wrong
