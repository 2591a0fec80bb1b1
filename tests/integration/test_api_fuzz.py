"""Whatever is asked, the HTTP API answers in its own words: no request makes it fail."""

import json
import os
import random
from collections.abc import Iterator

import pytest
import requests

from tests.integration.api import providers, some_store
from tests.integration.webserver import serving

REQUESTS = int(os.environ.get("API_FUZZ_REQUESTS", "250"))
SEED = int(os.environ.get("API_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)

PATHS = (
    "query", "query_range", "series", "labels", "label/job/values", "label/%00/values", "metadata", "rules",
    "alerts", "targets", "format_query", "query_exemplars", "status/buildinfo", "status/runtimeinfo",
    "scrape_pools", "label//values", "nobody",
)  # fmt: skip
NAMES = (
    "query", "time", "start", "end", "step", "timeout", "limit", "lookback_delta", "match[]", "type",
    "rule_name[]", "file[]", "exclude_alerts", "group_limit", "group_next_token", "state", "scrapePool",
    "metric",
)  # fmt: skip
VALUES = (
    "", "0", "-1", "1e308", "-1e308", "NaN", "Inf", "1e15", "9e15", "0.0001", "60", "1m", "1y", "x", "true",
    "2026-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59-23:59", "\x00", "é\udc80",
    "up", "up[5m]", "{}", '{__name__=~".+"}', "sum(", "1/0", '"\\ud800"', "up[100y:1ms]", "up offset 100y",
    "up @ 1e300", "(" * 200, "-" * 5000 + "1", "a" * 20_000, "vector(1)[1d:1s]", "count_values('', up)",
    "topk(1e300, up)", "quantile(NaN, up)",
)  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(providers(some_store())) as url:
        yield f"{url}/api/v1"


def test_every_request_is_answered(url: str) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    seen: set[int] = set()
    with requests.Session() as session:
        for _ in range(REQUESTS):
            path = dice.choice(PATHS)
            names = [*dice.choices(NAMES, k=dice.randrange(6)), "query", "start", "end", "step"]
            pairs = [(name, dice.choice(VALUES).encode("utf-8", "surrogatepass")) for name in names]
            if dice.random() < 0.5:
                response = session.get(f"{url}/{path}", params=pairs, timeout=40)
            else:
                response = session.post(f"{url}/{path}", data=pairs, timeout=40)
            seen.add(response.status_code)
            assert response.status_code in (200, 400, 404, 405, 422, 503), (path, pairs)
            if response.status_code != 405:
                assert json.loads(response.content)["status"] in ("success", "error")
    assert seen >= {200, 400, 404}
