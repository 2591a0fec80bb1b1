"""Queries through the HTTP API: values, errors and limits."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Source
from pgwatch.samples.store import Store
from pgwatch.web.api_adhoc import AdHoc, CheckTime
from pgwatch.web.api_answer import ApiError, ErrorKind
from pgwatch.web.api_parameters import MAX_BODY
from tests.integration.api import ERRORS, MATCH, data, get, providers, some_store
from tests.integration.webserver import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(providers(some_store())) as url:
        yield f"{url}/api/v1"


# Queries


@pytest.mark.parametrize(
    ("query", "kind", "result"),
    [
        ("1+1", "scalar", [60, "2"]),
        ('"text"', "string", [60, "text"]),
        ("vector(1e21)", "vector", [{"metric": {}, "value": [60, "1e+21"]}]),
        (
            'up{job="a"}',
            "vector",
            [{"metric": {"__name__": "up", "job": "a"}, "value": [60, "2"]}],
        ),
        ("big", "vector", [{"metric": {"__name__": "big", "job": "a"}, "value": [60, "+Inf"]}]),
        ('up{job="b"}', "vector", []),
        (
            'up{job="a"}[2m]',
            "matrix",
            [{"metric": {"__name__": "up", "job": "a"}, "values": [[0, "1"], [60, "2"]]}],
        ),
        (
            "Zeichen",
            "vector",
            [
                {
                    "metric": {"__name__": "Zeichen", "name": 'Grüße "x"'},
                    "value": [60, "1e-07"],
                }
            ],
        ),
    ],
)
def test_instant_query(url: str, query: str, kind: str, result: Any) -> None:
    answer = get(url, "query", query=query, time=60)
    assert answer == {"resultType": kind, "result": result}


def test_value_that_is_no_number_is_written_as_text(url: str) -> None:
    assert get(url, "query", query="big", time=120)["result"][0]["value"] == [120, "NaN"]


@pytest.mark.parametrize("time", ["60.5", "6.05e1", "1970-01-01T00:01:00.5Z"])
def test_times_are_seconds_or_rfc_3339(url: str, time: str) -> None:
    assert get(url, "query", query="1", time=time)["result"] == [60.5, "1"]


def test_time_is_now_by_default(url: str) -> None:
    before = time.time() - 0.001
    assert before <= get(url, "query", query="1")["result"][0] <= time.time()


def test_form_is_read_before_the_url(url: str) -> None:
    response = requests.post(f"{url}/query?query=2&time=7", data={"query": "1"}, timeout=10)
    assert data(response)["result"] == [7, "1"]


def test_range_query(url: str) -> None:
    answer = get(url, "query_range", query="up", start=0, end=120, step="1m")
    assert answer == {
        "resultType": "matrix",
        "result": [
            {
                "metric": {"__name__": "up", "job": "a"},
                "values": [[0, "1"], [60, "2"], [120, "3"]],
            },
            {"metric": {"__name__": "up", "job": "b"}, "values": [[0, "0.5"]]},
        ],
    }


def test_scalar_over_a_range_is_one_series(url: str) -> None:
    answer = get(url, "query_range", query="1.5", start=0, end=1, step=0.5)
    values = [[0, "1.5"], [0.5, "1.5"], [1, "1.5"]]
    assert answer["result"] == [{"metric": {}, "values": values}]


def test_range_may_have_11_000_points(url: str) -> None:
    answer = get(url, "query_range", query="1", start=0, end=11_000, step=1)
    assert len(answer["result"][0]["values"]) == 11_001


def test_lookback_can_be_shortened(url: str) -> None:
    assert get(url, "query", query="up", time=230)["result"]
    assert not get(url, "query", query="up", time=230, lookback_delta="30s")["result"]
    assert get(url, "query", query="up", time=230, lookback_delta=0)["result"]  # 0: the default


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": '{__name__=~".+"}', "time": 0}),
        ("query_range", {"query": "up", "start": 0, "end": 60, "step": 60}),
        ("series", {MATCH: "up"}),
        ("labels", {}),
        ("label/job/values", {}),
    ],
)
def test_limit_cuts_and_says_so(url: str, path: str, parameters: dict[str, Any]) -> None:
    answer = requests.get(f"{url}/{path}", params={**parameters, "limit": 1}, timeout=10).json()
    rows = answer["data"]["result"] if path.startswith("query") else answer["data"]
    assert len(rows) == 1
    assert answer["warnings"] == ["results truncated due to limit"]


def test_warnings_and_infos_are_told_apart(url: str) -> None:
    query = "quantile_over_time(2, up[5m])"
    parameters: dict[str, Any] = {"query": query, "time": 60}
    answer = requests.get(f"{url}/query", params=parameters, timeout=10).json()
    assert answer["warnings"][0].startswith("PromQL warning: quantile value should be between")
    assert "infos" not in answer


@pytest.mark.parametrize(("path", "parameters", "status", "kind", "message"), ERRORS)
def test_errors(
    url: str, path: str, parameters: dict[str, Any], status: int, kind: str, message: str
) -> None:
    response = requests.get(f"{url}/{path}", params=parameters, timeout=10)
    answer = response.json()
    assert (response.status_code, answer["status"], answer["errorType"]) == (status, "error", kind)
    assert message in answer["error"]


def test_form_that_is_too_large_is_refused(url: str) -> None:
    response = requests.post(f"{url}/query", data={"query": "1" * MAX_BODY}, timeout=10)
    assert (response.status_code, response.json()["errorType"]) == (400, "bad_data")


def test_no_web_site_may_read(url: str) -> None:
    origin = {"Origin": "https://example.com"}
    for method in ("GET", "OPTIONS"):
        response = requests.request(method, f"{url}/query?query=1", headers=origin, timeout=10)
        assert response.ok
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert response.status_code == 204


# Limits


@pytest.fixture
def wide_url() -> Iterator[str]:
    """A history in which a query can take seconds."""
    store = Store(timedelta(days=10))
    names = [Labels({"__name__": "x", "i": str(i)}) for i in range(2_000)]
    for row in range(200):
        store.append(
            Collected(
                source=Source("t", "q"),
                time_ms=row * 15_000,
                families=(),
                labels=names,
                values=[float(row)] * len(names),
            )
        )
    with serving(providers(store)) as url:
        yield f"{url}/api/v1"


SLOW: dict[str, Any] = {
    "query": " + ".join(["sum(stddev_over_time(x[10m]))"] * 20),
    "start": 0,
    "end": 3_000,
    "step": 2,
}


def test_slow_query_ends_in_time_and_stalls_nobody(wide_url: str) -> None:
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(
            requests.get, f"{wide_url}/query_range", params={**SLOW, "timeout": "1s"}, timeout=20
        )
        time.sleep(0.2)
        waiting = pool.submit(
            requests.get, f"{wide_url}/query", params={"query": "1", "timeout": "0.2"}, timeout=20
        )
        targets = requests.get(f"{wide_url}/targets", timeout=20)  # not behind the query
        assert targets.ok
        assert time.monotonic() - begun < 1
        for response in (waiting.result(), slow.result()):
            assert response.status_code == 503
            assert response.json()["errorType"] == "timeout"
    assert time.monotonic() - begun < 3
    assert get(wide_url, "query", query="1", time=0)["result"] == [0, "1"]


def test_queries_take_turns() -> None:
    running = most = 0

    def work(_: CheckTime) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.005)
        running -= 1

    async def together() -> None:
        adhoc = AdHoc()
        await asyncio.gather(*(adhoc.run(work) for _ in range(20)))

    asyncio.run(together())
    assert most == 1


def test_only_so_many_queries_may_wait() -> None:
    async def together() -> list[BaseException | None]:
        adhoc = AdHoc()
        asked = (adhoc.run(lambda _: None) for _ in range(200))
        return await asyncio.gather(*asked, return_exceptions=True)

    refused = [one for one in asyncio.run(together()) if isinstance(one, ApiError)]
    assert 0 < len(refused) < 200
    assert {one.kind for one in refused} == {ErrorKind.UNAVAILABLE}


def test_answer_that_is_too_large_is_refused(wide_url: str) -> None:
    parameters: dict[str, Any] = {"query": "x", "start": 0, "end": 3_000, "step": 2}
    response = requests.get(f"{wide_url}/query_range", params=parameters, timeout=20)
    assert (response.status_code, response.json()["errorType"]) == (422, "execution")
    assert "too many samples" in response.json()["error"]
