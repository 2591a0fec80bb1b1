"""The exposition: what a scrape reads, and that it is one well-formed page whatever was collected."""

import gzip
import math
import threading
import time
import zlib

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pgwatch.export.prometheus import Exposition, Page
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

SIZE = Family("pg_table_bytes", MetricType.GAUGE, "Size of a table")
COMMITS = Family("pg_stat_database_xact_commit", MetricType.COUNTER, "Transactions committed")


def collected(
    *rows: tuple[str, dict[str, str], float],
    target: str = "db1",
    query: str = "core/size",
    database: str = "",
    families: tuple[Family, ...] = (SIZE, COMMITS),
) -> Collected:
    return Collected(
        source=Source(target, query, database),
        time_ms=0,
        families=families,
        labels=[Labels({"__name__": name, "target": target, **labels}) for name, labels, _ in rows],
        values=[value for *_, value in rows],
    )


def text(page: Page | None) -> str:
    assert page is not None
    assert gzip.decompress(page.gzip) == page.body
    return page.body.decode()


def test_page_is_exactly_the_format() -> None:
    exposition = Exposition()
    exposition.accept(
        collected(("pg_table_bytes", {"relname": "a"}, 5.0), ("pg_table_bytes", {}, 1e300))
    )
    assert text(exposition.page()) == (
        "# HELP pg_table_bytes Size of a table\n"
        "# TYPE pg_table_bytes gauge\n"
        'pg_table_bytes{relname="a",target="db1"} 5.0\n'
        'pg_table_bytes{target="db1"} 1e+300\n'
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (9007199254740993, "9007199254740992.0"),
        (True, "1.0"),
    ],
)
def test_values_as_go_reads_them(value: float, written: str) -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_table_bytes", {}, value), ("pg_table_bytes", {"a": "b"}, 2.0)))
    lines = text(exposition.page()).splitlines()
    assert lines[2:] == [
        f'pg_table_bytes{{target="db1"}} {written}',
        'pg_table_bytes{a="b",target="db1"} 2.0',
    ]


def test_finite_values_whose_sum_overflows_are_written_as_they_are() -> None:
    exposition = Exposition()
    exposition.accept(
        collected(("pg_table_bytes", {}, 1e308), ("pg_table_bytes", {"a": "b"}, 1e308))
    )
    assert text(exposition.page()).count("1e+308") == 2


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", 'a\\"\nb', "ü 木", "{}", "a\rb", "a,b"])
def test_any_label_value_survives(value: str) -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_table_bytes", {"relname": value}, 1.0)))
    page = text(exposition.page())
    assert len(page.split("\n")) == 4
    (family,) = text_string_to_metric_families(page)
    assert family.samples[0].labels == {"relname": value, "target": "db1"}


def test_name_that_cannot_be_encoded_does_not_cost_the_page() -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_table_bytes", {"relname": "\udcff"}, 1.0)))
    assert 'relname="?"' in text(exposition.page())


def test_help_is_escaped() -> None:
    exposition = Exposition()
    family = Family("pg_table_bytes", MetricType.GAUGE, 'two\nlines \\ and "quotes"')
    exposition.accept(collected(("pg_table_bytes", {}, 1.0), families=(family,)))
    assert text(exposition.page()).startswith(
        '# HELP pg_table_bytes two\\nlines \\\\ and "quotes"\n# TYPE'
    )


def test_family_of_several_sources_stands_together_under_one_header() -> None:
    exposition = Exposition()
    for target, database in [("db2", "b"), ("db1", "b"), ("db1", "a")]:
        exposition.accept(
            collected(
                ("pg_stat_database_xact_commit", {"datname": database}, 1.0),
                ("pg_table_bytes", {"datname": database}, 2.0),
                target=target,
                database=database,
            )
        )
    assert text(exposition.page()).splitlines() == [
        "# HELP pg_stat_database_xact_commit Transactions committed",
        "# TYPE pg_stat_database_xact_commit counter",
        'pg_stat_database_xact_commit{datname="a",target="db1"} 1.0',
        'pg_stat_database_xact_commit{datname="b",target="db1"} 1.0',
        'pg_stat_database_xact_commit{datname="b",target="db2"} 1.0',
        "# HELP pg_table_bytes Size of a table",
        "# TYPE pg_table_bytes gauge",
        'pg_table_bytes{datname="a",target="db1"} 2.0',
        'pg_table_bytes{datname="b",target="db1"} 2.0',
        'pg_table_bytes{datname="b",target="db2"} 2.0',
    ]


def test_family_whose_series_do_not_stand_together_is_written_once() -> None:
    exposition = Exposition()
    exposition.accept(
        collected(
            ("pg_table_bytes", {"relname": "a"}, 1.0),
            ("pg_stat_database_xact_commit", {}, 2.0),
            ("pg_table_bytes", {"relname": "b"}, 3.0),
        )
    )
    page = text(exposition.page())
    assert page.count("# TYPE pg_table_bytes") == 1
    assert page.index('relname="b"') - page.index('relname="a"') < 60


