"""Query files: what a header may say, and every mistake at once with its line."""

from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.errors import InputError
from pgwatch.queries.header import parse_query
from pgwatch.queries.query import Query, Scope
from pgwatch.samples.sample import MetricType
from pgwatch.targets.target import Role

METRICS = """metrics:
  pg_n: {type: gauge, value: n, help: A number}
"""


def parse(text: str) -> Query:
    return parse_query(text, name="app/roofing/n", path=Path("n.sql"))


def problems(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_everything_that_a_header_may_say() -> None:
    query = parse(
        """
/*
help: A question
interval: 5m
timeout: 10s
scope: cluster
role: standby
requires:
  version: ">=12"
  extension: [pg_stat_statements>=1.8, pgstattuple]
  relation: public.orders
  privilege: pg_read_all_stats
  setting: {track_commit_timestamp: "on"}
max_series: 200
metrics:
  pg_n:
    type: counter
    value: n
    labels: [datname, relname]
    help: A number
*/
-- The reason.
SELECT 1 AS n;
-- version: <13
SELECT 2 AS n;
"""
    )
    assert (query.name, query.pack, query.help) == ("app/roofing/n", "app/roofing", "A question")
    assert (query.interval, query.timeout) == (timedelta(minutes=5), timedelta(seconds=10))
    assert (query.scope, query.role, query.max_series) == (Scope.CLUSTER, Role.STANDBY, 200)
    assert [str(e.versions) for e in query.requires.extensions] == [">=1.8", ""]
    assert query.requires.relations == ("public.orders",)
    assert query.requires.privileges == ("pg_read_all_stats",)
    assert query.requires.settings == {"track_commit_timestamp": "on"}
    (metric,) = query.metrics
    assert (metric.value, metric.labels) == ("n", ("datname", "relname"))
    assert metric.family.type is MetricType.COUNTER
    assert query.sql == "-- The reason.\nSELECT 1 AS n;"
    assert [variant.sql for variant in query.variants] == ["SELECT 2 AS n;"]


def test_what_a_header_need_not_say() -> None:
    query = parse(f"/*\nhelp: A question\n{METRICS}*/\nSELECT 1 AS n;")
    assert (query.interval, query.timeout) == (timedelta(seconds=60), timedelta(seconds=5))
    assert (query.scope, query.role, query.max_series) == (Scope.DATABASE, None, 1000)
    assert query.requires.version.holds((12, 0))


def test_all_mistakes_at_once_each_with_its_line() -> None:
    told = problems(
        """/*
help: A question
interval: soon
timeout: 2m
scope: server
role: leader
max_series: none
colour: red
requires: {version: new, privileges: pg_monitor, setting: {jit: on}}
metrics:
  pg-n: {type: number, value: n, labels: [target, datname, datname, "a b"]}
*/
SELECT 1 AS n
-- version: old
SELECT 2;
"""
    )
    expected = [
        "n.sql:3:1: interval: 'soon' is not a duration",
        "n.sql:4:1: timeout: must be shorter than the interval of 1m",
        "n.sql:5:1: scope: 'server' is not one of database, cluster",
        "n.sql:6:1: role: 'leader' is not one of primary, standby, any",
        "n.sql:7:1: max_series: expected a whole number from 1",
        "n.sql:8:1: colour: unknown key; one of help, kind, interval,",
        "n.sql:9:12: requires.version: 'new' is not a version range",
        "n.sql:9:26: requires.privileges: unknown key; one of version,",
        'n.sql:9:60: requires.setting.jit: write the value in quotes, such as "on"',
        "n.sql:11:3: metrics.pg-n: is not a metric name",
        "n.sql:11:10: metrics.pg-n.type: 'number' is not one of counter, gauge, untyped",
        "n.sql:11:34: metrics.pg-n.labels: the label target is set by pgwatch",
        "n.sql:11:34: metrics.pg-n.labels: scope: database adds the label datname",
        "n.sql:11:34: metrics.pg-n.labels: 'a b' is not a label name",
        "n.sql:11:34: metrics.pg-n.labels: names a label twice",
        "n.sql:11:3: metrics.pg-n.help: is missing",
        "n.sql:13: end the statement with ;",
        "n.sql:14: -- version: 'old' is not a version range",
    ]
    for start in expected:
        assert any(line.startswith(start) for line in told), (start, told)
    assert len(told) == len(expected) + 1, "datname is told twice, since it stands there twice"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("SELECT 1;", "n.sql:1: expected a leading block comment", id="no header"),
        pytest.param(
            "\n/*\nhelp: x\nSELECT 1;\n",
            "n.sql:2: the comment is not closed: */ is missing",
            id="never closed",
        ),
        pytest.param("/*\nhelp: [\n*/\nSELECT 1;", "n.sql:", id="no YAML"),
        pytest.param("/*\n- help\n*/\nSELECT 1;", "n.sql:2:1: expected a mapping", id="a list"),
        pytest.param("/*\nhelp: x\n*/\nSELECT 1;", "n.sql:2:1: metrics: declare", id="no metric"),
        pytest.param(
            f"/*\nhelp: x\nhelp: y\n{METRICS}*/\nSELECT 1;", "n.sql:3:1: help: this key", id="twice"
        ),
        pytest.param(f"/*\n{METRICS}*/\nSELECT 1;", "n.sql:2:1: help: is missing", id="no help"),
        pytest.param(f"/*\nhelp: x\n{METRICS}*/\n", "n.sql:5: expected a statement", id="no SQL"),
        pytest.param(
            f"/*\nhelp: x\n{METRICS}*/\n-- version: <13\nSELECT 1;",
            "n.sql:5: expected a statement",
            id="no default",
        ),
        pytest.param(
            f"/*\nhelp: x\ntimeout: 0s\n{METRICS}*/\nSELECT 1;",
            "n.sql:3:1: timeout: must be longer than 0",
            id="no time",
        ),
        pytest.param(
            f"/*\nhelp: x\nrequires: {{extension: '>=1.8'}}\n{METRICS}*/\nSELECT 1;",
            "n.sql:3:12: requires.extension: '>=1.8' is not an extension",
            id="nameless extension",
        ),
    ],
)
def test_a_mistake(text: str, expected: str) -> None:
    told = problems(text)
    assert any(line.startswith(expected) for line in told), told


