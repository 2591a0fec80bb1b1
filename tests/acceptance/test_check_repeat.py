"""`pgwatch check` more than once: --window, --wait, and the live report on a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.gate import environment, gate, pgwatch
from tests.watching import sql

RULES = """
groups:
  - name: own
    rules:
      - {record: own:inserted, expr: 'rate(pg_stat_database_tup_inserted[5m])'}
      - {alert: Rate, expr: 'rate(pg_stat_database_tup_inserted{datname="%s"}[5m]) > 5'}
      - {alert: Recorded, expr: 'own:inserted{datname="%s"} > 5'}
      - {alert: Increase, expr: 'increase(pg_stat_database_tup_inserted{datname="%s"}[1h]) > 5'}
      - {alert: Quiet, expr: 'increase(pg_stat_database_deadlocks{datname="%s"}[1h]) > 0'}
      - {alert: Long, expr: 'pg_stat_database_deadlocks offset 1h > 0'}
"""


@pytest.fixture
def own_rules(database: str, tmp_path: Path) -> Path:
    name = database.rpartition("/")[2]
    (tmp_path / "own.yml").write_text(RULES.replace("%s", name))
    (tmp_path / "pgwatch.yml").write_text("rules: {builtin: false, files: [own.yml]}\n")
    return tmp_path


@pytest.fixture
def inserting(database: str) -> Iterator[None]:
    """Somebody inserts 50 rows ten times a second, and says so to the statistics."""
    over = threading.Event()

    def insert() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (i int)")
            while not over.wait(0.1):
                connection.execute("INSERT INTO t SELECT generate_series(1, 50)")
                connection.execute("SELECT pg_stat_force_next_flush()")

    thread = threading.Thread(target=insert)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("inserting")
def test_a_window_judges_what_needs_history(database: str, own_rules: Path) -> None:
    without = gate(database, "--config", "pgwatch.yml", "--skip", "benchmarks", cwd=own_rules)
    assert set(without.verdicts.values()) == {"skipped"}
    ran = gate(
        database, "--config", "pgwatch.yml", "--window", "2s", "--skip", "benchmarks", cwd=own_rules
    )
    assert ran.verdicts == {
        "Rate": "warn",
        "Recorded": "warn",
        "Increase": "warn",
        "Quiet": "skipped",  # in 2 seconds; nobody knows about the hour
        "Long": "skipped",
    }
    [found] = ran.check("Rate")["findings"]
    assert 100 < found["value"] < 1000  # 500 rows a second, had it the processor for itself
    [recorded] = ran.check("Recorded")["findings"]
    assert recorded["value"] == pytest.approx(found["value"])
    assert ran.check("Rate")["reason"] == "judged over 2s instead of 5m"
    assert ran.check("Quiet")["reason"] == "needs 1h of history, and --window is 2s"
    assert ran.seconds > 2


@pytest.mark.usefixtures("inserting")
def test_what_a_recorded_rate_reads_is_asked_twice(database: str, own_rules: Path) -> None:
    words = ["--config", "pgwatch.yml", "--window", "1s", "--only", "Recorded"]
    assert gate(database, *words, cwd=own_rules).verdicts == {"Recorded": "warn"}


def test_a_window_longer_than_the_run_is_a_mistake(database: str, tmp_path: Path) -> None:
    ran = gate(database, "--window", "10s", "--timeout", "10s", cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert "--window: 10s does not fit into the whole run's --timeout 10s" in ran.err


def test_wait_ends_when_it_passes(database: str, tmp_path: Path) -> None:
    sql(database, "CREATE TABLE t (i int); ALTER TABLE t ADD CONSTRAINT c CHECK (i > 0) NOT VALID")
    cure = threading.Timer(2, sql, (database, "ALTER TABLE t VALIDATE CONSTRAINT c"))
    cure.start()
    ran = pgwatch("check", "--wait", "60s", "--json", database, cwd=tmp_path)
    cure.join()
    assert (ran.status, ran.report["verdict"]) == (0, "pass")
    assert re.fullmatch(r"passed after \d+s, 2 runs\n", ran.err)


def test_wait_ends_with_the_last_verdict_when_the_time_is_out(
    database: str, tmp_path: Path
) -> None:
    sql(database, "CREATE TABLE t (i int); ALTER TABLE t ADD CONSTRAINT c CHECK (i > 0) NOT VALID")
    ran = pgwatch("check", "--wait", "1s", "--json", database, cwd=tmp_path)
    assert (ran.status, ran.report["verdict"]) == (1, "fail")
    assert ran.err == "not passed within 1s, 2 runs\n"
    gone = pgwatch("check", "--wait", "1s", "postgresql://u@127.0.0.1:1/x", cwd=tmp_path)
    assert (gone.status, gone.err) == (3, "not passed within 1s, 2 runs\n")


class Screen:
    """A command on a terminal of 80 by 30."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._terminal, theirs = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pgwatch", *arguments],
            cwd=cwd,
            env=environment({"LINES": "30", "COLUMNS": "80", "NO_COLOR": "1"}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def read_until(self, wanted: str) -> str:
        """Return what came up to `wanted`, and forget it."""
        end = time.monotonic() + 60
        while wanted not in self.text:
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} did not come: {self.text!r}"
            if select.select([self._terminal], [], [], left)[0]:
                try:
                    self.text += os.read(self._terminal, 65536).decode()
                except OSError:  # Linux: the other end is closed
                    assert wanted in self.text, self.text
        before, _, self.text = self.text.partition(wanted)
        return before

    def end(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        self.read_until("(exit ")
        status = self.process.wait(timeout=30)
        os.close(self._terminal)
        return status


DEBT = "CREATE TABLE t (i int); ALTER TABLE t ADD CONSTRAINT c CHECK (i > 0) NOT VALID"


def sessions(database: str) -> int:
    """How many sessions of pgwatch `database` has."""
    with psycopg.connect(database) as connection:
        [(count,)] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgwatch'"
            " AND datname = current_database()"
        ).fetchall()
    return int(count)


def test_without_once_the_report_is_drawn_anew_until_interrupted(
    database: str, tmp_path: Path
) -> None:
    sql(database, DEBT)
    screen = Screen("check", database, cwd=tmp_path)
    assert "\x1b[?1049h" in screen.read_until("looking")
    first = screen.read_until("\x1b[J")
    first += screen.read_until("\x1b[J")
    assert "Ctrl-C ends" in first
    assert "FAIL  1 failed" in first
    assert first.count("\r\n") <= 31
    sql(database, "ALTER TABLE t VALIDATE CONSTRAINT c")
    second = screen.read_until("\x1b[J")
    assert "PASS  " in second
    assert screen.end(signal.SIGINT) == 0  # as the last verdict
    assert sessions(database) == 0


def test_a_drawn_report_ends_with_sigterm_and_the_last_verdict(
    database: str, tmp_path: Path
) -> None:
    sql(database, DEBT)
    screen = Screen("check", "--only", "PostgresConstraintNotValidated", database, cwd=tmp_path)
    screen.read_until("FAIL  1 failed")
    assert screen.end(signal.SIGTERM) == 1
    assert sessions(database) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name --once: one run, one verdict"),
        (("--format", "junit"), "needs --once or --wait"),
        (("--json",), "needs --once or --wait"),
        (("--output", "x"), "needs --once or --wait"),
        (("--probe-writes",), "--probe-writes needs --once"),
    ],
)
def test_what_cannot_be_drawn_is_a_mistake(
    arguments: tuple[str, ...], says: str, database: str, tmp_path: Path
) -> None:
    ran = pgwatch("check", *arguments, database, cwd=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert says in ran.err
