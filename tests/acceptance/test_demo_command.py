"""`pgwatch demo` as people run it: the story to its end, and nothing left behind however it ends."""

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

DAMAGE = (
    "chk_users_email_format on public.users is not validated",
    "Index public.idx_user_devices_token on user_devices is invalid",
    "Materialized view public.workflow_performance_metrics is not populated",
    "Trigger trigger_validate_step_dependencies on public.workflow_steps is disabled",
)
# Of the migrations' own checks: the line in the file, and the cure.
DECLARED = (
    "workflow_steps.step_name: declared varchar(255), is text",
    "20250812_data_type_standardization/migration.sql:68",
    "cure: ALTER TABLE workflow_steps ALTER COLUMN step_name TYPE varchar(255);",
    "constraint projects.chk_projects_budget_positive: missing",
    "calendar_events.trigger_validate_calendar_event: validate_calendar_event() cannot run on",
)
ENDED = "The demo has ended; nothing is left behind."
# What a person may have set for other servers; none of it may reach the demo's.
OTHERS = {"PGHOST": "db.invalid", "PGSSLMODE": "verify-full", "PGWATCH__WEB__LISTEN": "nonsense"}


class Demo:
    """The command with a temporary folder of its own, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def until(self, pattern: str, seconds: float = 60) -> re.Match[str]:
        """Return the match of the first new line that has `pattern`."""
        deadline = time.monotonic() + seconds
        while (line := self._lines.get(timeout=max(deadline - time.monotonic(), 0.1))) is not None:
            self.said.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"it ended without {pattern!r}:\n{self.text}")

    def end(self, seconds: float = 60) -> int:
        """Return the exit status; everything it said is in `said` then."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        while (line := self._lines.get(timeout=1)) is not None:
            self.said.append(line)
        return status

    def is_gone(self) -> bool:
        """Whether neither a process nor a file is left of it."""
        return not list(self.folder.iterdir()) and not self.processes()

    def processes(self) -> list[str]:
        """The command lines that name the demo's folder."""
        lines = []
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it has ended
            if str(self.folder) in line:
                lines.append(line)
        return lines


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that the server's user can reach too; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="demo-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Demo]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pgwatch", "demo", *options],
        env={**os.environ, **OTHERS, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        running = Demo(process, folder)
        try:
            yield running
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_once_says_no_then_yes_and_leaves_nothing_behind(folder: Path) -> None:
    with demo(folder, "--once") as story:
        status = story.end()
        assert status == 0, story.text
    verdicts = [line.split()[0] for line in story.said if re.search(r"\(exit \d\)$", line)]
    assert verdicts == ["PASS", "FAIL", "PASS"], story.text
    unwrapped = " ".join(story.text.split())  # the report is as wide as the terminal
    for finding in (*DAMAGE, *DECLARED):
        assert finding in unwrapped, story.text
    assert story.text.count("ERROR: ") == 10
    assert story.is_gone(), story.processes()


# The moments: while the cluster is made, while tables are, while migrations run, while the gate does.
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        (None, signal.SIGINT),
        ("The gate before the deploy", signal.SIGTERM),
        ("Five migrations", signal.SIGINT),
        ("The gate after the deploy", signal.SIGTERM),
        ("the gate is asked again", signal.SIGINT),
    ],
)
def test_interrupted_it_leaves_nothing_behind(
    folder: Path, moment: str | None, number: signal.Signals
) -> None:
    with demo(folder, "--once") as story:
        if moment is None:
            wait_until(lambda: any(folder.glob("*/data/PG_VERSION")))
        else:
            story.until(moment)
        story.process.send_signal(number)
        status = story.end(20)
        assert (status, story.said[-1]) == (0, ENDED), story.text
    wait_until(story.is_gone, 5)


def test_killed_it_leaves_nothing_behind_either(folder: Path) -> None:
    with demo(folder) as story:
        story.until("^Inbox ")
        assert len(story.processes()) >= 2  # the server and the daemon
        story.process.kill()
        story.end()
    wait_until(story.is_gone)


def test_long_form_shows_an_alert_as_slack_message_and_as_email(folder: Path) -> None:
    with demo(folder) as story:
        story.until(r"^A PostgreSQL of its own starts")
        status_page = story.until(r"^Status page +(\S+)")[1]
        inbox = story.until(r"^Inbox +(\S+)")[1]
        assert "roofing" in requests.get(status_page, timeout=5).text
        assert "pg_up{" in requests.get(f"{status_page}metrics", timeout=5).text
        assert "nothing yet" in requests.get(inbox, timeout=5).text
        story.until(r"\+ constraint violation")

        wait_until(lambda: arrived(inbox) == {"Slack", "E-mail"})
        assert "unresolved violation of chk_projects_budget_positive" in requests.get(inbox).text
        assert "PostgresConstraintViolation" in requests.get(status_page, timeout=5).text

        story.process.send_signal(signal.SIGINT)
        status = story.end(30)
        assert (status, story.said[-1]) == (0, ENDED), story.text
    assert story.is_gone(), story.processes()


def test_daemon_that_dies_ends_the_demo_with_its_last_words(folder: Path) -> None:
    with demo(folder) as story:
        story.until("^Inbox ")
        (pid,) = folder.glob("*/demo/daemon.pid")
        os.kill(int(pid.read_text()), signal.SIGKILL)
        assert story.end(30) == 1
    assert "the daemon ended with -9" in story.text
    assert story.is_gone(), story.processes()


def arrived(inbox: str) -> set[str]:
    """The columns of the inbox that show the violation."""
    page = requests.get(inbox, timeout=5).text
    columns = re.findall(r"<div><h2>(Slack|E-mail) (.*?)(?=<div><h2>|</main>)", page, re.DOTALL)
    return {name for name, content in columns if "PostgresConstraintViolation" in content}
