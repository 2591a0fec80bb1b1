"""Prometheus's HTTP API as its clients use it: Grafana, promtool, a library; and the real one beside it."""

from pathlib import Path
from typing import Any

import pytest
import requests

from pgwatch.samples.store import Store
from tests.integration.api import ERRORS, MATCH, providers
from tests.integration.prometheus import running_prometheus
from tests.integration.webserver import serving

SAME: list[tuple[str, dict[str, Any]]] = [
    ("query", {"query": "1+1", "time": 4}),
    ("query", {"query": '"a"', "time": "2026-01-01T00:00:00Z"}),
    ("query", {"query": "vector(1)/3", "time": 1.5}),
    ("query", {"query": "nothing", "time": 0}),
    ("query", {"query": "vector(1)[1m:30s]", "time": 80}),
    ("query_range", {"query": "time()", "start": 1, "end": 3, "step": "500ms"}),
    ("query_exemplars", {"query": "nothing", "start": 0, "end": 1}),
    ("series", {MATCH: "nothing"}),
    ("metadata", {"metric": "nothing"}),
    ("alertmanagers", {}),
    ("format_query", {"query": "sum(a)by(b)"}),
]


@pytest.mark.peer
def test_answers_are_those_of_prometheus(tmp_path: Path) -> None:
    with serving(providers(Store())) as empty, running_prometheus("{}", tmp_path) as prometheus:
        for path, parameters in SAME:
            theirs, ours = (
                requests.get(f"{url}/api/v1/{path}", params=parameters, timeout=10).json()
                for url in (prometheus.url, empty)
            )
            assert ours == theirs, (path, parameters)
        for path, parameters, status, kind, message in ERRORS:
            if _is_checked_by_debian(path, parameters, message):
                url = f"{prometheus.url}/api/v1/{path}"
                theirs = requests.get(url, params=parameters, timeout=10)
                answered = (theirs.status_code, theirs.json().get("errorType"))
                assert answered == (status, kind), parameters


def _is_checked_by_debian(path: str, parameters: dict[str, Any], message: str) -> bool:
    """Return whether Prometheus 2.42 has the parameter, and refuses it without any series."""
    newer = {"limit", "lookback_delta", "group_limit", "timeout"} & parameters.keys()
    by_data = "many" in message or parameters.get("time") in ("NaN", "1e300")  # garbage there
    return not newer and not by_data and not path.startswith(("targets", "status", "admin"))
