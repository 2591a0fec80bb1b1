"""Series, labels, rules, alerts and targets through the HTTP API."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.api import MATCH, get, providers, some_store
from tests.integration.webserver import serving


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(providers(some_store())) as url:
        yield f"{url}/api/v1"


# Lists


def test_series_are_those_with_samples_in_the_range(url: str) -> None:
    a, b = ({"__name__": "up", "job": job} for job in "ab")
    assert get(url, "series", **{MATCH: "up"}) == [a, b]
    assert get(url, "series", **{MATCH: "up"}, start=60) == [a]
    assert get(url, "series", **{MATCH: "up"}, start=-36e6, end=36e6) == [a, b]
    assert get(url, "series", **{MATCH: "up"}, end=-1) == []
    assert get(url, "series", **{MATCH: ['up{job="b"}', 'big{job!="b"}']}) == [
        {"__name__": "big", "job": "a"},
        b,
    ]


def test_label_names_and_values(url: str) -> None:
    assert get(url, "labels") == ["__name__", "job", "name"]
    assert get(url, "labels", **{MATCH: "up"}) == ["__name__", "job"]
    assert get(url, "label/job/values") == ["a", "b"]
    assert get(url, "label/job/values", start=60) == ["a"]
    assert get(url, "label/__name__/values", **{MATCH: '{job="a"}'}) == ["big", "up"]
    assert get(url, "label/nobody/values") == []


def test_metadata(url: str) -> None:
    up = [{"type": "gauge", "help": "Whether it is up", "unit": ""}]
    big = [{"type": "unknown", "help": "Large", "unit": ""}]
    assert get(url, "metadata") == {"big": big, "up": up}
    assert get(url, "metadata", metric="up") == {"up": up}
    assert get(url, "metadata", metric="x") == {}
    assert get(url, "metadata", limit=1) == {"big": big}


def test_format_query(url: str) -> None:
    assert get(url, "format_query", query="sum(up)by(job)>0") == "sum by (job) (up) > 0"


# Rules, alerts, targets, status


def test_rules(url: str) -> None:
    groups = get(url, "rules")["groups"]
    assert [(g["name"], g["file"], g["interval"]) for g in groups] == [
        ("first", "r.yml", 15),
        ("second", "r.yml", 30),
    ]
    assert groups[0]["rules"][1] == {
        "name": "Down",
        "query": "up == 0",
        "labels": {"severity": "critical"},
        "health": "ok",
        "evaluationTime": 0.0,
        "lastEvaluation": "2026-01-01T00:00:00Z",
        "state": "firing",
        "duration": 300,
        "keepFiringFor": 0,
        "annotations": {"summary": "{{ $labels.job }} is down"},
        "alerts": get(url, "alerts")["alerts"],
        "type": "alerting",
    }
    states = [(r["health"], r.get("state"), r.get("lastError")) for r in groups[1]["rules"]]
    assert states == [("err", "inactive", "no"), ("unknown", "unknown", None)]
    assert groups[0]["rules"][0]["type"] == "recording"


def test_alerts_are_those_that_are_pending_or_firing(url: str) -> None:
    assert get(url, "alerts") == {
        "alerts": [
            {
                "labels": {"alertname": "Down", "job": "a"},
                "annotations": {"summary": "a is down"},
                "state": "firing",
                "activeAt": "2026-01-01T00:00:00Z",
                "value": "0e+00",
            }
        ]
    }


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"type": "record"}, ["job:up:sum"]),
        ({"type": "alert"}, ["Down", "Broken", "New"]),
        ({"rule_name[]": ["Down", "New"]}, ["Down", "New"]),
        ({"rule_group[]": "second"}, ["Broken", "New"]),
        ({"file[]": "r.yml"}, ["job:up:sum", "Down", "Broken", "New"]),
        ({"file[]": "x.yml"}, []),
        ({MATCH: '{severity="critical"}'}, ["Down"]),
    ],
)
def test_rules_can_be_chosen(url: str, parameters: dict[str, Any], names: list[str]) -> None:
    groups = get(url, "rules", **parameters)["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"]] == names


def test_rules_without_their_alerts(url: str) -> None:
    groups = get(url, "rules", exclude_alerts="true", type="alert")["groups"]
    assert all(rule["alerts"] == [] for group in groups for rule in group["rules"])


def test_rules_come_in_pages(url: str) -> None:
    first = get(url, "rules", group_limit=1)
    second = get(url, "rules", group_limit=1, group_next_token=first["groupNextToken"])
    assert [page["groups"][0]["name"] for page in (first, second)] == ["first", "second"]
    assert "groupNextToken" not in second


def test_targets(url: str) -> None:
    active = get(url, "targets")["activeTargets"]
    shown = [
        (one["labels"]["target"], one["health"], one["lastError"], one["lastScrapeDuration"])
        for one in active
    ]
    assert shown == [
        ("db1", "up", "", 0.5),
        ("db2", "down", "refused", 0),
        ("db3", "unknown", "", 0),
        ("app", "down", "status 500", 0),
    ]
    assert active[0]["lastScrape"] == "2026-01-01T00:00:00Z"
    assert active[0]["scrapeUrl"] == "postgresql://h1:5432"
    assert get(url, "targets", state="dropped")["activeTargets"] == []
    assert len(get(url, "targets", scrapePool="pgwatch/http")["activeTargets"]) == 1


def test_build_info_does_not_look_like_mimir(url: str) -> None:
    build = get(url, "status/buildinfo")
    assert build["version"].startswith("3.")
    assert "features" not in build
