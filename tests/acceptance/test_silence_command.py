"""`pgwatch silence`, `ack`, `history` and `outbox`, beside a daemon that runs and one that does not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgwatch.cli.main import main
from pgwatch.demo.server import free_port
from pgwatch.state.store import State
from tests.acceptance.test_alertmanager_clients import RULES
from tests.daemon_process import DaemonProcess, until
from tests.receivers import Answer, HttpReceiver


@pytest.fixture
def hook() -> Iterator[HttpReceiver]:
    with HttpReceiver(then=Answer(status=400, body="no")) as receiver:
        yield receiver


@pytest.fixture
def daemon(tmp_path: Path, hook: HttpReceiver) -> DaemonProcess:
    """A pgwatch that does not run yet; its one rule fires, and its one receiver refuses everything."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(RULES))
    route = {"receiver": "team", "group_wait": "0s", "group_interval": "1s"}
    receivers = [{"name": "team", "webhook_configs": [{"url": hook.url}]}]
    (tmp_path / "am.yml").write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
    return DaemonProcess(
        tmp_path,
        targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
        rules={"builtin": False, "files": ["rules.yml"]},
        alertmanager_config="am.yml",
    )


def command(daemon: DaemonProcess, *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pgwatch", *arguments, "--config", str(daemon.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def in_json(daemon: DaemonProcess, *arguments: str) -> Any:
    return json.loads(command(daemon, *arguments, "--json"))


def test_beside_a_daemon_and_without_it(daemon: DaemonProcess) -> None:
    assert "there is no state file" in command(daemon, "silence", "list", status=1)
    with daemon:
        until(lambda: in_json(daemon, "history", "--kind", "alert_firing"), "it fires", log=daemon)
        made = in_json(daemon, "silence", "add", "alertname=Always", "--for", "1h")["silenceID"]
        assert made in command(daemon, "silence", "list")
        assert "Always" in command(
            daemon, "ack", "alertname=Always", "--by", "ada", "--comment", "on it"
        )
        until(
            lambda: in_json(daemon, "outbox", "list", "--state", "dead"),
            "it is given up",
            log=daemon,
        )
        (dead,) = in_json(daemon, "outbox", "list")
        assert "is sent again" in command(daemon, "outbox", "retry", str(dead["id"]))
        # It answers at another address, so only its lock tells that it runs.
        elsewhere = daemon.config.read_text().replace(str(daemon.port), "1")
        other = daemon.folder / "elsewhere.yml"
        other.write_text(elsewhere)
        done = subprocess.run(
            [sys.executable, "-m", "pgwatch", "silence", "list", "--config", str(other)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "in use by another pgwatch" in done.stderr) == (1, True)

    assert [one["id"] for one in in_json(daemon, "silence", "list")] == [made]
    (acknowledged,) = in_json(daemon, "ack")
    assert (acknowledged["owner"], acknowledged["comment"]) == ("ada", "on it")
    assert f"{made}: over" in command(daemon, "silence", "expire", made[:8])
    assert command(daemon, "silence", "list") == "nothing is silenced\n"
    second = in_json(daemon, "silence", "add", "--deploy", "30m", "--by", "ada")["silenceID"]
    assert "Always" in command(daemon, "ack", "alertname=Always", "--end")
    assert "no alert that fires matches" in command(daemon, "ack", "alertname=Other", status=1)
    ids = [str(one["id"]) for one in in_json(daemon, "outbox", "list")]
    assert command(daemon, "outbox", "drop", *ids).count("is dropped") == len(ids) == 1
    assert command(daemon, "outbox", "list") == "no message waits\n"
    assert "is sent again" in command(daemon, "outbox", "retry", *ids)
    story = command(daemon, "history")
    for part in (
        "fires {alertname",
        "given up team/webhook[0]",
        "error: the receiver answered 400",
        "by ada",
    ):
        assert part in story
    assert len(in_json(daemon, "history", "--limit", "1")) == 1
    assert in_json(daemon, "history", "no such thing") == []

    with daemon.start():
        (kept,) = in_json(daemon, "silence", "list")
        assert (kept["id"], kept["deploy"]) == (second, True)
        assert [m["value"] for m in kept["matchers"]] == [".+"]
        assert in_json(daemon, "ack") == []


def test_a_daemon_of_another_configuration_is_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, state, config = free_port(), tmp_path / "x.db", tmp_path / "pgwatch.yml"
    config.write_text(f"web: {{listen: '127.0.0.1:{port}'}}\nstate: {state}\n")
    with closing(State.open(state)):
        assert main(["silence", "list", "--config", str(config)]) == 1
    assert capsys.readouterr().err == (
        f"pgwatch: nothing answers at http://127.0.0.1:{port}, and state file {state} is in use by another"
        f" pgwatch (process {os.getpid()}): name its configuration with --config, or its address with"
        " --url\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["silence", "add", "a=b"], "--for: say how long"),
        (["silence", "add", "--for", "1h"], "MATCHER: say which alerts"),
        (["silence", "add", "a=b", "--for", "1h", "--deploy", "1h"], "--deploy: excludes --for"),
        (["silence", "add", "a!b", "--for", "1h"], "MATCHER: 'a!b' is not a matcher"),
        (["silence", "add", "a=b", "--weekly", "moon"], "--weekly: 'moon': 'moon' are no days"),
        (["silence", "add", "a=b", "--weekly", "mon", "--zone", "Mars"], "not a time zone"),
        (["silence", "add", "a=b", "--for", "1h", "--zone", "UTC"], "--zone: belongs to --weekly"),
        (["silence", "add", "a=b", "--for", "soon"], "'soon' is not a duration"),
        (["silence", "add", "a=b", "--until", "soon"], "'soon' is not a time"),
        (["silence", "list", "--url", "nowhere"], "--url: expected a URL"),
        (["ack", "--end"], "MATCHER: say of which alerts"),
        (["ack", "a!b"], "'a!b' is not a matcher"),
        (["history", "--limit", "0"], "expected a number from 1"),
        (["outbox", "retry"], "ID: say which messages"),
        (["outbox", "drop", "x"], "expected the number of a message, got 'x'"),
        (["outbox", "drop", str(2**63)], "expected the number of a message, got '9223"),
    ],
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
