"""Prometheus's HTTP API over values of a test, and asking it."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.rules.load import parse_rules
from pgwatch.samples.labels import Labels
from pgwatch.samples.sample import Collected, Family, MetricType, Source
from pgwatch.samples.store import Store
from pgwatch.web.api_rules import GroupView, RuleView
from pgwatch.web.app import Providers
from pgwatch.web.prometheus_api import ApiSources
from pgwatch.web.view import ProbeView, QueryView, StatusView, TargetView
from tests.series import STALE, series, store_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 60_000
RULES = """
groups:
  - name: first
    rules:
      - {record: "job:up:sum", expr: sum by (job) (up)}
      - alert: Down
        expr: up == 0
        for: 5m
        labels: {severity: critical}
        annotations: {summary: "{{ $labels.job }} is down"}
  - name: second
    interval: 30s
    rules:
      - {alert: Broken, expr: up > 1}
      - {alert: New, expr: up > 2}
"""


def group_views() -> tuple[GroupView, ...]:
    first, second = parse_rules(RULES, file="r.yml")
    down, broken = first.rules[1], second.rules[0]
    states = {"a": AlertState.FIRING, "b": AlertState.RESOLVED}
    alerts = tuple(
        Alert(
            rule=down.id,
            labels=Labels({"alertname": "Down", "job": job}),
            annotations={"summary": f"{job} is down"},
            state=state,
            active_at=NOW,
            value=0.0,
        )
        for job, state in states.items()
    )
    return (
        GroupView(
            group=first,
            rules=(
                RuleView(rule=first.rules[0], at=NOW),
                RuleView(rule=down, at=NOW, alerts=alerts),
            ),
        ),
        GroupView(
            group=second,
            rules=(RuleView(rule=broken, at=NOW, error="no"), RuleView(rule=second.rules[1])),
        ),
    )


def status() -> StatusView:
    runs = (
        QueryView(name="core/up", at=NOW, elapsed=timedelta(seconds=0.5)),
        QueryView(name="core/locks", at=NOW - timedelta(seconds=9), elapsed=timedelta(seconds=7)),
    )
    targets = (
        TargetView(name="db1", instance="h1:5432", up=True, queries=runs),
        TargetView(name="db2", instance="h2:5432", up=False, error="refused"),
        TargetView(name="db3", instance="h3:5432"),
    )
    probes = (ProbeView(name="app", success=False, reason="status 500", at=NOW),)
    return StatusView(now=NOW, version="1", started=NOW, targets=targets, probes=probes)


def some_store() -> Store:
    store = store_of(
        [
            series('up{job="a"}', 1, 2, 3, 4),
            series('up{job="b"}', 0.5, STALE),
            series('big{job="a"}', 1e21, math.inf, math.nan),
            series('Zeichen{name="Grüße \\"x\\""}', 1e-7),
        ]
    )
    typed = Collected(
        source=Source("t", "q"),
        time_ms=0,
        families=(
            Family("up", MetricType.GAUGE, "Whether it is up"),
            Family("big", MetricType.UNTYPED, "Large"),
        ),
        labels=(),
        values=(),
    )
    store.append(typed)
    return store


def providers(store: Store) -> Providers:
    async def reload() -> str:
        raise AssertionError

    return Providers(
        page=lambda *_: None,
        status=status,
        unhealthy=tuple,
        unready=tuple,
        reload=reload,
        api=ApiSources(store=store, groups=group_views),
    )


def data(response: requests.Response) -> Any:
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["status"] == "success"
    return answer["data"]


def get(url: str, path: str, **parameters: Any) -> Any:
    return data(requests.get(f"{url}/{path}", params=parameters, timeout=10))


MATCH = "match[]"


ERRORS: list[
    tuple[str, dict[str, Any], int, str, str]
] = [  # path, parameters, status, errorType, what the message says
    ("query", {}, 400, "bad_data", 'invalid parameter "query": 1:1: parse error: no expression'),
    ("query", {"query": "up{"}, 400, "bad_data", 'invalid parameter "query": 1:4: parse error:'),
    (
        "query",
        {"query": "1", "time": "x"},
        400,
        "bad_data",
        'cannot parse "x" to a valid timestamp',
    ),
    ("query", {"query": "1", "time": "2026-01-01T00:00:00"}, 400, "bad_data", "valid timestamp"),
    ("query", {"query": "1", "time": "NaN"}, 400, "bad_data", "valid timestamp"),
    ("query", {"query": "1", "time": "1e300"}, 400, "bad_data", "valid timestamp"),
    ("query", {"query": "1", "limit": "-1"}, 400, "bad_data", 'invalid parameter "limit"'),
    ("query", {"query": "1", "timeout": "soon"}, 400, "bad_data", "valid duration"),
    ("query", {"query": "1", "lookback_delta": "x"}, 400, "bad_data", "valid duration"),
    ("query", {"query": "up * on (x) up", "time": 0}, 422, "execution", "many-to-many"),
    ("query", {"query": "up[1y:1ms]", "time": 0}, 422, "execution", "too many samples"),
    ("query_range", {"query": "1", "end": 1, "step": 1}, 400, "bad_data", '"start"'),
    ("query_range", {"query": "1", "start": 1, "step": 1}, 400, "bad_data", '"end"'),
    ("query_range", {"query": "1", "start": 1, "end": 2}, 400, "bad_data", '"step"'),
    (
        "query_range",
        {"query": "1", "start": 2, "end": 1, "step": 1},
        400,
        "bad_data",
        "end timestamp must not be before start time",
    ),
    (
        "query_range",
        {"query": "1", "start": 1, "end": 2, "step": 0},
        400,
        "bad_data",
        "zero or negative query resolution step widths are not accepted",
    ),
    (
        "query_range",
        {"query": "1", "start": 0, "end": 11_001, "step": 1},
        400,
        "bad_data",
        "exceeded maximum resolution of 11,000 points per timeseries",
    ),
    (
        "query_range",
        {"query": "up[1m]", "start": 0, "end": 1, "step": 1},
        400,
        "bad_data",
        'invalid expression type "range vector" for range query',
    ),
    ("series", {}, 400, "bad_data", "no match[] parameter provided"),
    ("series", {MATCH: "1"}, 400, "bad_data", 'invalid parameter "match[]"'),
    ("series", {MATCH: "{}"}, 400, "bad_data", 'invalid parameter "match[]"'),
    ("series", {MATCH: "up", "start": "x"}, 400, "bad_data", "valid timestamp"),
    ("labels", {MATCH: "up["}, 400, "bad_data", 'invalid parameter "match[]"'),
    ("format_query", {"query": "sum("}, 400, "bad_data", "parse error"),
    ("rules", {"type": "x"}, 400, "bad_data", "not supported value"),
    ("rules", {"group_next_token": "x", "group_limit": 1}, 400, "bad_data", "group_next_token"),
    ("targets", {"state": "x"}, 400, "bad_data", "not supported value"),
    ("metadata", {"limit": "x"}, 400, "bad_data", '"limit"'),
    ("status/flags", {}, 404, "not_found", "no such endpoint"),
    ("admin/tsdb/snapshot", {}, 404, "not_found", "no such endpoint"),
]
