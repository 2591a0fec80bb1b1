"""`pgwatch simulate` beside a daemon that runs: what it has seen, and the silences that there are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from pgwatch.cli.main import main
from tests.daemon_process import DaemonProcess, until

RULES = """
groups:
  - name: g
    interval: 1s
    rules: [{alert: Gone, expr: "pg_up == 0"}]
"""
ROUTES = """
route: {receiver: r, group_by: [alertname], group_wait: 0s, group_interval: 1m}
receivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]
"""


def test_what_a_running_daemon_has_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("edited.yml").write_text(RULES)
    Path("am.yml").write_text(ROUTES)
    targets = [{"name": "db", "dsn": "postgresql://127.0.0.1:1/none"}]
    with DaemonProcess(tmp_path, targets=targets, rules={"builtin": False}) as daemon:

        def simulate(*options: str) -> Any:
            config = ["--config", str(daemon.config), "--alertmanager-config", "am.yml"]
            if main(["simulate", "--json", *config, "--rules", "edited.yml", *options]) != 0:
                return None
            return json.loads(capsys.readouterr().out)[0]

        until(lambda: (simulate() or {}).get("messages"), "the history has samples", log=daemon)
        told = simulate()
        assert told["name"] == f"the history of http://127.0.0.1:{daemon.port}"
        (message,) = told["messages"]
        assert message["alerts"][0]["labels"]["target"] == "db"
        now = datetime.now(UTC)
        silence = {
            "matchers": [{"name": "target", "value": "db", "isRegex": False}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "ada",
            "comment": "moving",
        }
        requests.post(f"{daemon.url}/api/v2/silences", json=silence, timeout=10).raise_for_status()

        def silenced() -> bool:
            """Whether the history has samples from after the silence was made; nothing is told then."""
            seen = simulate("--from", (now + timedelta(seconds=1)).isoformat())
            return seen is not None and seen["fired"] == {"Gone": 1} and not seen["messages"]

        until(silenced, "what is silenced is not told", log=daemon)
    assert main(["simulate", "--url", f"http://127.0.0.1:{daemon.port}"]) == 1
    assert "nothing answers" in capsys.readouterr().err
