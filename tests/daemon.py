"""The real daemon as a process of its own, for tests that speak to it over HTTP."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from pgwatch.demo.server import free_port


@dataclass(frozen=True, kw_only=True)
class RunningDaemon:
    """A daemon that answers."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_daemon(settings: Mapping[str, Any], folder: Path) -> Iterator[RunningDaemon]:
    """Run `pgwatch run` with `settings` (state and port are added); it is ready when this gives it."""
    port = free_port()
    config, log = folder / "pgwatch.yml", folder / "pgwatch.log"
    config.write_text(
        yaml.safe_dump(
            {
                **settings,
                "web": {"listen": f"127.0.0.1:{port}"},
                "state": str(folder / "state.db"),
            }
        )
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pgwatch", "run", "--config", str(config)], stderr=output
        )
    daemon = RunningDaemon(url=f"http://127.0.0.1:{port}", process=process, log=log)
    try:
        _wait_until_ready(daemon)
        yield daemon
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(daemon: RunningDaemon, seconds: float = 60) -> None:
    end, said = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        assert daemon.process.poll() is None, daemon.log.read_text()
        try:
            answer = requests.get(f"{daemon.url}/-/ready", timeout=5)
        except requests.ConnectionError:
            pass
        else:
            if answer.ok:
                return
            said = answer.text
        time.sleep(0.1)
    raise AssertionError(f"not ready after {seconds} s: {said}\n{daemon.log.read_text()}")
