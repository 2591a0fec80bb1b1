"""`pgwatch history` on a state file: what became of a message that took many attempts."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from pgwatch.cli.main import main
from pgwatch.demo.server import free_port
from pgwatch.notify.outbox import ChannelId
from pgwatch.state.store import State
from tests.notifications import NOW, notification

HOOK = ChannelId("team", "webhook[0]")


def test_attempts_that_are_not_listed_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, at = State.open(tmp_path / "state.db"), NOW
    with state.transaction() as changes:
        changes.enqueue(notification(receiver=HOOK.receiver, channel=HOOK.channel))
    for error in ["no connection"] * 12 + ["the receiver answered 503"]:
        (queued,) = state.take([HOOK], at)
        state.postponed(queued, error, at, at)
        at += timedelta(minutes=1)
    (queued,) = state.take([HOOK], at)
    state.delivered(queued, "ok", at)
    state.close()
    config = tmp_path / "pgwatch.yml"
    settings = {"state": "state.db", "web": {"listen": f"127.0.0.1:{free_port()}"}}
    config.write_text(yaml.safe_dump(settings))
    assert main(["history", "--config", str(config), "--limit", "50"]) == 0
    lines = [one.strip() for one in capsys.readouterr().out.splitlines() if "attempt" in one]
    assert len(lines) == 11  # the second to the tenth, and the last two
    assert lines[-3:] == [
        "firing: first notification, attempt 10",
        "firing: first notification, attempt 13 (2 of those before are not listed)",
        "firing: first notification, attempt 14 (2 of those before are not listed)",
    ]
