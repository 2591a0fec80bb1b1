"""`pgwatch run` as a process of its own: started, asked, killed and started again by a test."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import requests
import yaml

from pgwatch.demo.server import free_port

# As short as a test can wait for, and no shorter than a busy machine keeps up with.
QUICK: Mapping[str, Any] = {
    "intervals": {"*": "1s"},
    "evaluation_interval": "1s",
}


class Process(Protocol):
    """What `subprocess.Popen` offers of a process that runs."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


class DaemonProcess:
    """One folder with configuration, state and log; the process may come and go."""

    def __init__(self, folder: Path, *, prefix: str = "", **settings: Any) -> None:
        self.folder = folder
        self.prefix = prefix  # of all paths
        self.port = free_port()
        self.config = folder / "pgwatch.yml"
        self.state = folder / "pgwatch.db"
        self.log_file = folder / "log"
        self.process: Process | None = None
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        """Write pgwatch.yml: QUICK, `settings`, and where this daemon listens and keeps its state."""
        web = {"listen": f"127.0.0.1:{self.port}", "route_prefix": self.prefix}
        own = {"web": web, "state": str(self.state)}
        self.config.write_text(yaml.safe_dump({**QUICK, **own, **settings}))

    def start(self, *arguments: str, ready: bool = True) -> Self:
        """Start the process, and wait until it answers."""
        self.process = self._spawn(["run", "--config", str(self.config), *arguments])
        if ready:
            until(self._answers, "the daemon answers", log=self)
        return self

    def _spawn(self, arguments: Sequence[str]) -> Process:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "STATE_DIRECTORY"))}
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pgwatch", *arguments],
                cwd=self.folder,
                env=clean,
                stderr=log,
                stdout=log,
            )

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.get("/-/healthy").ok
        except requests.ConnectionError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, seconds: float = 15) -> int:
        """Wait for the process's end; returns its exit status, negative for a signal."""
        assert self.process is not None
        return self.process.wait(seconds)

    def kill(self) -> None:
        """`kill -9`."""
        self.signal(signal.SIGKILL)
        self.ended()

    def __enter__(self) -> Self:
        return self if self.process else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if error is not None:
            print(self.log)  # pytest shows it beside the failure

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    # What it answers

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def wait_until_ready(self) -> Self:
        """Wait until every query has run."""
        until(lambda: self.get("/-/ready").ok, "every query has run", seconds=60, log=self)
        return self

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=10)

    def reload(self) -> requests.Response:
        return requests.post(f"{self.url}/-/reload", timeout=20)

    def page(self) -> str:
        return self.get("/").text

    def value(self, series: str) -> float | None:
        """Return the value of `series` (written as on /metrics), None if it is not there."""
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else None

    def up(self, target: str) -> float | None:
        return self.value(f'pg_up{{target="{target}"}}')


def until(
    condition: Callable[[], object],
    what: str,
    *,
    seconds: float = 15,
    log: DaemonProcess | None = None,
) -> None:
    """Wait until `condition` holds, looking at it often; fails, saying `what` was awaited."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"{what}: not within {seconds} s\n{log.log if log else ''}"
        time.sleep(0.05)
