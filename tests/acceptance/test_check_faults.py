"""The gate before servers that refuse, stay silent, or end in the middle: 3, soon, and said why."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from tests.gate import environment, gate, pgwatch
from tests.roofing_tables import TABLES
from tests.servers import local_server
from tests.watching import silent_server, sql

SECRET = "zebra4711"
START_UP = 4.0  # seconds that this machine may take to start Python, when it is busy
VIOLATION = "PostgresConstraintViolation"
ASLEEP = (
    "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwatch' AND state = 'active'"
    " AND query LIKE '%pg_sleep%'"
)


def test_a_refused_connection(tmp_path: Path) -> None:
    ran = gate(f"postgresql://u:{SECRET}@127.0.0.1:1/app", cwd=tmp_path)
    assert ran.status == 3
    report = ran.report
    assert (report["verdict"], report["exit_code"], report["checks"]) == ("unknown", 3, [])
    (target,) = report["targets"]
    assert "Connection refused" in target["error"]
    assert (target["role"], target["server_version"]) == (None, None)
    assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://postgres:{secret}@127.0.0.1:{port}/postgres",
        "host=127.0.0.1 port={port} user=postgres dbname=postgres password={secret}",
        "postgresql://postgres@127.0.0.1:{port}/postgres?password={secret}",
    ],
)
def test_a_wrong_password_is_nowhere(
    dsn: str, form: str, server: LocalServer, tmp_path: Path
) -> None:
    named = dsn.format(secret=SECRET, port=server.port)
    arguments = ("check", "--once", "--log-level", "debug", "--format", form, named)
    ran = pgwatch(*arguments, cwd=tmp_path)
    assert ran.status == 3
    assert 'password authentication failed for user "postgres"' in " ".join(
        ran.out.split()
    ).replace('\\"', '"')
    assert SECRET not in ran.out + ran.err


def test_a_silent_server_ends_within_the_timeout(tmp_path: Path) -> None:
    with silent_server() as port:
        dsn = f"postgresql://u:{SECRET}@127.0.0.1:{port}/app"
        ran = gate(dsn, "--timeout", "1s", cwd=tmp_path)
        patient = gate(dsn, cwd=tmp_path)
    assert ran.status == 3
    assert "the time for the whole pass, 1s, was over" in ran.report["targets"][0]["error"]
    assert ran.seconds < 1 + START_UP
    assert patient.status == 3
    assert "did not let us in within 5s" in patient.report["targets"][0]["error"]
    assert patient.seconds < 5 + START_UP


def test_a_server_that_freezes_in_the_middle(own_server: LocalServer, tmp_path: Path) -> None:
    """The gate is inside a query when the whole server stops."""
    with_sleep(tmp_path, "pg_sleep(30)")
    frozen: list[int] = []

    def freeze(pid: int) -> None:
        frozen.extend(one for one in (pid, own_server.pid) if one)
        for one in frozen:
            os.kill(one, signal.SIGSTOP)

    with when_asleep(own_server, freeze):
        ran = gate(own_server.dsn(), "--config", "pgwatch.yml", "--timeout", "2s", cwd=tmp_path)
    for one in frozen:
        os.kill(one, signal.SIGCONT)
    assert ran.status == 3
    assert ran.check("Slept")["verdict"] == "unknown"
    assert ran.seconds < 2 + 2 + START_UP


def test_a_backend_that_is_killed_once_is_replaced(own_server: LocalServer, tmp_path: Path) -> None:
    with_sleep(tmp_path, "pg_sleep(1)")
    with when_asleep(own_server, kill(own_server), times=1):
        ran = gate(own_server.dsn(), "--config", "pgwatch.yml", cwd=tmp_path)
    assert (ran.status, ran.verdicts["Slept"]) == (0, "pass")


def test_a_backend_that_is_killed_each_time_is_unknown(
    own_server: LocalServer, tmp_path: Path
) -> None:
    with_sleep(tmp_path, "pg_sleep(20)")
    with when_asleep(own_server, kill(own_server), times=2):
        ran = gate(own_server.dsn(), "--config", "pgwatch.yml", cwd=tmp_path)
    assert ran.status == 3
    check = ran.check("Slept")
    assert check["verdict"] == "unknown"
    assert "terminating connection due to administrator command" in check["reason"]
    assert "fail" not in ran.verdicts.values()  # that our session ended is no finding


def test_a_query_beyond_the_timeout_is_unknown_and_the_rest_is_told(
    database: str, tmp_path: Path
) -> None:
    with_sleep(tmp_path, "pg_sleep(30)")
    ran = gate(database, "--config", "pgwatch.yml", "--timeout", "2s", cwd=tmp_path)
    assert ran.status == 3
    assert ran.seconds < 2 + START_UP
    assert "the time for the whole pass, 2s, was over" in ran.check("Slept")["reason"]
    assert ran.verdicts["PostgresConstraintNotValidated"] == "pass"
    assert sql(database, ASLEEP) == []  # cancelled on the server too


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_nothing_on_the_server(
    signum: int, database: str, tmp_path: Path
) -> None:
    with_sleep(tmp_path, "pg_sleep(30)")
    program = (
        "import signal, sys; from pgwatch.cli.main import main;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # a test runner may ignore it
        "sys.exit(main(['check', '--once', '--config', 'pgwatch.yml', sys.argv[1]]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, database], cwd=tmp_path, env=environment()
    ) as process:
        while not sql(database, ASLEEP):
            time.sleep(0.05)
        process.send_signal(signum)
        assert process.wait(10) == 130
    assert sql(database, ASLEEP) == []


def test_an_exclusive_lock_is_named_and_not_waited_for(database: str, tmp_path: Path) -> None:
    sql(database, TABLES)
    sql(database, "CREATE MATERIALIZED VIEW report AS SELECT 1 AS one")
    sql(database, "INSERT INTO materialized_view_status VALUES ('report', now())")
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE constraint_violations IN ACCESS EXCLUSIVE MODE")
        holder.execute("REFRESH MATERIALIZED VIEW report")
        ran = gate(database, cwd=tmp_path)
        pid = holder.info.backend_pid
    after = gate(database, cwd=tmp_path)
    assert ran.status == 3
    check = ran.check(VIOLATION)
    assert check["verdict"] == "unknown"
    assert (
        f"process {pid} holds ACCESS EXCLUSIVE on public.constraint_violations" in check["reason"]
    )
    others = {name for name, verdict in ran.verdicts.items() if verdict not in ("pass", "skipped")}
    assert others == {VIOLATION}
    assert ran.report["duration_seconds"] < 3
    assert (after.status, after.verdicts[VIOLATION]) == (0, "pass")


def test_no_connection_is_left(tmp_path: Path) -> None:
    settings = {"max_connections": "8", "superuser_reserved_connections": "3"}
    with local_server(settings=settings) as server, ExitStack() as stack:
        sql(server.dsn(), "CREATE ROLE monitor LOGIN PASSWORD 'monitor' IN ROLE pg_monitor")
        dsn = server.dsn(user="monitor", password="monitor")
        for _ in range(5):
            stack.enter_context(psycopg.connect(dsn))
        full = gate(dsn, cwd=tmp_path)
        stack.close()
        free = gate(dsn, cwd=tmp_path)
    assert full.status == 3
    assert "remaining connection slots are reserved" in full.report["targets"][0]["error"]
    assert free.status == 0


def with_sleep(folder: Path, expression: str) -> None:
    """Write a configuration whose own query takes the time of `expression`, and a check that reads it."""
    (folder / "queries" / "own").mkdir(parents=True)
    (folder / "queries" / "own" / "slept.sql").write_text(
        "/*\nhelp: Sleeps\ntimeout: 40s\nscope: cluster\nmetrics:\n"
        "  slept: {type: gauge, value: value, help: One}\n*/\n"
        f"SELECT 1 AS value FROM {expression};\n"
    )
    (folder / "own.yml").write_text(
        "groups: [{name: own, rules: [{alert: Slept, expr: slept < 1, labels: {severity: critical}}]}]\n"
    )
    (folder / "pgwatch.yml").write_text("queries: [queries]\nrules: {files: [own.yml]}\n")


@contextmanager
def when_asleep(
    server: LocalServer, act: Callable[[int], object], *, times: int = 1
) -> Iterator[None]:
    """Meanwhile call `act(pid)` for each of the first `times` sessions that run the sleeping query."""
    ended = threading.Event()

    def watch() -> None:
        seen: set[int] = set()
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            while len(seen) < times and not ended.wait(0.01):
                for (pid,) in connection.execute(ASLEEP).fetchall():
                    if pid not in seen:
                        seen.add(pid)
                        act(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    ended.set()
    thread.join()


def kill(server: LocalServer) -> Callable[[int], object]:
    return lambda pid: sql(server.dsn(), f"SELECT pg_terminate_backend({pid})")
