"""OpenMetrics: the same samples as the text page, as prometheus-client's own parser reads them."""

import gzip
import math

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pgwatch.export.openmetrics import CONTENT_TYPE, wants_openmetrics
from pgwatch.export.own_metrics import OwnMetrics
from pgwatch.export.prometheus import Exposition
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source

Rows = dict[str, tuple[MetricType | None, list[float]]]
COUNTER, GAUGE = MetricType.COUNTER, MetricType.GAUGE

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def exposition(rows: Rows, *, target: str = "db1", own: bool = False) -> Exposition:
    exposition = Exposition(OwnMetrics(version="1").render if own else None)
    exposition.accept(
        Collected(
            source=Source(target, "core/all"),
            time_ms=0,
            families=tuple(
                Family(name, kind, 'help "quoted"\n\\') for name, (kind, _) in rows.items() if kind
            ),
            labels=[
                Labels({"__name__": name, "n": f'{n}"\\\n', "target": target})
                for name, (_, values) in rows.items()
                for n, _ in enumerate(values)
            ],
            values=[value for _, values in rows.values() for value in values],
        )
    )
    return exposition


def body(exposition: Exposition, target: str | None = None) -> str:
    page = exposition.page(target, openmetrics=True)
    assert page is not None
    assert page.content_type == CONTENT_TYPE
    assert gzip.decompress(page.gzip) == page.body
    return page.body.decode()


def parsed(page: str) -> list[Metric]:
    return list(text_string_to_metric_families(page))  # type: ignore[no-untyped-call]


def types(rows: Rows) -> dict[str, str]:
    families = parsed(body(exposition(rows)))
    return {family.name: family.type for family in families}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param({"a_bytes": (GAUGE, [1])}, {"a_bytes": "gauge"}, id="gauge"),
        pytest.param({"a_total": (COUNTER, [1])}, {"a": "counter"}, id="counter"),
        pytest.param({"a_commit": (COUNTER, [1])}, {"a_commit": "unknown"}, id="inherited counter"),
        pytest.param({"a": (None, [1])}, {"a": "unknown"}, id="undeclared"),
        pytest.param({"a_total": (GAUGE, [-1])}, {"a_total": "gauge"}, id="gauge called total"),
        pytest.param(
            {"a": (GAUGE, [1]), "a_total": (COUNTER, [1])},
            {"a": "gauge", "a_total": "unknown"},
            id="short name is another family's",
        ),
        pytest.param(
            {"a_created": (GAUGE, [1]), "a_total": (COUNTER, [1])},
            {"a_created": "gauge", "a_total": "unknown"},
            id="suffix of a counter is another family's",
        ),
        pytest.param(
            {"a_total": (COUNTER, [1, -1])}, {"a_total": "unknown"}, id="negative counter"
        ),
        pytest.param(
            {"a_total": (COUNTER, [1, math.nan])}, {"a_total": "unknown"}, id="unknown count"
        ),
        pytest.param({"a_total": (COUNTER, [math.inf])}, {"a": "counter"}, id="endless counter"),
    ],
)
def test_types(rows: Rows, expected: dict[str, str]) -> None:
    assert types(rows) == expected


def test_one_uncountable_source_makes_the_family_unknown() -> None:
    pages = exposition({"a_total": (COUNTER, [1])})
    pages.accept(
        Collected(
            source=Source("db2", "core/all"),
            time_ms=0,
            families=(Family("a_total", COUNTER, ""),),
            labels=[Labels({"__name__": "a_total", "target": "db2"})],
            values=[-1.0],
        )
    )
    (family,) = parsed(body(pages))
    assert (family.name, family.type, len(family.samples)) == ("a_total", "unknown", 2)


def test_both_formats_have_the_same_samples() -> None:
    pages = exposition(
        {"a": (GAUGE, [1, math.inf, 0.1]), "b_total": (COUNTER, [2, 1e300]), "c": (COUNTER, [3])}
    )
    text = pages.page()
    assert text is not None
    families = parsed(body(pages))
    assert [
        (sample.name, sample.labels["n"], sample.value)
        for family in families
        for sample in family.samples
    ] == [
        ("a", '0"\\\n', 1),
        ("a", '1"\\\n', math.inf),
        ("a", '2"\\\n', 0.1),
        ("b_total", '0"\\\n', 2),
        ("b_total", '1"\\\n', 1e300),
        ("c", '0"\\\n', 3),
    ]
    assert samples(body(pages)) == samples(text.body.decode())
    assert {family.documentation for family in families} == {'help "quoted"\n\\'}


def samples(page: str) -> list[str]:
    return [line for line in page.splitlines() if not line.startswith("#")]


def test_the_end_stands_once_and_last() -> None:
    for pages in (exposition({"a": (GAUGE, [1])}), exposition({"a": (GAUGE, [1])}, own=True)):
        for target in (None, "db1"):
            text = body(pages, target)
            assert text.endswith("\n# EOF\n")
            assert text.count("# EOF") == 1


def test_own_metrics_are_on_the_whole_page() -> None:
    pages = exposition({"a_total": (COUNTER, [1])}, own=True)
    names = {family.name for family in parsed(body(pages))}
    assert {"a", "pgwatch_build_info", "prometheus_rule_evaluations"} <= names


def test_a_change_is_seen_in_both_formats() -> None:
    pages = exposition({"a": (GAUGE, [1])})
    assert "} 1.0\n" in body(pages)
    pages.accept(
        Collected(
            source=Source("db1", "core/all"),
            time_ms=1,
            families=(),
            labels=[Labels({"__name__": "a", "target": "db1"})],
            values=[2.0],
        )
    )
    assert "} 2.0\n" in body(pages)
    assert "} 2.0\n" in body(pages, "db1")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(PROMETHEUS_2_42, True, id="Prometheus 2.42"),
        pytest.param(
            "application/vnd.google.protobuf;q=0.6,application/openmetrics-text;version=1.0.0;"
            "escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            True,
            id="Prometheus 3",
        ),
        pytest.param("", False, id="nothing asked for"),
        pytest.param("*/*", False, id="curl"),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", False, id="a browser"),
        pytest.param("application/openmetrics-text", True, id="no version"),
        pytest.param("Application/OpenMetrics-Text ; Version=1.0.0", True, id="letters and spaces"),
        pytest.param("application/openmetrics-text;version=0.0.1", False, id="a draft"),
        pytest.param("application/openmetrics-text;version=2.0.0", False, id="to come"),
        pytest.param("application/openmetrics-text;q=0", False, id="refused"),
        pytest.param("application/openmetrics-text;q=0.3,text/plain;q=0.4", False, id="text first"),
        pytest.param("application/openmetrics-text;q=x", False, id="no quality"),
        pytest.param("application/openmetrics-text;q=nan,,;;", False, id="garbage"),
    ],
)
def test_who_gets_it(accept: str, expected: bool) -> None:
    assert wants_openmetrics(accept) is expected
