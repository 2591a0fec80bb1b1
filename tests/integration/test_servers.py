"""The test servers themselves: the versions we claim are the versions that run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgwatch.demo.guard import Guard
from pgwatch.demo.server import LocalServer
from tests.servers import ROOT, VERSIONS, bin_of


def test_each_version_runs_with_pg_stat_statements(any_server: LocalServer) -> None:
    with psycopg.connect(any_server.dsn()) as connection:
        row = connection.execute("SHOW server_version_num").fetchone()
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    assert row is not None
    assert int(row[0]) // 10_000 in VERSIONS


def test_a_stopped_server_leaves_nothing_behind(own_server: LocalServer) -> None:
    folder = own_server.folder
    assert folder.exists()
    own_server.stop()
    assert not folder.exists()
    assert own_server.pid is None


STARTS_A_SERVER = """
import sys, time
from pathlib import Path
from pgwatch.demo.server import LocalServer
server = LocalServer(bin=Path(sys.argv[1])).start()
print(server.folder, server.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_server_ends_with_the_process_that_started_it(number: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTS_A_SERVER, str(bin_of(VERSIONS[-1]))]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdout is not None
        folder, pid = owner.stdout.readline().split()
        assert Path(folder).exists()
        owner.send_signal(number)
    wait_until(lambda: not Path(folder).exists() and not is_running(int(pid)))


def test_stopping_ends_a_frozen_server_too(own_server: LocalServer) -> None:
    pid = own_server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    own_server.stop()
    assert not own_server.folder.exists()
    wait_until(lambda: not is_running(pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs programs for another user")
@pytest.mark.parametrize("version", [16, 18])
def test_programs_in_a_closed_folder_run_for_another_user(version: int, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = bin_of(version).parent
    package = closed / home.parent.name
    shutil.copytree(home, package / home.name, symlinks=True)
    libraries = home.parent.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    with (
        LocalServer(bin=package / home.name / "bin") as server,
        psycopg.connect(server.dsn()) as db,
    ):
        assert db.info.server_version // 10_000 == version


def test_guard_leaves_alone_who_only_has_the_number(tmp_path: Path) -> None:
    folder = tmp_path / "guarded"
    (folder / "data").mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"]) as bystander:
        (folder / "data" / "postmaster.pid").write_text(f"{bystander.pid}\n")
        Guard(folder).end()
        assert not folder.exists()
        assert bystander.poll() is None
        bystander.kill()


def is_running(pid: int) -> bool:
    """Whether `pid` is a process that has not ended; one that nobody waited for has."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
