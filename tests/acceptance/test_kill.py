"""`kill -9` at the worst moments: nothing is forgotten, and at most one message comes twice."""

import json
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from tests.daemon_process import DaemonProcess, until
from tests.receivers import Answer, HttpReceiver, Request

DELIVERED = "SELECT 1 FROM outbox WHERE state = 'delivered'"
BROKEN = Answer(status=503, body="down for maintenance")


def configured(folder: Path, dsn: str, receiver: HttpReceiver, hold: str = "0s") -> dict[str, Any]:
    """One rule that finds something as long as the file says so, and one receiver."""
    rule = {"alert": "Debt", "expr": "pg_up == 1", "for": hold}
    rules = {"groups": [{"name": "g", "rules": [rule]}]}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s"}
    hook = {"name": "hook", "webhook_configs": [{"url": receiver.url}]}
    (folder / "am.yml").write_text(yaml.safe_dump({"route": route, "receivers": [hook]}))
    return {
        "targets": [{"name": "db", "dsn": dsn, "packs": ["statements"]}],
        "rules": {"builtin": False, "files": ["rules.yml"]},
        "alertmanager_config": "am.yml",
    }


def saved(daemon: DaemonProcess, query: str) -> list[tuple[Any, ...]]:
    """What the state file says; safe beside the daemon that writes it."""
    with closing(sqlite3.connect(f"file:{daemon.state}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def firing(requests: list[Request]) -> list[Request]:
    return [request for request in requests if request.json["status"] == "firing"]


def test_between_firing_and_delivery(tmp_path: Path, database: str) -> None:
    """The receiver is down when the alert fires; the daemon is killed; both come back."""
    with HttpReceiver(then=BROKEN) as receiver:
        daemon = DaemonProcess(tmp_path, **configured(tmp_path, database, receiver))
        with daemon:
            receiver.wait_for(1)
            daemon.kill()
        refused = len(receiver.requests)
        receiver.then = Answer()
        with daemon.start():
            message = receiver.wait_for(refused + 1)[refused]
            assert message.json["status"] == "firing"
            assert message.json["alerts"][0]["labels"]["alertname"] == "Debt"
            until(lambda: saved(daemon, DELIVERED), "the daemon knows", log=daemon)
            assert "Debt" in daemon.page()
            again = 'prometheus_rule_evaluations_total{rule_group="' + f'{tmp_path}/rules.yml;g"}}'
            until(lambda: (daemon.value(again) or 0) >= 3, "it evaluates", log=daemon)
            assert len(receiver.requests) == refused + 1


def test_while_a_message_is_on_its_way(tmp_path: Path, database: str) -> None:
    """The receiver has it and the daemon never heard so: it is told once more, and not again."""
    with HttpReceiver(Answer(delay=3)) as receiver:
        daemon = DaemonProcess(tmp_path, **configured(tmp_path, database, receiver))
        with daemon:
            receiver.wait_for(1)
            daemon.kill()
        with daemon.start():
            first, second = receiver.wait_for(2)
            assert first.json["alerts"] == second.json["alerts"]
            assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
            until(lambda: saved(daemon, DELIVERED), "the daemon knows", log=daemon)
        with daemon.start():
            until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
            until(lambda: "Debt" in daemon.page(), "it fires still", log=daemon)
            assert len(receiver.requests) == 2


def test_firing_survives_and_its_end_is_told(tmp_path: Path, database: str) -> None:
    """Killed while all is told: no second word of what fires; what ended meanwhile is told."""
    with HttpReceiver() as receiver:
        daemon = DaemonProcess(tmp_path, **configured(tmp_path, database, receiver))
        with daemon:
            receiver.wait_for(1)
            until(lambda: saved(daemon, DELIVERED), "the daemon knows", log=daemon)
            (before,) = saved(daemon, "SELECT body FROM alert")
            daemon.kill()
        with daemon.start():
            assert "Debt" in daemon.page()  # before anything has answered
            until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
            (after,) = saved(daemon, "SELECT body FROM alert")
            assert _times(after) == _times(before)
            rules = tmp_path / "rules.yml"
            rules.write_text(rules.read_text().replace("pg_up == 1", "pg_up == 0"))
            assert daemon.reload().ok
            _, ended = receiver.wait_for(2)
            assert ended.json["status"] == "resolved"
            assert len(firing(receiver.requests)) == 1


def test_pending_survives(tmp_path: Path, database: str) -> None:
    """`for` goes on where it was; the time in which nobody looked does not count."""
    with HttpReceiver() as receiver:
        settings = configured(tmp_path, database, receiver, hold="4s")
        daemon = DaemonProcess(tmp_path, **settings)
        with daemon:
            until(lambda: saved(daemon, "SELECT 1 FROM alert"), "it is pending", log=daemon)
            (before,) = saved(daemon, "SELECT body FROM alert")
            daemon.kill()
        assert receiver.requests == []
        with daemon.start():
            receiver.wait_for(1)
            (after,) = saved(daemon, "SELECT body FROM alert WHERE state = 'firing'")
            begun, moved = _times(before)["active_at"], _times(after)["active_at"]
            assert begun < moved < _times(after)["fired_at"]


def _times(row: tuple[Any, ...]) -> dict[str, Any]:
    body = json.loads(row[0])
    return {name: body[name] for name in ("active_at", "fired_at")}


def test_history_goes_on(tmp_path: Path, database: str) -> None:
    """A stop keeps all samples, `kill -9` those up to the last write; a bad file keeps and harms none."""
    targets = [{"name": "db", "dsn": database, "packs": ["statements"]}]
    daemon = DaemonProcess(tmp_path, targets=targets)
    file = tmp_path / "pgwatch.db.history"

    def oldest() -> float:
        """The age of the oldest sample of `pg_up`."""
        answer = daemon.get("/api/v1/query?query=pg_up[1h]").json()["data"]["result"]
        return time.time() - answer[0]["values"][0][0] if answer else 0.0

    with daemon:
        until(lambda: oldest() > 3, "there is history", log=daemon)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    began = time.time() - 3
    assert file.stat().st_size > 0
    with daemon.start():
        until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
        assert oldest() >= time.time() - began
        assert "history goes on" in daemon.log
        daemon.kill()
    with daemon.start():
        until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
        assert oldest() >= time.time() - began
        daemon.kill()
    file.write_bytes(file.read_bytes()[:-30])
    with daemon.start():
        until(lambda: oldest() > 0, "it is up", log=daemon)
        assert oldest() < time.time() - began
        assert daemon.log.count("history begins anew") == 1
