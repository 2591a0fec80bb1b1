"""A real Prometheus for a test, on loopback, with its data in a folder of its own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from pgwatch.demo.server import free_port
from tests.servers import missing_peer


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    log: Path

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the vector that `expr` gives now."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=10).json()
        assert answer["status"] == "success", f"{expr}: {answer['error']}"
        assert answer["data"]["resultType"] == "vector"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def wait_for(self, expr: str, seconds: float = 30) -> list[dict[str, Any]]:
        """Return what `expr` gives as soon as it gives anything."""
        deadline = time.monotonic() + seconds
        while not (result := self.query(expr)):
            assert time.monotonic() < deadline, (
                f"{expr} has no data; {self.log.read_text()[-2000:]}"
            )
            time.sleep(0.2)
        return result


@contextmanager
def running_prometheus(config: str, folder: Path) -> Iterator[Prometheus]:
    """Run Prometheus with the configuration file `config`; skips, or fails in CI, without it."""
    if (program := shutil.which("prometheus")) is None:
        missing_peer("prometheus")
    port = free_port()
    (folder / "prometheus.yml").write_text(config)
    log = folder / "prometheus.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        prometheus = Prometheus(url=f"http://127.0.0.1:{port}", log=log)
        _await_ready(prometheus, process)
        yield prometheus
    finally:
        process.terminate()
        process.wait(20)


def _await_ready(prometheus: Prometheus, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{prometheus.url}/-/ready", timeout=1).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Prometheus did not start: {prometheus.log.read_text()[-2000:]}")