BENCHMARK = "/*\nhelp: Fast\nkind: benchmark\nlimit: 200ms\n{more}*/\nSELECT 1;\n"


def test_benchmark_is_timed_and_brings_no_metrics() -> None:
    query = parse(BENCHMARK.format(more=""))
    assert query.benchmark is not None
    assert (query.benchmark.limit, query.benchmark.runs) == (timedelta(milliseconds=200), 10)
    assert (query.metrics, query.timeout) == ((), timedelta(seconds=5))
    slow = parse(BENCHMARK.replace("200ms", "20s").format(more="runs: 3\n"))
    assert slow.benchmark is not None
    assert (slow.benchmark.runs, slow.timeout) == (3, timedelta(seconds=40))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BENCHMARK.replace("limit: 200ms\n", ""), "n.sql:2:1: limit: is missing"),
        (BENCHMARK.replace("{more}", "timeout: 100ms\n"), "n.sql:5:1: timeout: must be longer"),
        (BENCHMARK.replace("{more}", "interval: 5m\n"), "n.sql:5:1: interval: means nothing in a"),
        (BENCHMARK.replace("{more}", "runs: 0\n"), "n.sql:5:1: runs: expected a whole number"),
        (BENCHMARK.replace("{more}", "runs: 5000\n"), "n.sql:5:1: runs: at most 1000"),
        (BENCHMARK.replace("benchmark", "timing"), "n.sql:3:1: kind: 'timing' is not one of"),
        (
            "/*\nhelp: h\nlimit: 1s\nmetrics: {m: {type: gauge, value: n, help: h}}\n*/\nSELECT 1;",
            "n.sql:3:1: limit: belongs to kind: benchmark only",
        ),
    ],
)
def test_mistakes_of_a_benchmark(text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in problems(text.replace("{more}", "")))
