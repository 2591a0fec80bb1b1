"""The same alertmanager.yml and the same alerts, through Debian's Alertmanager and through pgwatch."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.notify.channels.webhook import payload
from pgwatch.notify.dispatch import DispatchState, advance
from pgwatch.notify.route import Routing
from pgwatch.samples.labels import Labels
from tests.receivers import HttpReceiver
from tests.servers import missing_peer

CONFIG = """
route:
  receiver: every.thing
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - match: {{team: dba}}
      match_re: {{env: prod|staging}}
      matchers:
        - quiet!="yes"
        - note=~"a|(.|\\\\n)*|b c"
      receiver: first
      continue: true
    - matchers: ['{{severity="critical",env=prod}}']
      receiver: second
      group_by: ['...']
      routes:
        - matchers: ['target=~"db[12]"']
          receiver: third
          group_by: [env]
inhibit_rules:
  - source_matchers: [alertname=Down]
    target_matchers: [alertname!=Down]
    equal: [target]
receivers:
  - name: every.thing
    webhook_configs: [{{url: '{url}/everything'}}]
  - name: first
    webhook_configs: [{{url: '{url}/first', send_resolved: false}}]
  - name: second
    webhook_configs: [{{url: '{url}/second'}}, {{url: '{url}/again'}}]
  - name: third
    webhook_configs: [{{url: '{url}/third'}}]
"""

DBA = {"team": "dba", "env": "prod", "note": 'x\n"y\\', "alertname": "Slow"}
PROD = {"severity": "critical", "env": "prod", "alertname": "Blocked"}
# At each time: the labels of what fires, and of what has resolved.
SCRIPT: tuple[tuple[float, list[dict[str, str]], list[dict[str, str]]], ...] = (
    (
        0.0,
        [
            {"alertname": "Down", "target": "db9"},
            {"alertname": "Slow", "target": "db9"},  # explained by the one above
            {"alertname": "Slow", "target": "db8"},
            {**DBA, "target": "db5"},
            {**PROD, "target": "db1"},
            {**PROD, "target": "db3"},
        ],
        [],
    ),
    (2.0, [{**DBA, "target": "db6"}, {**PROD, "target": "db2"}], [{**PROD, "target": "db3"}]),
    (
        4.0,
        [],
        [
            {**DBA, "target": "db5"},
            {**PROD, "target": "db1"},
            {"alertname": "Slow", "target": "db8"},
        ],
    ),
    (6.0, [{**PROD, "target": "db3"}], [{**DBA, "target": "db6"}, {**PROD, "target": "db2"}]),
)
END = 10.0


@contextmanager
def alertmanager(config: Path, storage: Path, prefix: str = "") -> Iterator[str]:
    """A running Alertmanager's address; all its paths begin with `prefix`."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        missing_peer("Alertmanager")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    options = {
        "config.file": config,
        "storage.path": storage,
        "web.listen-address": address,
        "cluster.listen-address": "",
        "web.route-prefix": prefix,
    }
    process = subprocess.Popen(
        [program, *(f"--{name}={value}" for name, value in options.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://{address}{prefix}/-/ready", timeout=1):
                    break
            except OSError:
                time.sleep(0.05)
        yield f"http://{address}{prefix}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(address: str, alerts: list[dict[str, Any]]) -> None:
    request = urllib.request.Request(
        f"{address}/api/v2/alerts",
        json.dumps(alerts).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def play_to_alertmanager(config: Path, storage: Path) -> None:
    """Post the script's alerts at the script's times."""
    with alertmanager(config, storage) as address:
        start = time.monotonic()
        started: dict[Labels, str] = {}
        for at, firing, resolved in SCRIPT:
            time.sleep(max(0.0, start + at - time.monotonic()))
            now = datetime.now(UTC).isoformat()
            for labels in firing:
                started[Labels(labels)] = now
            post(
                address,
                [
                    {
                        "labels": labels,
                        "annotations": {"summary": "It hangs"},
                        "startsAt": started[Labels(labels)],
                        **({"endsAt": now} if labels in resolved else {}),
                    }
                    for labels in firing + resolved
                ],
            )
        time.sleep(max(0.0, start + END - time.monotonic()))


def play_to_pgwatch(routing: Routing) -> list[tuple[str, dict[str, Any]]]:
    """Return what pgwatch would post to which path, on a virtual clock."""
    begin = datetime(2026, 8, 1, tzinfo=UTC)
    state, alerts, posted = DispatchState(), dict[Labels, Alert](), []
    script = list(SCRIPT)
    for tenth in range(int(END * 10)):
        now = begin + timedelta(seconds=tenth / 10)
        if script and tenth / 10 >= script[0][0]:
            _, firing, resolved = script.pop(0)
            for labels in map(Labels, firing):
                alerts[labels] = Alert(
                    rule="r",
                    labels=labels,
                    annotations={"summary": "It hangs"},
                    state=AlertState.FIRING,
                    value=1.0,
                    active_at=now,
                    fired_at=now,
                )
            for labels in map(Labels, resolved):
                ended = replace(alerts[labels], state=AlertState.RESOLVED, resolved_at=now)
                alerts[labels] = ended
        decisions = advance(routing, state, {"r": tuple(alerts.values())}, now)
        state = decisions.state
        for decision in decisions.enqueue:
            if decision.deliver:
                told = decision.notification
                index = int(told.channel.removeprefix("webhook[").removesuffix("]"))
                settings = routing.receivers[told.receiver].channels[index]
                path = settings.url.reveal().rpartition("/")[2]  # type: ignore[attr-defined]
                posted.append((path, payload(told, 0)))
    return posted


def by_group(posted: list[tuple[str, dict[str, Any]]]) -> dict[tuple[str, str], list[Any]]:
    """Return the messages of each path and group, without what depends on the clock or on our version."""
    found: dict[tuple[str, str], list[Any]] = {}
    for path, body in posted:
        told = {k: v for k, v in body.items() if k not in ("externalURL", "notification_reason")}
        told["alerts"] = sorted(
            (
                alert["fingerprint"],
                alert["status"],
                alert["labels"],
                alert["annotations"],
                alert["endsAt"] == "0001-01-01T00:00:00Z",
            )
            for alert in body["alerts"]
        )
        found.setdefault((path, body["groupKey"]), []).append(told)
    return found


@pytest.mark.peer
def test_same_file_and_same_alerts_give_the_same_notifications(tmp_path: Path) -> None:
    config = tmp_path / "alertmanager.yml"
    with HttpReceiver() as receiver:
        config.write_text(CONFIG.format(url=receiver.url), encoding="utf-8")
        play_to_alertmanager(config, tmp_path / "data")
        theirs = [(request.path.removeprefix("/"), request.json) for request in receiver.requests]
    ours = play_to_pgwatch(load_alertmanager(config))
    assert by_group(ours) == by_group(theirs)
    assert len(theirs) > 10, "the script did play"
