"""`pgwatch run` as people run it: start, stop, reload, refusals and logs."""

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgwatch.demo.server import LocalServer, free_port
from pgwatch.state.schema import VERSION
from tests.daemon_process import DaemonProcess, until
from tests.watching import silent_server

STATE_OF_SCHEMA_1 = Path(__file__).parent.parent / "fixtures" / "state_v1.sql"
RULE = """groups:
- name: mine
  rules:
  - {alert: Mine, expr: pg_up == 1, labels: {severity: info}}
"""


def a_target(name: str, dsn: str = "", **more: Any) -> dict[str, Any]:
    """A target with few queries; without a DSN its port is closed."""
    address = dsn or f"postgresql://u@127.0.0.1:{free_port()}/db"
    return {"name": name, "dsn": address, "packs": ["statements"], **more}


def test_signals(tmp_path: Path, database: str) -> None:
    """The first stops gracefully, and nothing of ours stays on the server."""
    with DaemonProcess(tmp_path, targets=[a_target("db", database)]) as daemon:
        until(lambda: daemon.up("db") == 1, "the target is up", log=daemon)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        assert 'msg="pgwatch stops" signal=SIGTERM' in daemon.log
        assert daemon.log.rstrip().endswith('msg="pgwatch has stopped"')
        assert "Traceback" not in daemon.log
    with psycopg.connect(database) as observer:
        left = observer.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'pgwatch' AND datname = current_database()"
        ).fetchone()
        assert left == (0,)


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    """A delivery to a receiver that stays silent would hold a graceful stop for seconds."""
    with silent_server() as port:
        (tmp_path / "rule.yml").write_text(RULE.replace("pg_up == 1", "pg_up == 0"))
        (tmp_path / "am.yml").write_text(
            "route: {receiver: hung, group_wait: 0s, group_by: [alertname]}\n"
            f"receivers: [{{name: hung, webhook_configs: [{{url: 'http://127.0.0.1:{port}/'}}]}}]\n"
        )
        settings: dict[str, Any] = {
            "targets": [a_target("db")],
            "rules": {"builtin": False, "files": ["rule.yml"]},
            "alertmanager_config": "am.yml",
        }
        with DaemonProcess(tmp_path, **settings) as daemon:
            until(lambda: daemon.value("pgwatch_outbox_messages") == 1, "on its way", log=daemon)
            time.sleep(0.3)  # the worker has taken it
            daemon.signal(signal.SIGINT)
            until(lambda: "pgwatch stops" in daemon.log, "the stop has begun")
            sent = time.monotonic()
            daemon.signal(signal.SIGINT)
            assert daemon.ended() == 128 + signal.SIGINT
            assert time.monotonic() - sent < 2


def test_a_stop_does_not_wait_for_what_hangs(tmp_path: Path) -> None:
    with silent_server() as port:
        probe = {"name": "web", "url": f"http://127.0.0.1:{port}/", "timeout": "19s"}
        with DaemonProcess(tmp_path, targets=[a_target("db")], http_probes=[probe]) as daemon:
            until(lambda: daemon.up("db") == 0, "it is down", log=daemon)
            sent = time.monotonic()
            daemon.signal(signal.SIGTERM)
            assert daemon.ended() == 0
            assert time.monotonic() - sent < 5


@pytest.mark.parametrize("way", ["signal", "post"])
def test_reload(tmp_path: Path, database: str, way: str) -> None:
    stays, old, new = a_target("stays", database), a_target("old"), a_target("new")
    with DaemonProcess(tmp_path, targets=[stays, old]) as daemon:
        until(lambda: daemon.up("stays") == 1, "it is up", log=daemon)
        until(lambda: daemon.up("old") == 0, "it is down", log=daemon)
        sessions = _sessions(database)
        daemon.configure(targets=[stays, new])
        if way == "post":
            assert daemon.reload().text == "reloaded\n"
        else:
            daemon.signal(signal.SIGHUP)
        until(lambda: daemon.up("new") == 0, "the new target is there", log=daemon)
        lines = daemon.get("/metrics").text.splitlines()
        # What fired about it is counted until the next evaluation ends it.
        left = [line for line in lines if not line.startswith("pgwatch_alerts{")]
        assert not any('target="old"' in line for line in left)
        assert daemon.get("/metrics/old").status_code == 404
        assert daemon.up("stays") == 1
        assert _sessions(database) == sessions  # it was not even reconnected
        assert daemon.value("pgwatch_config_last_reload_successful") == 1
        assert 'msg="configuration is in force" targets=2' in daemon.log


