"""A timeline in whose middle pgwatch is killed and started again, and again: nobody is told anything else."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgwatch.notify.routetest import failures, message_failures
from tests.daemon_process import DaemonProcess, until
from tests.playing import Server, configuration, play, timelines
from tests.receivers import HttpReceiver

TIMELINES = timelines("restarts.yml")
KILLS = (3, 12)  # seconds; nothing is posted in the five after each
BUSY = timedelta(milliseconds=900)


@pytest.mark.parametrize("name", TIMELINES)
def test_on_a_virtual_clock(name: str) -> None:
    assert failures(TIMELINES[name]) == ()


def kill_and_start(daemon: DaemonProcess, start: datetime) -> None:
    for seconds in KILLS:
        time.sleep((start + timedelta(seconds=seconds) - datetime.now(UTC)).total_seconds())
        daemon.kill()
        daemon.start(ready=False)


def test_to_a_pgwatch_that_is_killed(tmp_path: Path) -> None:
    tests = list(TIMELINES.values())
    with HttpReceiver() as hook:
        config = tmp_path / "am.yml"
        config.write_text(configuration([one.routing for one in tests], hook.url), "utf-8")
        daemon = DaemonProcess(
            tmp_path,
            targets=[{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}],
            rules={"builtin": False},
            alertmanager_config=str(config),
        )
        with daemon.start():
            until(lambda: daemon.get("/api/v2/status").ok, "the API answers", log=daemon)
            start = datetime.now(UTC)
            killing = threading.Thread(target=kill_and_start, args=(daemon, start))
            killing.start()
            told = play(Server(url=daemon.url, config=config), tests, hook, start)
            killing.join()
    wrong = {
        test.name: list(message_failures(replace(test, start=start, tolerance=BUSY), heard))
        for test, heard in zip(tests, told, strict=True)
    }
    assert wrong == {name: [] for name in TIMELINES}
