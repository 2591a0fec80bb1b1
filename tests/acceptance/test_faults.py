"""The daemon through each fault of a server: pages at once, pg_up true to fact, few connections, recovery."""

import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from pgwatch.demo.server import LocalServer, free_port
from tests.daemon_process import DaemonProcess, until
from tests.roofing_tables import TABLES
from tests.servers import local_server
from tests.watching import silent_server, sql

CAP = 3
OURS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgwatch'"


@pytest.fixture(scope="module")
def faulty() -> Iterator[LocalServer]:
    """A server of these tests alone: each leaves it as it was."""
    settings = {"max_connections": "30", "shared_preload_libraries": "pg_stat_statements"}
    with local_server(settings=settings) as server:
        yield server


class Scraping:
    """Asks for /metrics all the time, and keeps how long each answer took."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._url = f"http://127.0.0.1:{daemon.port}/metrics"
        self._took: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._ended.wait(0.05):
                started = time.monotonic()
                assert session.get(self._url, timeout=10).ok
                self._took.append(time.monotonic() - started)

    def __enter__(self) -> "Scraping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def assert_at_once(self) -> None:
        """Milliseconds; the margins are the machine's, which runs other things too."""
        assert len(self._took) > 10
        assert statistics.median(self._took) < 0.1
        assert max(self._took) < 1.0, sorted(self._took)[-5:]


class Observing:
    """Counts our sessions on a server all the time."""

    def __init__(self, server: LocalServer) -> None:
        self.most = 0
        self._connection = psycopg.connect(server.dsn(), autocommit=True)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._ended.wait(0.01):
            count = len(self._connection.execute(OURS.encode()).fetchall())
            self.most = max(self.most, count)

    def __enter__(self) -> "Observing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()


def a_target(name: str, dsn: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "dsn": dsn, "packs": ["core"], "connect_timeout": "2s", **more}


def runs(daemon: DaemonProcess, outcome: str, query: str, target: str, **more: str) -> float:
    labels = {**more, "outcome": outcome, "query": query, "target": target}
    text = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return daemon.value(f"pgwatch_query_outcomes_total{{{text}}}") or 0


def test_targets_that_cannot_be_reached(
    tmp_path: Path, database: str, server: LocalServer, faulty: LocalServer
) -> None:
    """All at once, so that none of them is in the way of another, or of the one that works."""
    password = tmp_path / "password"
    password.write_text("wrong")
    faulty.halt()
    with silent_server() as port:
        targets = [
            a_target("silent", f"postgresql://u:p@127.0.0.1:{port}/db"),
            a_target("refused", faulty.dsn()),
            a_target("nobody", f"postgresql://u:p@127.0.0.1:{free_port()}/db"),
            a_target("unknown", "postgresql://u:p@no-such-host.invalid/db"),
            a_target("works", database),
        ]
        nameless = server.dsn().replace(f":{server.password}@", "@")
        targets.append(a_target("stranger", nameless, password_file=str(password)))
        with DaemonProcess(tmp_path, targets=targets) as daemon, Scraping(daemon) as scraping:
            down = ("silent", "refused", "nobody", "unknown", "stranger")
            for name in down:
                until(lambda name=name: daemon.up(name) == 0, f"{name} is down", seconds=3)  # type: ignore[misc]
            until(lambda: daemon.up("works") == 1, "the other one works")
            until(lambda: "did not let us in within 2s" in daemon.page(), "silence has a limit")
            for reason in ("Connection refused", "password authentication failed"):
                assert reason in daemon.page()
            until(lambda: runs(daemon, "answered", "core/server", "works") > 2, "it goes on")
            assert [daemon.up(name) for name in down] == [0] * len(down)
            faulty.launch()
            password.write_text(server.password)
            until(lambda: daemon.up("refused") == 1, "it came back", seconds=30, log=daemon)
            until(lambda: daemon.up("stranger") == 1, "it is let in", seconds=30, log=daemon)
            assert runs(daemon, "unreachable", "core/server", "works") == 0
        scraping.assert_at_once()


def test_a_killed_session_is_no_outage(tmp_path: Path, faulty: LocalServer) -> None:
    kill = f"SELECT pg_terminate_backend(pid) FROM ({OURS}) AS ours"
    with (
        DaemonProcess(tmp_path, targets=[a_target("db", faulty.dsn())]) as daemon,
        Observing(faulty) as observing,
        Scraping(daemon) as scraping,
    ):
        until(lambda: daemon.up("db") == 1, "it is up", log=daemon)
        seen = set[float | None]()

        def goes_on(before: float) -> bool:
            seen.add(daemon.up("db"))
            return runs(daemon, "answered", "core/server", "db") > before

        for _ in range(4):  # each time the session that took the dead one's place
            before = runs(daemon, "answered", "core/server", "db")
            sql(faulty.dsn(), kill)
            until(partial(goes_on, before), "it goes on", log=daemon)
        assert seen == {1}
        assert 1 <= observing.most <= CAP
    scraping.assert_at_once()
    assert "database is unreachable" not in daemon.log