def _sessions(database: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database) as observer:
        return observer.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwatch'"
            " AND datname = current_database() ORDER BY pid"
        ).fetchall()


def test_a_reload_away_from_a_silent_server(tmp_path: Path, database: str) -> None:
    with silent_server() as port:
        silent = a_target("silent", f"postgresql://u@127.0.0.1:{port}/db")
        works = a_target("works", database)
        with DaemonProcess(tmp_path, targets=[silent, works]) as daemon:
            until(lambda: daemon.up("silent") == 0, "it is down", log=daemon)
            daemon.configure(targets=[works])
            started = time.monotonic()
            assert daemon.reload().ok
            assert time.monotonic() - started < 5
            assert daemon.get("/metrics/silent").status_code == 404
            until(lambda: daemon.up("works") == 1, "the other works", log=daemon)


def test_a_stop_during_a_reload(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, targets=[a_target("db")]) as daemon:
        for _ in range(3):
            daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        assert "Traceback" not in daemon.log


def test_a_bad_configuration_is_refused_and_the_old_one_goes_on(
    tmp_path: Path, database: str
) -> None:
    with DaemonProcess(tmp_path, targets=[a_target("db", database)]) as daemon:
        until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
        daemon.configure(targets=[{"name": "db", "dns": "x"}], retentoin="1h")
        refused = daemon.reload()
        assert refused.status_code == 500
        assert "pgwatch.yml:" in refused.text
        assert "targets[0].dns" in refused.text
        assert "retentoin" in refused.text
        assert daemon.value("pgwatch_config_last_reload_successful") == 0
        assert "the configuration on disk is not in force" in daemon.page()
        assert "retentoin" in daemon.page()
        assert daemon.log.count("configuration is not in force") == 1
        daemon.signal(signal.SIGHUP)
        until(lambda: daemon.log.count("configuration is not in force") == 2, "it is logged")
        assert daemon.up("db") == 1
        daemon.configure(targets=[a_target("db", database)])
        assert daemon.reload().ok
        assert daemon.value("pgwatch_config_last_reload_successful") == 1
        assert "not in force" not in daemon.page()


def test_a_rule_file_is_read_anew(tmp_path: Path, database: str) -> None:
    rules, files = tmp_path / "rules.yml", {"builtin": False, "files": ["rules.yml"]}
    rules.write_text(RULE)
    with DaemonProcess(tmp_path, targets=[a_target("db", database)], rules=files) as daemon:
        until(lambda: "Mine" in daemon.page(), "it fires", log=daemon)
        assert 'rule_group="' + str(rules) in daemon.get("/metrics").text
        rules.write_text(RULE.replace("Mine", "Yours").replace("mine", "yours"))
        assert daemon.reload().ok
        assert "Mine" not in daemon.page()
        until(lambda: "Yours" in daemon.page(), "the new rule fires", log=daemon)
        page = daemon.get("/metrics").text
        assert ";mine" not in page
        assert 'alertname="Mine"' not in page
        rules.write_text("groups: [{name: broken, rules: [{alert: A, expr: 'up ==='}]}]")
        refused = daemon.reload()
        assert refused.status_code == 500
        assert "unexpected" in refused.text


def test_what_waits_for_the_next_start_is_said(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, targets=[a_target("db")]) as daemon:
        daemon.configure(targets=[a_target("db")], web={"listen": f"127.0.0.1:{free_port()}"})
        assert daemon.reload().ok
        assert "web.listen changes at the next start only" in daemon.page()
        daemon.configure(targets=[a_target("db")])
        assert daemon.reload().ok
        assert "web.listen" not in daemon.page()


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with DaemonProcess(tmp_path, targets=[a_target("db")]) as daemon:
        assert daemon.process is not None
        second = DaemonProcess(other, targets=[a_target("db")], state=str(daemon.state))
        second.start(ready=False)
        assert second.ended() == 1
        holder = f"in use by another pgwatch (process {daemon.process.pid})"
        assert holder in second.log
        assert daemon.get("/-/healthy").ok
        daemon.kill()
        second.start()  # nothing of the lock is left
        second.kill()


def test_an_occupied_port_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = DaemonProcess(tmp_path, targets=[a_target("db")], web={"listen": address})
        daemon.start(ready=False)
        assert daemon.ended() == 1
        assert daemon.log == (
            f"pgwatch: cannot listen on {address}: Address already in use (by another pgwatch?);"
            " `web: {listen: …}` names another\n"
        )


def test_a_bad_configuration_does_not_start(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, targets=[{"name": "db", "dns": "x"}], retentoin="1h")
    daemon.start(ready=False)
    assert daemon.ended() == 2
    assert len(daemon.log.splitlines()) >= 2


