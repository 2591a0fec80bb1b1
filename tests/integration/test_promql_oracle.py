"""Random queries against a real Prometheus: the same samples, the same answers.

Debian's Prometheus 2.42 is a valid oracle for 3.x on the queries of `tests.random_queries`.
"""

import json
import math
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pgwatch.promql.engine import Engine
from pgwatch.promql.errors import PromqlError
from pgwatch.samples.labels import Labels
from tests.random_queries import ROWS, START, Generator, all_series
from tests.series import store_of
from tests.servers import missing_peer

pytestmark = pytest.mark.peer

QUERIES = int(os.environ.get("PROMQL_ORACLE_QUERIES", "2500"))
SEED = int(os.environ.get("PROMQL_ORACLE_SEED") or random.SystemRandom().randrange(10**9))
# Other queries at each run; the message of a failure names the seed, which repeats them.

Answer = dict[Labels, dict[int, float]]


@dataclass
class Prometheus:
    """A running server's API."""

    port: int

    def ask(self, path: str, **parameters: str | float) -> dict[str, Any]:
        query = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                answer = json.load(error)
        return answer


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with all series backfilled."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            missing_peer(program)
    folder = tmp_path_factory.mktemp("oracle")
    metrics, data, config = folder / "metrics", folder / "data", folder / "prometheus.yml"
    metrics.write_text(_openmetrics())
    config.write_text("global: {evaluation_interval: 1m}\n")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(metrics), str(data)],
        check=True,
        capture_output=True,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                "prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_until_ready(port, folder / "log")
        yield Prometheus(port)
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_ready(port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"Prometheus did not become ready: {log.read_text()[-2000:]}")


def _openmetrics() -> str:
    lines = []
    for series in all_series():
        labels = Labels(series.labels)
        for place, point in enumerate(series.points):
            if point is not None:
                time_s = (series.start_ms + place * series.step_ms) / 1000
                lines.append(f"{str(labels).replace(', ', ',')} {point} {time_s}")
    return "\n".join([*lines, "# EOF\n"])


def cases() -> Iterator[tuple[str, int]]:
    """Yield as many different queries, each with the time to ask it for."""
    dice = random.Random(SEED)
    generator = Generator(dice)
    seen: set[str] = set()
    while len(seen) < QUERIES:
        query = generator.vector(dice.randint(1, 4))
        at = START + dice.randrange(1500, ROWS * 15, 10) + 7  # windows before the data differ
        if query not in seen:
            seen.add(query)
            yield query, at


def test_random_queries_agree_with_prometheus(oracle: Prometheus) -> None:
    print(f"seed {SEED}")
    engine = Engine(store_of(all_series()))
    wrong, answered = [], 0
    for number, (query, at) in enumerate(cases()):
        if number % 3 == 0:
            theirs = oracle.ask("query_range", query=query, start=at, end=at + 290, step=70)
            ours = _ours_over_range(engine, query, at)
        else:
            theirs, ours = oracle.ask("query", query=query, time=at), _ours(engine, query, at)
        problem = _difference(ours, theirs)
        answered += isinstance(ours, dict) and bool(ours)
        if problem:
            wrong.append(f"{query} at {at}: {problem}")
    repeat = f"PROMQL_ORACLE_SEED={SEED} PROMQL_ORACLE_QUERIES={QUERIES}"
    assert not wrong, f"{len(wrong)} differ ({repeat}):\n" + "\n".join(wrong[:20])
    assert answered > QUERIES / 2  # else the queries select nothing worth comparing