def test_sources_that_disagree_about_a_type_give_one_header() -> None:
    exposition = Exposition()
    other = Family("pg_table_bytes", MetricType.COUNTER, "Something else")
    exposition.accept(collected(("pg_table_bytes", {}, 1.0), query="core/z", families=(other,)))
    exposition.accept(collected(("pg_table_bytes", {"a": "b"}, 1.0), query="core/a"))
    assert text(exposition.page()).count("# TYPE") == 1
    assert "# TYPE pg_table_bytes gauge" in text(exposition.page())


def test_series_without_a_declared_family_is_untyped() -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_odd", {}, 1.0), families=()))
    assert "# TYPE pg_odd untyped\n" in text(exposition.page())


def test_next_answer_replaces_the_previous_one() -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_table_bytes", {"relname": "a"}, 1.0)))
    assert 'relname="a",target="db1"} 1.0' in text(exposition.page())
    exposition.accept(collected(("pg_table_bytes", {"relname": "a"}, 2.0)))
    assert 'relname="a",target="db1"} 2.0' in text(exposition.page())
    exposition.accept(collected(("pg_table_bytes", {"relname": "b"}, 2.0)))
    assert 'relname="a"' not in text(exposition.page())
    exposition.accept(collected())
    assert text(exposition.page()) == ""


def test_forgotten_source_is_gone_and_the_others_stay() -> None:
    exposition = Exposition()
    exposition.accept(collected(("pg_table_bytes", {"relname": "a"}, 1.0), query="core/a"))
    exposition.accept(collected(("pg_table_bytes", {"relname": "b"}, 1.0), query="core/b"))
    text(exposition.page())
    exposition.forget(Source("db1", "core/a"))
    exposition.forget(Source("db1", "core/never"))
    assert 'relname="a"' not in text(exposition.page())
    assert 'relname="b"' in text(exposition.page())
    exposition.forget_target("db1")
    assert text(exposition.page()) == ""
    assert exposition.page("db1") is None


def test_page_of_one_target_has_only_its_series_and_no_tail() -> None:
    exposition = Exposition(lambda _: b"own 1.0\n")
    exposition.accept(collected(("pg_table_bytes", {}, 1.0), target="db1"))
    exposition.accept(collected(("pg_table_bytes", {}, 2.0), target="db2"))
    assert text(exposition.page("db2")).splitlines()[2:] == ['pg_table_bytes{target="db2"} 2.0']
    assert exposition.page("db3") is None
    exposition.accept(collected(("pg_table_bytes", {}, 3.0), target="db2"))
    assert text(exposition.page("db2")).splitlines()[2:] == ['pg_table_bytes{target="db2"} 3.0']
    assert text(exposition.page()).endswith("own 1.0\n")


def test_tail_is_asked_at_each_scrape() -> None:
    numbers = iter([b"own 1.0\n", b"own 2.0\n"])
    exposition = Exposition(lambda _: next(numbers))
    assert text(exposition.page()) == "own 1.0\n"
    assert text(exposition.page()) == "own 2.0\n"


def test_gzip_is_one_member() -> None:
    exposition = Exposition(lambda _: b"own 1.0\n")
    for number in range(50):
        exposition.accept(collected(("pg_table_bytes", {}, 1.0), target=f"db{number}"))
    page = exposition.page()
    assert page is not None
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(page.gzip) == page.body
    assert reader.eof
    assert reader.unused_data == b""


def test_ten_thousand_series_cost_a_fifth_at_most_of_prometheus_client() -> None:
    """A ratio in one run, so that the machine's speed does not matter (measured: a fifteenth)."""
    registry = CollectorRegistry()
    gauge = Gauge("pg_table_bytes", "Size of a table", ["relname", "target"], registry=registry)
    rows = []
    for number in range(10_000):
        gauge.labels(f"t{number}", "db1").set(number)
        rows.append(("pg_table_bytes", {"relname": f"t{number}"}, float(number)))
    exposition = Exposition()
    first = collected(*rows)
    exposition.accept(first)
    theirs = best_of(lambda: generate_latest(registry))
    answers = iter(
        Collected(
            source=first.source,
            time_ms=0,
            families=first.families,
            labels=first.labels,
            values=[value + turn for value in first.values],
        )
        for turn in range(1, 9)
    )

    def ours() -> None:
        exposition.accept(next(answers))
        exposition.page()

    assert best_of(ours) < theirs / 5


def best_of(action: object) -> float:
    assert callable(action)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


def test_pages_stay_whole_while_another_thread_replaces_answers() -> None:
    exposition = Exposition()
    sources = [f"core/{number}" for number in range(20)]
    stop = threading.Event()

    def replace() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            for query in sources:
                rows = [
                    ("pg_table_bytes", {"relname": f"{query}{n}"}, turn) for n in range(turn % 5)
                ]
                exposition.accept(collected(*rows, query=query))

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(200):
            page = text(exposition.page())
            assert page.count("# TYPE") <= 1
            assert page.endswith("\n") or page == ""
    finally:
        stop.set()
        thread.join()