def test_the_state_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, targets=[a_target("db")]).start()
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    _set_schema_version(daemon.state, "999")
    daemon.start(ready=False)
    assert daemon.ended() == 1
    assert "was written by a newer pgwatch (schema 999" in daemon.log


def test_the_state_of_an_older_version_goes_on(tmp_path: Path) -> None:
    """Its alerts are of rules that are gone: their end is told, through the log."""
    daemon = DaemonProcess(tmp_path, targets=[a_target("db")])
    with closing(sqlite3.connect(daemon.state)) as connection:
        connection.executescript(STATE_OF_SCHEMA_1.read_text())
    with daemon:
        until(
            lambda: 'msg="alert resolved" alert=A' in daemon.log, "the end of A is told", log=daemon
        )
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
    with closing(sqlite3.connect(daemon.state)) as connection:
        (version,) = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'")
        assert version == (str(VERSION),)
        left = connection.execute("SELECT rule FROM alert WHERE rule LIKE 'f.yml;%'")
        assert left.fetchall() == []


def _set_schema_version(state: Path, version: str) -> None:
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", [version])
        connection.commit()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_logs(tmp_path: Path, form: str) -> None:
    daemon = DaemonProcess(tmp_path, targets=[a_target("db")])
    with daemon.start("--log-format", form, "--log-level", "debug"):
        until(lambda: daemon.up("db") == 0, "it is down", log=daemon)
        daemon.signal(signal.SIGTERM)
        assert daemon.ended() == 0
        lines = daemon.log.splitlines()
    if form == "json":
        events = [json.loads(line) for line in lines]
        assert all({"time", "level", "logger", "msg"} <= event.keys() for event in events)
        lost = next(e for e in events if e["msg"] == "database is unreachable")
        assert (lost["level"], lost["target"]) == ("warning", "db")
    else:
        assert all(line.startswith("time=20") and " msg=" in line for line in lines)
        assert any('msg="database is unreachable" target=db database=db' in x for x in lines)


def test_secrets_of_receivers_are_in_no_log(tmp_path: Path, server: LocalServer) -> None:
    """Not even where something else happens to say them: here a role has the path of the hook as its name."""
    (tmp_path / "am.yml").write_text(
        "route: {receiver: ops}\nreceivers:\n- name: ops\n"
        "  slack_configs: [{api_url: 'https://hooks.example/zebracode', channel: '#x'}]\n"
        "  email_configs: [{to: a@b.example, from: c@d.example, smarthost: 'mail:25',"
        " auth_username: u, auth_password: zebrapass}]\n"
    )
    wrong = a_target("db", server.dsn(user="zebracode"))
    with DaemonProcess(tmp_path, targets=[wrong], alertmanager_config="am.yml") as daemon:
        until(lambda: daemon.up("db") == 0, "it is down", log=daemon)
        until(lambda: "database is unreachable" in daemon.log, "it is logged")
        assert "zebra" not in daemon.log


BROKEN = """
import asyncio, logging, sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from pgwatch.cli.main import main
from pgwatch.config.choose import choose_inputs
from pgwatch.samples.sample import Source
from pgwatch import wiring

class Broken:
    source, interval, timeout = Source("web", "probe/web"), timedelta(seconds=15), None
    def run(self, now_ms):
        raise OSError

assemble = wiring.assemble
wiring.assemble = lambda inputs: replace(assemble(inputs), probes=(Broken(),))
sys.exit(main(["run", "--config", sys.argv[1]]))
"""


def test_a_bug_ends_the_process(tmp_path: Path) -> None:
    """What cannot go on must not look alive. (A probe without a timeout breaks its runner.)"""
    daemon = DaemonProcess(tmp_path, targets=[a_target("db")])
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(daemon.config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "pgwatch: unexpected TypeError: " in done.stderr


def test_a_daemon_that_watches_no_database_does_not_say_that_all_is_well(
    tmp_path: Path, database: str
) -> None:
    nowhere = {"name": "none", "dsn": database, "databases": ["zz*"]}
    reason = "no database of the server matches zz*"
    with DaemonProcess(tmp_path, targets=[nowhere]) as daemon:
        until(lambda: daemon.up("none") == 1, "it is up", log=daemon)
        until(lambda: reason in daemon.log, "it is logged", log=daemon)
        answer = daemon.get("/-/ready")
        assert answer.status_code == 503
        assert f"none: {reason}" in answer.text
        page = daemon.get("/").text
        assert "1 target has no database to watch" in page
        assert "<title>pass" not in page
        assert reason in page