def test_a_locked_table_blocks_only_who_reads_it(tmp_path: Path, faulty: LocalServer) -> None:
    with psycopg.connect(faulty.dsn(), autocommit=True) as connection:
        connection.execute(TABLES.encode())
    reader = "app/roofing/constraint_violations"
    target = a_target("db", faulty.dsn(), packs=["core", "app/roofing"])
    with DaemonProcess(tmp_path, targets=[target]) as daemon, Scraping(daemon) as scraping:
        where = {"query": reader, "target": "db", "datname": "postgres"}
        until(lambda: runs(daemon, "answered", **where), "it is read", log=daemon)
        with Observing(faulty) as observing, psycopg.connect(faulty.dsn()) as migration:
            migration.execute("LOCK TABLE public.constraint_violations IN ACCESS EXCLUSIVE MODE")
            until(lambda: runs(daemon, "blocked", **where) >= 1, "it is blocked", log=daemon)
            before = runs(daemon, "answered", "core/server", "db")
            time.sleep(20)  # twenty times as long as there is between two polls
            assert daemon.up("db") == 1
            assert runs(daemon, "answered", "core/server", "db") > before
            assert f"process {migration.info.backend_pid}" in daemon.page()
            longest = migration.execute(
                "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)"
                " FROM pg_stat_activity WHERE application_name = 'pgwatch'"
                " AND wait_event_type = 'Lock'"
            ).fetchone()
            assert longest is not None
            assert longest[0] < 0.5  # nobody queues behind the migration's lock because of us
            migration.rollback()
        assert observing.most <= CAP
        before = runs(daemon, "answered", **where)
        until(lambda: runs(daemon, "answered", **where) > before, "it is read again", seconds=30)
    scraping.assert_at_once()


@contextmanager
def no_connection_left(server: LocalServer) -> Iterator[ExitStack]:
    """All connections for ordinary roles are taken, until the stack is closed."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(
                    psycopg.connect(server.dsn(user="watcher", password="watching"))
                )
            except psycopg.OperationalError:
                break
        yield stack


def test_no_connection_left(tmp_path: Path, faulty: LocalServer) -> None:
    sql(faulty.dsn(), "CREATE ROLE watcher LOGIN PASSWORD 'watching'")
    watcher = faulty.dsn(user="watcher", password="watching")
    early, late = a_target("early", watcher), a_target("late", watcher)
    with DaemonProcess(tmp_path, targets=[early]) as daemon:
        until(lambda: runs(daemon, "answered", "core/server", "early"), "it is up", log=daemon)
        with no_connection_left(faulty) as taken, Scraping(daemon) as scraping:
            daemon.configure(targets=[early, late])
            assert daemon.reload().ok
            until(lambda: daemon.up("late") == 0, "there is no room for it", log=daemon)
            before = runs(daemon, "answered", "core/server", "early")
            time.sleep(2)
            assert daemon.up("early") == 1  # who has a connection keeps it
            assert runs(daemon, "answered", "core/server", "early") > before
            assert daemon.up("late") == 0
            taken.close()
            until(lambda: daemon.up("late") == 1, "there is room", seconds=30, log=daemon)
        scraping.assert_at_once()
        assert len(sql(faulty.dsn(), OURS)) <= 2 * CAP


@contextmanager
def frozen(server: LocalServer) -> Iterator[None]:
    """The postmaster and our sessions do nothing, and say nothing."""
    pids = [pid for (pid,) in sql(server.dsn(), OURS)]
    assert server.pid is not None
    pids.append(server.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def test_a_frozen_server(tmp_path: Path, database: str, faulty: LocalServer) -> None:
    targets = [a_target("cold", faulty.dsn()), a_target("warm", database)]
    with (
        DaemonProcess(tmp_path, targets=targets) as daemon,
        Observing(faulty) as observing,
        Scraping(daemon) as scraping,
    ):
        until(lambda: runs(daemon, "answered", "core/server", "cold"), "it is up", log=daemon)
        with frozen(faulty):
            # up to 15 s until the next look, then 3 s of silence and 2 s for a new connection
            until(lambda: daemon.up("cold") == 0, "it is down", seconds=25, log=daemon)
            assert daemon.up("warm") == 1
            before = runs(daemon, "answered", "core/server", "warm")
            until(lambda: runs(daemon, "answered", "core/server", "warm") > before, "warm goes on")
            assert "pg_server_version" not in daemon.get("/metrics/cold").text
        until(lambda: daemon.up("cold") == 1, "it is back", seconds=30, log=daemon)
        before = runs(daemon, "answered", "core/server", "cold")
        until(lambda: runs(daemon, "answered", "core/server", "cold") > before, "it answers")
        assert observing.most <= CAP
        assert runs(daemon, "unreachable", "core/server", "warm") == 0
    scraping.assert_at_once()
