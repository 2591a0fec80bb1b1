"""Alertmanager's acceptance scenarios of its API, to a running pgwatch and to a real Alertmanager."""

import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from pgwatch.cli.main import main
from tests.daemon_process import DaemonProcess, until
from tests.integration.test_alertmanager_peer import alertmanager
from tests.playing import call, post_alerts

CONFIG = """
route:
  receiver: default
  group_by: []
  group_wait: 1h
  group_interval: 1h
  routes:
    - {matchers: ['team=~".+"'], receiver: teams, group_by: [team], continue: true}
    - {matchers: [team="dba"], receiver: dba, group_by: [alertname]}
inhibit_rules:
  - {source_matchers: [severity=critical], target_matchers: [severity=warning], equal: [alertname]}
receivers: [{name: default}, {name: teams}, {name: dba}]
"""


PROGRAMS = ["pgwatch", pytest.param("alertmanager", marks=pytest.mark.peer)]


@contextmanager
def serving(program: str, folder: Path, mode: str) -> Iterator[str]:
    (folder / "am.yml").write_text(CONFIG)
    if program == "alertmanager":
        with alertmanager(folder / "am.yml", folder / "data") as url:
            yield url
        return
    settings: dict[str, Any] = {
        "targets": [{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
        "rules": {"builtin": False},
        "alertmanager_config": "am.yml",
        "alertmanager_mode": mode,
    }
    with DaemonProcess(folder, **settings) as running:
        until(lambda: running.get("/api/v2/status").ok, "the API answers", log=running)
        yield running.url


@pytest.fixture(scope="module", params=PROGRAMS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Which program answers, and where."""
    with serving(request.param, tmp_path_factory.mktemp(request.param), "fallback") as url:
        yield request.param, url


@pytest.fixture(scope="module", params=PROGRAMS)
def classic(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where a program in classic mode answers; Debian's Alertmanager knows no other."""
    with serving(request.param, tmp_path_factory.mktemp(request.param), "classic") as url:
        yield url


def alerts(url: str, *filters: str, path: str = "alerts") -> list[dict[str, Any]]:
    query = urllib.parse.urlencode([("filter", one) for one in filters])
    found: list[dict[str, Any]] = call(url, "GET", f"/api/v2/{path}?{query}")
    return found


def silence(url: str, **matcher: str) -> str:
    ((name, value),) = matcher.items()
    now = datetime.now(UTC)
    body = {
        "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    return str(call(url, "POST", "/api/v2/silences", body)["silenceID"])


def status(url: str, name: str) -> tuple[str, int, int]:
    (one,) = alerts(url, f"alertname={name}", "severity=warning")
    found = one["status"]
    return found["state"], len(found["silencedBy"]), len(found["inhibitedBy"])


def wait_for(url: str, name: str, expected: tuple[str, int, int]) -> None:
    # Alertmanager notices what inhibits within moments, not at once.
    until(lambda: status(url, name) == expected, f"{name} is {expected}", seconds=5)


def test_alert_tells_what_holds_it_back_now(server: tuple[str, str]) -> None:
    _, url = server
    warning = {"alertname": "Slow", "severity": "warning"}
    critical = {"alertname": "Slow", "severity": "critical"}
    post_alerts(url, [{"labels": warning}])
    wait_for(url, "Slow", ("active", 0, 0))
    silence_id = silence(url, severity="warning")
    wait_for(url, "Slow", ("suppressed", 1, 0))
    post_alerts(url, [{"labels": critical}])
    wait_for(url, "Slow", ("suppressed", 1, 1))
    call(url, "DELETE", f"/api/v2/silence/{silence_id}")
    wait_for(url, "Slow", ("suppressed", 0, 1))


def test_filters_of_alerts(server: tuple[str, str]) -> None:
    _, url = server
    post_alerts(
        url,
        [
            {"labels": {"alertname": "F1", "severity": "page"}},
            {"labels": {"alertname": "F2", "severity": "page"}},
        ],
    )
    assert len(alerts(url, "severity=page")) == 2
    assert [one["labels"]["alertname"] for one in alerts(url, "alertname=F1", "severity=page")] == [
        "F1"
    ]
    assert alerts(url, "alertname=F1", "alertname=F2") == []


def test_receivers_of_alerts_and_groups(server: tuple[str, str]) -> None:
    _, url = server
    for name, team in (("T1", "dba"), ("T2", "app")):
        post_alerts(url, [{"labels": {"alertname": name, "team": team}}])

    def receivers(one: dict[str, Any]) -> list[str]:
        return [each["name"] for each in one["receivers"]]

    def asked(path: str, receiver: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"receiver": receiver, "filter": 'team=~".+"'})
        found: list[dict[str, Any]] = call(url, "GET", f"/api/v2/{path}?{query}")
        return found

    assert call(url, "GET", "/api/v2/receivers")[0]["name"] == "default"
    # An alert that is shown has all its receivers, by the tree; in groups, only those that were asked for.
    assert [receivers(one) for one in asked("alerts", "db.*")] == [["teams", "dba"]]
    (group,) = asked("alerts/groups", "db.*")
    assert [receivers(one) for one in group["alerts"]] == [["dba"]]
    assert asked("alerts", "db") == []
    everything = asked("alerts/groups", ".*")
    assert [receivers(one) for one in everything[1]["alerts"]] == [["dba", "teams"]]
    groups = [(one["labels"], one["receiver"]["name"]) for one in everything]
    assert groups == [
        ({"team": "app"}, "teams"),
        ({"team": "dba"}, "teams"),
        ({"alertname": "T1"}, "dba"),
    ]


UTF8 = [{"a": "a", "00": "b", "Σ": "c", "\U0001f642": "dΘ"}]


@pytest.mark.parametrize("labels", UTF8)
def test_alerts_in_utf8(server: tuple[str, str], labels: dict[str, str]) -> None:
    program, url = server
    if program == "alertmanager":
        pytest.skip("Alertmanager before 0.27 has classic label names")
    post_alerts(url, [{"labels": labels}])
    for name, value in labels.items():
        (one,) = alerts(url, f"{name}={value}")
        assert one["labels"] == labels
        (group,) = alerts(url, f"{name}={value}", path="alerts/groups")
        assert [each["labels"] for each in group["alerts"]] == [labels]


def test_silences_in_utf8(server: tuple[str, str]) -> None:
    program, url = server
    if program == "alertmanager":
        pytest.skip("Alertmanager before 0.27 has classic label names")
    silence_id = silence(url, fooΣ="bar🙂")
    (one,) = alerts(url, "fooΣ=bar🙂", path="silences")
    assert one["id"] == silence_id
    post_alerts(url, [{"labels": {"alertname": "U", "fooΣ": "bar🙂"}}])
    (alert,) = alerts(url, "alertname=U")
    assert alert["status"]["silencedBy"] == [silence_id]


def refusal(url: str, path: str, body: object) -> str:
    answer = requests.post(f"{url}/api/v2/{path}", json=body, timeout=10)
    assert answer.status_code == 400, answer.text
    return str(answer.json())


def test_classic_mode_refuses_alerts(classic: str) -> None:
    for labels in UTF8:
        wrong = {name: value for name, value in labels.items() if name != "a"}
        for name, value in wrong.items():
            body = [{"labels": {"alertname": "Good", name: value}}]
            assert refusal(classic, "alerts", body) == f'invalid label set: invalid name "{name}"'
    body = [{"labels": {"Σ": "1"}}, {"labels": {"alertname": "Good", "n": "Σ"}}]
    refusal(classic, "alerts", body)
    assert [one["labels"] for one in alerts(classic)] == [{"alertname": "Good", "n": "Σ"}]
    named = [{"labels": {"alertname": "Good"}, "annotations": {"Σ": "1"}}]
    assert refusal(classic, "alerts", named) == 'invalid annotations: invalid name "Σ"'


def test_classic_mode_refuses_silences_and_filters(classic: str) -> None:
    now = datetime.now(UTC)
    body = {
        "matchers": [
            {"name": "a", "value": "b", "isRegex": False},
            {"name": "fooΣ", "value": "bar🙂", "isRegex": False},
        ],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "test",
    }
    # Before it: "invalid silence", and "silence invalid" in older versions.
    expected = 'invalid label matcher 1: invalid label name "fooΣ"'
    assert refusal(classic, "silences", body).endswith(f": {expected}")
    assert alerts(classic, path="silences") == []
    for wrong in ("fooΣ=bar", '"a"=b', "00=1"):
        query = urllib.parse.urlencode({"filter": wrong})
        answer = requests.get(f"{classic}/api/v2/alerts?{query}", timeout=10)
        assert (answer.status_code, wrong in answer.json()) == (400, True)


def test_route_is_explained_by_who_runs(
    server: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    program, url = server
    if program == "alertmanager":
        pytest.skip("a command of pgwatch")
    post_alerts(url, [{"labels": {"alertname": "Explained", "severity": "critical"}}])
    silence_id = silence(url, alertname="Explained")
    options = ["--url", url, "--json", "alertname=Explained", "severity=warning"]
    assert main(["route", "explain", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    (route,) = found["routes"]
    assert (route["receiver"], route["group_key"]) == ("default", "{}:{}")
    assert route["group"]["firing"] >= 1
    soon = datetime.fromisoformat(route["next_flush"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < soon < timedelta(hours=1)
    assert [one["id"] for one in found["silenced_by"]] == [silence_id]
    assert found["inhibited_by"] == [{"alertname": "Explained", "severity": "critical"}]
    refused = requests.get(f"{url}/api/pgwatch/v1/route", timeout=10)
    assert (refused.status_code, "expected the labels" in refused.text) == (400, True)
