"""Starts `pgwatch run` many times without reading its code each time: a process that has it all forks.

A start costs a second of CPU, nearly all of it imports. What is started is a process of its own, which runs
the command from its arguments on; `kill -9` hits it as it would hit any other.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.daemon_process import DaemonProcess, Process


class Nursery:
    """The process that forks; ends with the block."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=20)

    def fork(self, arguments: Sequence[str], folder: Path, log: Path) -> "Forked":
        """Start `pgwatch` with `arguments` in `folder`."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        wanted = {"arguments": list(arguments), "folder": str(folder), "log": str(log)}
        print(json.dumps(wanted), file=self._server.stdin, flush=True)
        return Forked(int(self._server.stdout.readline()))


class Forked:
    """A process that is not our child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return 0  # its status went to the process that forked
        return None

    def wait(self, timeout: float | None = None) -> int:
        ends = time.monotonic() + (timeout or 60)
        while (status := self.poll()) is None:
            assert time.monotonic() < ends, f"process {self.pid} does not end"
            time.sleep(0.002)
        return status

    def send_signal(self, sig: int) -> None:
        os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class ForkedDaemon(DaemonProcess):
    """A daemon that a nursery starts; each tenth time, the command is started as usual."""

    def __init__(self, nursery: Nursery, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self._nursery = nursery
        self._starts = 0

    def _spawn(self, arguments: Sequence[str]) -> Process:
        self._starts += 1
        if self._starts % 10 == 0:
            return super()._spawn(arguments)
        return self._nursery.fork(arguments, self.folder, self.log_file)


def _serve() -> None:
    # What a daemon would import, some of it late.
    import sqlite3  # noqa: F401, PLC0415

    import pgwatch.cli.run  # noqa: PLC0415
    import pgwatch.config.alertmanager  # noqa: PLC0415
    import pgwatch.config.load  # noqa: PLC0415
    import pgwatch.daemon.main  # noqa: F401, PLC0415
    from pgwatch.cli.main import main  # noqa: PLC0415

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for line in sys.stdin:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become_daemon(Path(wanted["folder"]), Path(wanted["log"]))
            sys.exit(main(wanted["arguments"]))
        print(pid, flush=True)


def _become_daemon(folder: Path, log: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("PG", "STATE_DIRECTORY"))]:
        del os.environ[name]
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(written, 1)
    os.dup2(written, 2)


if __name__ == "__main__":
    _serve()
