"""Alertmanager's acceptance scenarios: on a virtual clock, to a running pgwatch, to a real Alertmanager."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pgwatch.cli.main import main
from pgwatch.notify.routetest import DEFAULT_START, RouteTest, failures
from pgwatch.units import format_duration
from tests.daemon_process import DaemonProcess, until
from tests.integration.test_alertmanager_peer import alertmanager
from tests.playing import (
    FOLDER,
    Server,
    configuration,
    played,
    side_by_side,
    timelines,
)
from tests.receivers import HttpReceiver

SUBJECTS = ("alertmanager", "more", "grouping", "inhibition", "silences", "posts", "reloads")
FILES = [f"{subject}.yml" for subject in SUBJECTS]
SCENARIOS = {name: test for file in FILES for name, test in timelines(file).items()}
# The others need a time of day.
AT_ANY_TIME = [test for test in SCENARIOS.values() if test.start == DEFAULT_START]
# A machine may be busy; what the exact times are is seen on the virtual clock.
BUSY = timedelta(milliseconds=700)
ATTEMPTS = 2  # a post that came late for a look at its group is no difference
# Debian's Alertmanager, 0.25, crashes at the null that stands for a rule, and has classic label names.
# It has no start delay either.
NEWER = frozenset({"empty inhibition rule", "labels in UTF-8", "cold start"})
# After a reload it may look at groups before its inhibition knows the alerts (its issue 4064).
NOT_ITS = NEWER | {"an inhibition that comes with a reload"}
# For a timeline of the start: so long may a process take until it answers.
STARTING = timedelta(seconds=12)
Play = Callable[[Sequence[RouteTest], Path], dict[str, list[str]]]
NO_TARGETS = [{"name": "db", "dsn": "postgresql://nobody@127.0.0.1:9/nothing"}]


@pytest.mark.parametrize("name", SCENARIOS)
def test_on_a_virtual_clock(name: str) -> None:
    assert failures(SCENARIOS[name]) == ()


def test_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "test", *(str(FOLDER / name) for name in FILES)]) == 0
    assert f"{len(SCENARIOS)} passed, 0 failed" in capsys.readouterr().out


def daemon(folder: Path, config: str, start_delay: timedelta) -> DaemonProcess:
    folder.mkdir()
    (folder / "am.yml").write_text(config, encoding="utf-8")
    settings: dict[str, Any] = {"rules": {"builtin": False}, "alertmanager_config": "am.yml"}
    if start_delay:
        settings["notifications"] = {"start_delay": format_duration(start_delay + STARTING)}
    return DaemonProcess(folder, targets=NO_TARGETS, **settings)


def started(running: DaemonProcess) -> datetime:
    until(running._answers, "the daemon answers", seconds=60, log=running)
    until(lambda: running.get("/api/v2/status").ok, "the API answers", log=running)
    return datetime.fromisoformat(running.get("/api/v2/status").json()["uptime"])


def play_to_pgwatch(tests: Sequence[RouteTest], folder: Path) -> dict[str, list[str]]:
    with ExitStack() as stack:
        running = []
        for number, part in enumerate(side_by_side(tests)):
            hook = stack.enter_context(HttpReceiver())
            config = configuration([test.routing for test in part], hook.url)
            one = daemon(folder / str(number), config, part[0].start_delay).start(ready=False)
            running.append((stack.enter_context(one), part, hook))
        servers = []
        for one, part, hook in running:
            start = started(one) + STARTING if part[0].start_delay else None
            server = Server(url=one.url, config=one.folder / "am.yml", start=start)
            servers.append((server, part, hook))
        for one, _, _ in running:
            started(one)
        return played(servers, BUSY)


def play_to_alertmanager(tests: Sequence[RouteTest], folder: Path) -> dict[str, list[str]]:
    with ExitStack() as stack:
        servers = []
        for number, part in enumerate(side_by_side(tests)):
            hook = stack.enter_context(HttpReceiver())
            config = folder / f"{number}.yml"
            config.write_text(configuration([one.routing for one in part], hook.url), "utf-8")
            url = stack.enter_context(alertmanager(config, folder / str(number)))
            servers.append((Server(url=url, config=config), part, hook))
        return played(servers, BUSY)


def different(play: Play, tests: Sequence[RouteTest], folder: Path) -> dict[str, list[str]]:
    """Return what is not as expected each time."""
    found: dict[str, list[str]] = {}
    for attempt in range(ATTEMPTS):
        (place := folder / str(attempt)).mkdir()
        found = {name: wrong for name, wrong in play(tests, place).items() if wrong}
        tests = [test for test in tests if test.name in found]
        if not tests:
            break
    return found


def test_to_a_running_pgwatch(tmp_path: Path) -> None:
    assert different(play_to_pgwatch, AT_ANY_TIME, tmp_path) == {}


@pytest.mark.peer
def test_to_a_real_alertmanager(tmp_path: Path) -> None:
    known = [test for test in AT_ANY_TIME if test.name not in NOT_ITS]
    assert different(play_to_alertmanager, known, tmp_path) == {}