# What the random queries and upstream's scripts have little of: one of each, at several times.
THIN = [
    *(f"{name}(g)" for name in ("asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "sgn")),
    *(f"{name}(abs(g) + 1)" for name in ("acosh", "ln", "log2", "log10", "sqrt")),
    "atanh(g / 100)", "deg(g)", "rad(g)", "exp(g / 10)", "g * pi()", "vector(pi())", "-pi() + g",
    *(f"{name}(vector(1582934400 + time()))" for name in ("month", "year", "days_in_month")),
    *(f"{name}(g * 1e8)" for name in ("minute", "hour", "day_of_week", "day_of_month")),
    'present_over_time(late{job="a"}[2m])', "last_over_time(late[90s])", "stdvar_over_time(g[3m])",
    "stddev_over_time(h[3m])", "count_over_time(late[10m])", "quantile_over_time(0.5, h[4m])",
    "quantile_over_time(-1, h[4m])", "quantile_over_time(2, h[4m])", "changes(g[5m])", "resets(g[5m])",
    "deriv(h[5m])", "predict_linear(h[5m], 600)", "predict_linear(h[5m] offset 1m, -60)",
    "delta(g[4m])", "idelta(h[2m])", "irate(c_total[2m])", "increase(c_total[7m])",
    # Which operators drop the name, and which keep it.
    "g + 0", "g > -100", "-g", "+g", "abs(g)", "g and g", "g or h", "topk(2, g)", "max(g)", "round(g)",
    "sort(g)", "sort_desc(h)", 'label_replace(g, "__name__", "x", "", "")', "timestamp(g)",
    'label_replace(rate(c_total[2m]), "job", "q", "job", ".*")', "g == bool g", "g unless h",
    'sum by (__name__) ({__name__=~"g|h"})', 'count without (job) ({__name__=~"g|h"})',
    # Literals, in all the ways there are.
    "0x1F", "017", "1e-3", ".5", "5.", "+Inf", "-Inf", "NaN", "1 / 0", "-1 ^ 0.5", "2 ^ 3 ^ 2", "-2 ^ 2",
    "7 % -3", "-7 % 3", "1 == bool 1", "1 < bool NaN", "NaN != bool NaN", "2 - -3", "time() % 60",
    # Selectors and their modifiers.
    'g{job=""}', 'g{job!=""}', 'g{none=""}', 'g{none!="x"}', '{job="a",__name__!="g"}', 'g{job=~""}',
    'g{job=~"a|"}', 'g{job!~""}', 'g{instance=~"[[:digit:]]"}', "g offset 1m", "g offset -1m",
    f"g @ {START + 1807} offset 30s", "sum_over_time(g[2m] @ end())", "g @ start()",
    f"max_over_time(g[2m:20s] @ {START + 1807})", "sum_over_time(sum(g)[3m:30s] offset 1m)",
    "max_over_time((time())[5m:30s])", "count_over_time(vector(1)[5m:30s])",
    # Matching.
    "g + on (job, instance) h", "g + ignoring () h", "g * on (job) group_left () sum by (job) (h)",
    "sum by (job) (g) / on (job) group_right () h", "g + on () g", "g * on (job) h", "g == on (job) h",
    "sum(g) + sum(h)", "sum(g) > sum(h)", "g and on () vector(1)", "g unless on (job) h{job=\"a\"}",
    "vector(1) or g", "g or on (job) h", 'build * on (job) group_right (version) g',
    # Aggregations.
    "quantile(0.9, g)", "quantile by (job) (NaN, g)", "quantile(2, g)", "quantile(-1, g)", "group(g)",
    "stddev(g)", "stdvar by (job) (g)", "topk(100, g)", "bottomk by (job) (1, g)", "topk(0, g)",
    "topk(scalar(only), g)", 'count_values("v", round(g))', 'count_values without (job) ("v", round(g))',
    "sum by (none) (g)", "avg without () (g)", "count(none)", "sum(g * 1e300)", "avg(g * 1e308)",
    # Histograms.
    "histogram_quantile(0.9, d_bucket)", "histogram_quantile(0.5, sum by (le, job) (rate(d_bucket[5m])))",
    "histogram_quantile(NaN, d_bucket)", 'histogram_quantile(0.9, d_bucket{le!="+Inf"})',
    'histogram_quantile(0.9, d_bucket{le="+Inf"})', "histogram_quantile(0.9, g)",
    "histogram_quantile(0.99, d_bucket * 0)", 'histogram_quantile(0.4, d_bucket{le=~"0.1|[+]Inf"})',
    "absent(none)", 'absent(none{a="b"})', "absent(g)", "absent_over_time(none[5m])", "scalar(g)",
    'scalar(only)', "vector(scalar(only)) + 1", 'label_join(g, "j", "-", "job", "instance")',
]  # fmt: skip


def test_thin_families_agree_with_prometheus(oracle: Prometheus) -> None:
    engine, wrong, answered = Engine(store_of(all_series())), [], 0
    for query in THIN:
        for at in (START + 1517, START + 1807, START + 2207):
            theirs = oracle.ask("query", query=query, time=at)
            problem = _difference(_ours(engine, query, at), theirs)
            answered += theirs["status"] == "success" and bool(theirs["data"]["result"])
            if problem:
                wrong.append(f"{query} at {at}: {problem}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:40])
    assert answered > 2 * len(THIN)


def _ours(engine: Engine, query: str, at: int) -> Answer | str:
    try:
        result = engine.instant(query, at * 1000)
    except PromqlError as error:
        return str(error)
    return {
        labels: {at: value} for labels, value in result.vector
    }  # of a scalar one without labels


def _ours_over_range(engine: Engine, query: str, at: int) -> Answer | str:
    try:
        result = engine.range(query, at * 1000, (at + 290) * 1000, 70_000)
    except PromqlError as error:
        return str(error)
    return {
        series.labels: dict(
            zip((series.times // 1000).tolist(), series.values.tolist(), strict=True)
        )
        for series in result.series
    }


def _difference(ours: Answer | str, theirs: dict[str, Any]) -> str:
    if theirs["status"] == "error" or isinstance(ours, str):
        if theirs["status"] == "error" and isinstance(ours, str):
            return ""
        return f"ours {str(ours)[:300]}, theirs {str(theirs)[:300]}"
    found = theirs["data"]["result"]
    if theirs["data"]["resultType"] == "scalar":
        found = [{"metric": {}, "value": found}]
    expected = {
        Labels(series["metric"]): {
            int(when): float(value) for when, value in series.get("values", [series.get("value")])
        }
        for series in found
    }
    if ours.keys() != expected.keys():
        return f"series {sorted(ours)} instead of {sorted(expected)}"
    for labels, points in expected.items():
        if ours[labels].keys() != points.keys():
            return f"{labels} at {sorted(ours[labels])} instead of {sorted(points)}"
        for when, value in points.items():
            if not _same(ours[labels][when], value):
                return f"{labels} is {ours[labels][when]!r} instead of {value!r} at {when}"
    return ""


def _same(got: float, expected: float) -> bool:
    if math.isnan(got) or math.isnan(expected):
        return math.isnan(got) and math.isnan(expected)
    return got == expected or math.isclose(got, expected, rel_tol=1e-6, abs_tol=1e-9)
