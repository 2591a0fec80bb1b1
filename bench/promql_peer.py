"""The other side of the PromQL figures: Debian's Prometheus with the same samples."""

import contextlib
import http.server
import json
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pgwatch.demo.server import free_port

_CONFIG = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: scraped
  static_configs: [{targets: ['127.0.0.1:%d']}]
"""


def is_installed() -> bool:
    """Return whether Prometheus and promtool are here."""
    return shutil.which("prometheus") is not None and shutil.which("promtool") is not None


@dataclass(frozen=True, slots=True)
class Peer:
    """A running Prometheus, its samples backfilled, and what it scrapes each second."""

    port: int
    pid: int
    born_bytes: int  # its memory before the first scrape

    def seconds(self, query: str, at: int) -> float:
        """Return how long its engine says that it took to evaluate `query`, network apart."""
        answer = self._ask("query", query=query, time=at, stats="all")
        if answer["status"] != "success":
            raise SystemExit(f"bench: Prometheus refused {query}: {answer['error']}")
        return float(answer["data"]["stats"]["timings"]["evalTotalTime"])

    def value(self, query: str) -> float | None:
        """Return the only value of `query` now, None if there is none."""
        found = self._ask("query", query=query)["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def growth_bytes(self) -> float:
        """Return by how much the process has grown between its start and its fifth scrape."""
        end = time.monotonic() + 30
        while (self.value("max(count_over_time(up[1m]))") or 0) < 5 and time.monotonic() < end:
            time.sleep(0.5)
        now = _resident(self.pid)
        return now - self.born_bytes

    def _ask(self, path: str, **parameters: str | float) -> dict[str, Any]:
        encoded = urllib.parse.urlencode(parameters)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{encoded}"
        with urllib.request.urlopen(url, timeout=120) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


@contextlib.contextmanager
def running(lines: Iterable[str], page: bytes, folder: Path) -> Iterator[Peer]:
    """Run Prometheus with the samples `lines` (OpenMetrics), while it scrapes `page`."""
    metrics, data, config = folder / "metrics", folder / "data", folder / "prometheus.yml"
    with metrics.open("w") as file:
        file.writelines(lines)
        file.write("# EOF\n")
    create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(metrics), str(data)]
    subprocess.run(create, check=True, capture_output=True)
    metrics.unlink()
    with _serving(page) as scraped:
        config.write_text(_CONFIG % scraped)
        port = free_port()
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        process = subprocess.Popen(command)
        try:
            _wait_until_ready(port)
            yield Peer(port, process.pid, _resident(process.pid))
        finally:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def _serving(page: bytes) -> Iterator[int]:
    """Serve `page` from memory, as pgwatch does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _resident(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2),
        ):
            return
        time.sleep(0.2)
    raise SystemExit("bench: Prometheus did not become ready")
