"""What pgwatch does otherwise than Alertmanager, each by name: documented, and shown beside a real one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pgwatch.notify.routetest import failures
from tests.integration.test_alertmanager_peer import alertmanager
from tests.playing import Server, configuration, play, timelines
from tests.receivers import HttpReceiver
from tests.servers import ROOT

DIFFERENCES = timelines("differences.yml")
PAGE = ROOT / "docs" / "reference" / "alertmanager.md"
# What Debian's Alertmanager (0.25) tells instead: in each message the names and states of the alerts.
THEIRS = {
    "the end of what was announced is told through a silence": ["A+"],
    "what still fires when a silence ends is told": ["A+"],
    "the end of what was announced is told though it is inhibited": ["A+", "B+"],
    "the end of what was never told is not told": ["A1+", "A1+ A2-"],
    "an end is told once": ["A1+ A2+", "A1- A2+", "A1- A2+ A3+"],
    "an old alert waits for its group": ["A+", "A+ A2+"],
    "a group without alerts is gone at once": ["A1+", "A1-", "A2+"],
    "what comes and goes all the time is folded": ["A+", "A-"] * 5,
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_pgwatch_does_what_the_page_says(name: str) -> None:
    assert failures(DIFFERENCES[name]) == ()
    assert f"**{name[0].upper()}{name[1:]}**" in PAGE.read_text("utf-8")


@pytest.mark.peer
def test_alertmanager_does_not(tmp_path: Path) -> None:
    tests = list(DIFFERENCES.values())
    with HttpReceiver() as hook:
        config = tmp_path / "am.yml"
        config.write_text(configuration([one.routing for one in tests], hook.url), "utf-8")
        with alertmanager(config, tmp_path / "data") as url:
            server = Server(url=url, config=config)
            played = play(server, tests, hook, datetime.now(UTC))
    told = {
        test.name: [
            " ".join(
                one.labels["alertname"]
                + one.labels.label("n")
                + ("+" if one.ends_at is None else "-")
                for one in sorted(message.alerts, key=lambda alert: alert.labels)
            )
            for message in sorted(heard, key=lambda message: message.at)
        ]
        for test, heard in zip(tests, played, strict=True)
    }
    assert told == THEIRS
