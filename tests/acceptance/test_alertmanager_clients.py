"""What speaks to an Alertmanager speaks to pgwatch: amtool, Prometheus, the calls of Karma and Grafana."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.daemon_process import DaemonProcess, until
from tests.integration.prometheus import running_prometheus
from tests.receivers import HttpReceiver
from tests.servers import missing_peer

RULES = {
    "groups": [
        {
            "name": "g",
            "interval": "1s",
            "rules": [
                {
                    "alert": "Always",
                    "expr": "vector(1)",
                    "labels": {"severity": "critical", "target": "db"},
                    "annotations": {"summary": "It burns"},
                }
            ],
        }
    ]
}


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def daemon(tmp_path: Path, hook: HttpReceiver) -> Iterator[DaemonProcess]:
    """A pgwatch whose one rule fires, and whose one target is not there."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(RULES))
    quick = {"group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    config = {
        "global": {"resolve_timeout": "5s"},
        "route": {"receiver": "team", **quick},
        "receivers": [{"name": "team", "webhook_configs": [{"url": f"{hook.url}/zebra-token"}]}],
    }
    (tmp_path / "am.yml").write_text(yaml.safe_dump(config))
    with DaemonProcess(
        tmp_path,
        targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
        rules={"builtin": False, "files": ["rules.yml"]},
        alertmanager_config="am.yml",
    ) as running:
        until(lambda: alerts(running), "the rule fires", log=running)
        yield running


