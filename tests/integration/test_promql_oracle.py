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

from pgwatch.promql.engine import Engine, Kind
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


def _ours(engine: Engine, query: str, at: int) -> Answer | str:
    try:
        result = engine.instant(query, at * 1000)
    except PromqlError as error:
        return str(error)
    assert result.kind is Kind.VECTOR
    return {labels: {at: value} for labels, value in result.vector}


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
    expected = {
        Labels(series["metric"]): {
            int(when): float(value) for when, value in series.get("values", [series.get("value")])
        }
        for series in theirs["data"]["result"]
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
