"""Real Alertmanagers as receivers: what they know of our alerts, also while data is missing."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.posted import POSTED
from pgwatch.notify.channels.alertmanager import payloads
from pgwatch.notify.channels.build import build_channels
from pgwatch.notify.coalesce import supersede
from pgwatch.notify.forward import snapshots
from pgwatch.notify.notification import Notification
from pgwatch.notify.receiver import Receiver
from pgwatch.notify.route import log_only
from pgwatch.notify.services import AlertmanagerSettings
from pgwatch.samples.labels import Labels
from pgwatch.secret import Secret
from tests.servers import missing_peer

NOW = datetime.now(UTC)


def firing(pid: str = "1", **changes: Any) -> Alert:
    began = NOW - timedelta(minutes=3)
    one = Alert(
        rule="r",
        labels=Labels({"alertname": "Blocked", "pid": pid}),
        annotations={"summary": "s", "empty": ""},
        state=AlertState.FIRING,
        value=1.0,
        active_at=began,
        fired_at=began,
    )
    return replace(one, **changes)


def snapshot(*alerts: Alert, url: str = "http://127.0.0.1:9", now: datetime = NOW) -> Notification:
    receiver = Receiver(
        name="alertmanagers", channels=(AlertmanagerSettings(url=Secret(value=url)),)
    )
    (one,) = snapshots(replace(log_only(), hidden=(receiver,)), alerts, now)
    return one


def pids(told: Notification) -> list[tuple[str, str]]:
    return [(one.labels.label("pid"), one.status) for one in told.alerts]


def test_what_fires_and_what_ended_is_told_and_what_is_pending_or_others_is_not() -> None:
    over = firing("2", state=AlertState.RESOLVED, resolved_at=NOW)
    pending = firing("3", state=AlertState.PENDING, fired_at=None)
    held = firing("4", no_data_since=NOW)
    told = snapshot(firing(), over, pending, held, firing("5", rule=POSTED))
    assert pids(told) == [("1", "firing"), ("4", "firing"), ("2", "resolved")]


def test_nothing_is_told_where_nothing_fires() -> None:
    receiver = Receiver(name="a", channels=(AlertmanagerSettings(url=Secret(value="http://x")),))
    assert not snapshots(replace(log_only(), hidden=(receiver,)), [], NOW)
    assert not snapshots(log_only(), [firing()], NOW)


def test_end_that_could_not_be_told_stays_in_the_next_snapshot() -> None:
    over = firing("2", state=AlertState.RESOLVED, resolved_at=NOW)
    merged = supersede(snapshot(over), snapshot(firing(), now=NOW + timedelta(minutes=20)))
    assert pids(merged) == [("1", "firing"), ("2", "resolved")]
    assert merged.reason == "snapshot"


def test_many_alerts_go_in_batches() -> None:
    told = snapshot(*(firing(str(number)) for number in range(600)))
    batches = list(payloads(told, NOW + timedelta(minutes=4)))
    assert [len(one) for one in batches] == [256, 256, 88]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        missing_peer("prometheus-alertmanager")
    config = tmp_path / "am.yml"
    config.write_text("route: {receiver: r}\nreceivers: [{name: r}]\n")
    address = f"127.0.0.1:{_free_port()}"
    process = subprocess.Popen(
        [
            *(program, f"--config.file={config}", f"--storage.path={tmp_path}"),
            *(f"--web.listen-address={address}", "--cluster.listen-address="),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.mark.peer
def test_alertmanager_knows_what_fires_and_what_is_over(alertmanager: str) -> None:
    def known() -> list[Any]:
        with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts", timeout=5) as answer:
            return list(json.load(answer))

    routing = replace(
        log_only(),
        hidden=(
            Receiver(
                name="alertmanagers",
                channels=(AlertmanagerSettings(url=Secret(value=alertmanager)),),
            ),
        ),
    )
    channels = {i: one for i, one in build_channels(routing).items() if i.receiver != "log"}
    (channel,) = channels.values()
    (told,) = snapshots(routing, [firing(no_data_since=NOW)], NOW)
    channel.deliver(told)
    (one,) = known()
    assert one["labels"] == {"alertname": "Blocked", "pid": "1"}
    assert datetime.fromisoformat(one["endsAt"]) > datetime.now(UTC) + timedelta(minutes=3)
    over = firing(state=AlertState.RESOLVED, resolved_at=datetime.now(UTC))
    (told,) = snapshots(routing, [over], datetime.now(UTC))
    channel.deliver(told)
    channel.close()
    assert not known()
