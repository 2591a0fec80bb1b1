"""PromQL over the store beside Debian's Prometheus, on the same samples in the same run.

Prometheus's times are those of its own engine (`evalTotalTime`), without HTTP and JSON. It keeps no
caches between queries; ours are cold when a series of the metric came or went since.
"""

import math
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench import promql_data as data
from bench import promql_peer
from bench.promql_data import Answers
from bench.promql_peer import Peer
from pgwatch.promql.engine import Engine
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import METRIC_NAME, Labels
from pgwatch.samples.sample import Collected
from pgwatch.samples.store import Store

Row = tuple[str, str, str]

SIZES = (1_000, 10_000, 50_000)
ROUNDS = 7
QUERY = "sum by (datname) (rate({}[5m]))"


def measure() -> list[Row]:
    """Return rows (what, figures, ratio) for the table."""
    if not promql_peer.is_installed():
        return [("PromQL beside Prometheus", "Prometheus is not installed", "-")]
    sets = {size: data.counters(size) for size in SIZES}
    tables, hour = data.tables(), data.churning()
    lines = data.openmetrics([*sets.values(), tables, hour])
    page = data.page(sets[10_000])
    with (
        tempfile.TemporaryDirectory() as folder,
        promql_peer.running(lines, page, Path(folder)) as peer,
    ):
        memory = _bytes(peer)  # first: queries leave garbage
        rows = [row for size in SIZES for row in _query(sets[size], size, peer)]
        rows += _rules(tables, peer)
        rows += [_ingest(sets[10_000], peer), _churn(hour, peer), memory]
    return rows


def _query(answers: list[Answers], size: int, peer: Peer) -> Iterator[Row]:
    """Compare one aggregation of rates over `size` series."""
    query = QUERY.format(f"bench_{size}_total")
    expr, store = parse(query), data.filled(answers)
    engine = Engine(store)
    warm, cold, theirs = [], [], []
    for _ in range(ROUNDS):
        # Of a few in a row, as rules are: between them and HTTP, the processor forgets.
        warm.append(min(_seconds(lambda: engine.instant(expr, data.END * 1000)) for _ in range(5)))
        theirs.append(peer.seconds(query, data.END))
    for number in range(ROUNDS):
        _let_one_series_come(store, answers[0], number)
        cold.append(_seconds(lambda: engine.instant(expr, data.END * 1000)))
        theirs.append(peer.seconds(query, data.END))
    yield _compared(f"`{query}`, {size:,} series, warm", warm, theirs, goal="at least 20")
    yield _compared("the same after a series came or went: cold", cold, theirs, goal="at least 1")


def _rules(answers: list[Answers], peer: Peer) -> Iterator[Row]:
    """Compare 200 rules over 10,000 series."""
    store, texts = data.filled(answers), data.rules()
    engine, exprs = Engine(store), [parse(text) for text in texts]

    def evaluate() -> None:
        for expr in exprs:
            engine.instant(expr, data.END * 1000)

    warm, cold, theirs = [], [], []
    for number in range(3):
        _let_one_series_come(store, answers[0], number)
        cold.append(_seconds(evaluate))
        warm.append(min(_seconds(evaluate) for _ in range(3)))
        theirs.append(sum(peer.seconds(text, data.END) for text in texts))
    yield _compared("200 rules over 10,000 series, warm", warm, theirs, goal="at least 2")
    yield _compared("the same after a series of each metric came: cold", cold, theirs, goal="1")


def _ingest(answers: list[Answers], peer: Peer) -> Row:
    store = data.filled(answers)
    taken = []
    for number in range(20):
        # The poller keeps the label lists of the last answer as long as its rows do not change.
        next_ones = [
            replace(each.collected(-1), time_ms=(data.END + number) * 1000) for each in answers
        ]

        def take(batch: list[Collected] = next_ones) -> None:
            for each in batch:
                store.append(each)

        taken.append(_seconds(take))
    theirs = peer.value('avg_over_time(scrape_duration_seconds{job="scraped"}[1m])')
    return _compared(
        "taking in 10,000 series, beside its scrape of them (fetch and parse included)",
        taken,
        [theirs or math.nan],
    )


def _churn(answers: list[Answers], peer: Peer) -> Row:
    """Evaluate the rules of a metric each minute, whose series change each minute."""
    store = Store()
    engine = Engine(store)
    queries = ("sum(rate(calls_total[5m]))", "topk(10, rate(calls_total[5m]))", "calls_total > 1e9")
    exprs = [parse(query) for query in queries]
    (hour,) = answers
    taken = []
    for number, time_s in enumerate(hour.times):
        answer = hour.collected(number)

        def minute(answer: Collected = answer, time_ms: int = time_s * 1000) -> None:
            store.append(answer)
            for expr in exprs:
                engine.instant(expr, time_ms)

        taken.append(_seconds(minute))
    theirs = [sum(peer.seconds(query, data.END) for query in queries) for _ in range(5)]
    return _compared(
        f"5,000 new queryids in an hour ({store.series_count:,} series held, "
        f"{store.memory_bytes / 1e6:.0f} MB): a minute's answer and 3 rules; its 3 queries alone",
        taken[-10:],
        theirs,
    )


def _bytes(peer: Peer) -> Row:
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    store = data.filled([data.longer(each, 240) for each in data.counters(10_000)])
    Engine(store).instant(QUERY.format("bench_10000_total"), data.END * 1000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    theirs = peer.growth_bytes()
    return (
        "memory of a series: ours with 240 samples, labels and caches; its head with a few samples",
        f"{(after - before) / 10_000 / 1000:.1f} kB : {theirs / 10_000 / 1000:.1f} kB",
        f"values alone {store.memory_bytes / 10_000 / 1000:.1f} kB",
    )


def _let_one_series_come(store: Store, answers: Answers, number: int) -> None:
    """Add a series to each metric of a source, as a new table does: what was remembered is void."""
    last = answers.collected(-1)
    names = {labels.name for labels in last.labels}
    new = [
        Labels({METRIC_NAME: name, "target": "new", "relname": f"new_{number}"}) for name in names
    ]
    store.append(
        replace(
            last,
            time_ms=(data.END + 1 + number) * 1000,
            labels=[*last.labels, *new],
            values=[*last.values, *[0.0] * len(new)],
        )
    )


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _compared(what: str, ours: list[float], theirs: list[float], *, goal: str = "") -> Row:
    a, b = statistics.median(ours), statistics.median(theirs)
    wanted = f" ({goal})" if goal else ""
    return what, f"{a * 1000:.2f} ms : {b * 1000:.1f} ms", f"{b / a:.1f} times faster{wanted}"