def api(daemon: DaemonProcess, path: str, **parameters: Any) -> Any:
    answer = requests.get(f"{daemon.url}/api/v2/{path}", params=parameters, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def post(daemon: DaemonProcess, path: str, body: Any, **headers: str) -> requests.Response:
    return requests.post(f"{daemon.url}/api/v2/{path}", json=body, headers=headers, timeout=10)


def alerts(daemon: DaemonProcess, **parameters: Any) -> list[str]:
    return sorted(one["labels"]["alertname"] for one in api(daemon, "alerts", **parameters))


def amtool(daemon: DaemonProcess, *arguments: str) -> str:
    if (program := shutil.which("amtool")) is None:
        missing_peer("amtool")
    done = subprocess.run(
        [program, f"--alertmanager.url={daemon.url}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.peer
def test_amtool(daemon: DaemonProcess, hook: HttpReceiver) -> None:
    amtool(daemon, "alert", "add", "alertname=Mine", "target=db", "--annotation=summary=hello")
    assert "hello" in amtool(daemon, "alert", "query", "alertname=Mine")
    hook.wait_until(lambda: any("Mine" in str(request.json) for request in hook.requests))

    made = amtool(daemon, "silence", "add", "alertname=Mine", "-a", "ada", "-c", "mov ing").strip()
    assert "mov ing" in amtool(daemon, "silence", "query", "alertname=Mine")
    assert "Mine" in amtool(daemon, "alert", "query", "--silenced")
    assert alerts(daemon, silenced="false") == ["Always"]
    amtool(daemon, "silence", "update", made, "-d", "4h")
    (silence,) = json.loads(amtool(daemon, "silence", "query", "-o", "json"))
    assert (silence["id"], silence["status"]["state"]) == (made, "active")
    amtool(daemon, "silence", "expire", made)
    assert not amtool(daemon, "silence", "query", "-q")
    assert made in amtool(daemon, "silence", "query", "--expired", "--within", "1h")

    shown = amtool(daemon, "config", "show")
    assert "receiver: team" in shown
    assert "zebra" not in shown
    assert "team" in amtool(daemon, "config", "routes")
    assert amtool(daemon, "config", "routes", "test", "severity=critical").strip() == "team"
    assert "disabled" in amtool(daemon, "cluster", "show")


@pytest.mark.peer
def test_prometheus_posts_its_alerts(
    daemon: DaemonProcess, hook: HttpReceiver, tmp_path: Path
) -> None:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    # Prometheus knows its Alertmanagers after 5 s, and says what was before only a minute later.
    rule = {
        "alert": "Theirs",
        "expr": "vector(7) > 1",
        "for": "7s",
        "annotations": {"summary": "from afar"},
    }
    rules = {"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "alerting": {
            "alertmanagers": [
                {"static_configs": [{"targets": [daemon.url.removeprefix("http://")]}]}
            ]
        },
    }
    with running_prometheus(yaml.safe_dump(config), folder):
        until(lambda: "Theirs" in alerts(daemon), "Prometheus posts", seconds=30, log=daemon)
    (theirs,) = api(daemon, "alerts", filter="alertname=Theirs")
    assert theirs["annotations"] == {"summary": "from afar"}
    assert theirs["generatorURL"]
    hook.wait_until(lambda: any("Theirs" in str(request.json) for request in hook.requests))

    daemon.kill()
    daemon.start()
    assert "Theirs" in alerts(daemon), "it survives kill -9"
    told = [r for r in hook.requests if "Theirs" in str(r.json)]
    assert len(told) == 1


def test_lease_that_is_not_renewed_ends(daemon: DaemonProcess, hook: HttpReceiver) -> None:
    assert post(daemon, "alerts", [{"labels": {"alertname": "Short"}}]).content == b""
    assert "Short" in alerts(daemon)

    def ended() -> bool:
        return any("Short" in str(r.json) and r.json["status"] == "resolved" for r in hook.requests)

    hook.wait_until(ended)
    assert "Short" not in alerts(daemon)


def test_good_alerts_of_a_bad_batch_are_taken(daemon: DaemonProcess) -> None:
    late, early = "2031-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
    batch = [
        {"labels": {"alertname": "Good", "empty": ""}},
        {"labels": {}},
        {"labels": {"alertname": "Bad"}, "startsAt": late, "endsAt": early},
    ]
    answer = post(daemon, "alerts", batch)
    assert answer.status_code == 400
    assert answer.json() == "at least one label pair required; start time must be before end time"
    assert alerts(daemon) == ["Always", "Good"]


SILENCE = {
    "matchers": [{"name": "alertname", "value": "Always", "isRegex": False, "isEqual": True}],
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z",
    "createdBy": "ada",
    "comment": "moving",
}


def test_what_karma_and_grafana_ask(daemon: DaemonProcess) -> None:
    status = api(daemon, "status")
    assert status["cluster"]["status"] == "disabled"
    assert yaml.safe_load(status["config"]["original"])["route"]["receiver"] == "team"
    assert set(status["versionInfo"]) == {
        "branch", "buildDate", "buildUser", "goVersion", "revision", "version",
    }  # fmt: skip
    assert api(daemon, "receivers") == [{"name": "team"}]
    (group,) = api(daemon, "alerts/groups", active="true", silenced="true", muted="true")
    assert group["labels"] == {"alertname": "Always"}
    assert group["receiver"] == {"name": "team"}
    (alert,) = group["alerts"]
    assert alert["fingerprint"] == "ea9fc209d6fbb6a0"
    assert alert["status"] == {
        "state": "active",
        "silencedBy": [],
        "inhibitedBy": [],
        "mutedBy": [],
    }
    assert api(daemon, "silences") == []
    # Grafana takes whatever answers here for another product.
    assert requests.get(f"{daemon.url}/alertmanager/api/v2/status", timeout=10).status_code == 404
    assert requests.post(f"{daemon.url}/api/v1/alerts", json=[], timeout=10).status_code == 405
    build = requests.get(f"{daemon.url}/api/v1/status/buildinfo", timeout=10).json()
    assert "features" not in build["data"]


def test_filters_of_alerts(daemon: DaemonProcess) -> None:
    post(daemon, "silences", SILENCE)
    post(daemon, "alerts", [{"labels": {"alertname": "Other", "n": "1"}}])
    assert alerts(daemon) == ["Always", "Other"]
    assert alerts(daemon, silenced="false") == ["Other"]
    assert alerts(daemon, active="false") == ["Always"]
    assert alerts(daemon, filter=["n=1", 'alertname=~"O.*"']) == ["Other"]
    assert alerts(daemon, receiver="te.m") == ["Always", "Other"]
    assert alerts(daemon, receiver="te") == []
    for wrong in ({"filter": "a~b"}, {"receiver": "("}):
        answer = requests.get(f"{daemon.url}/api/v2/alerts", params=wrong, timeout=10)
        assert (answer.status_code, type(answer.json())) == (400, str)


REFUSED: tuple[tuple[dict[str, Any], int, Any], ...] = (
    ({"comment": None}, 422, {"code": 602, "message": "comment in body is required"}),
    ({"matchers": []}, 422, "at least 1 items"),
    ({"endsAt": "2020-01-01T00:00:00Z"}, 400, "start time must be before end time"),
    ({"endsAt": "soon"}, 422, "must be of type date-time"),
    ({"id": "c3fb9ea8-0000-4000-8000-000000000000"}, 404, "silence not found"),
    ({"window": "moon 1-2 UTC"}, 400, "no days of the week"),
)


def test_silences_that_are_refused(daemon: DaemonProcess) -> None:
    for change, status, answer in REFUSED:
        body = {k: v for k, v in {**SILENCE, **change}.items() if v is not None}
        refused = post(daemon, "silences", body)
        assert refused.status_code == status, (change, refused.text)
        assert refused.json() == answer if isinstance(answer, dict) else answer in refused.text
    assert api(daemon, "silences") == []


def test_silence_is_changed_in_place_or_anew(daemon: DaemonProcess) -> None:
    first = post(daemon, "silences", SILENCE).json()["silenceID"]
    shown = api(daemon, f"silence/{first}")
    longer = {
        **SILENCE,
        "id": first,
        "startsAt": shown["startsAt"],
        "endsAt": "2098-01-01T00:00:00Z",
    }
    assert post(daemon, "silences", longer).json() == {"silenceID": first}
    matchers = [{"name": "target", "value": "db", "isRegex": False}]
    second = post(daemon, "silences", {**longer, "matchers": matchers}).json()["silenceID"]
    assert second != first
    assert [(one["id"], one["status"]["state"]) for one in api(daemon, "silences")] == [
        (second, "active"),
        (first, "expired"),
    ]
    for _ in range(2):  # ending twice is no mistake
        assert requests.delete(f"{daemon.url}/api/v2/silence/{second}", timeout=10).ok
    unknown = f"{daemon.url}/api/v2/silence/c3fb9ea8-0000-4000-8000-000000000000"
    assert requests.delete(unknown, timeout=10).status_code == 404
    assert requests.get(unknown, timeout=10).status_code == 404
    daemon.kill()
    daemon.start()
    assert len(api(daemon, "silences")) == 2


def test_nobody_changes_anything_through_a_browser_or_a_proxy(daemon: DaemonProcess) -> None:
    for header in ({"Origin": "http://evil.example"}, {"X-Forwarded-For": "192.0.2.1"}):
        assert post(daemon, "silences", SILENCE, **header).status_code == 403
        assert post(daemon, "alerts", [{"labels": {"a": "b"}}], **header).status_code == 403
    answer = requests.delete(
        f"{daemon.url}/api/v2/silence/c3fb9ea8-0000-4000-8000-000000000000",
        headers={"Origin": "http://evil.example"},
        timeout=10,
    )
    assert answer.status_code == 403
    assert alerts(daemon) == ["Always"]
