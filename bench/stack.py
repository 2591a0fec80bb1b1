"""pgwatch, and the peers that do its work together: postgres_exporter, Prometheus and Alertmanager."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from bench import profile
from pgwatch.demo.server import free_port

PEERS = ("prometheus-postgres-exporter", "prometheus", "prometheus-alertmanager")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The settings that both sides have; seconds."""

    name: str
    poll: float
    evaluation: float
    group_wait: float
    group_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A webhook that came."""

    at: float  # time.monotonic()
    path: str  # who sent it: each has an address of its own
    body: Mapping[str, Any]


class Hooks:
    """Takes webhooks and notes when each came."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._came = threading.Condition()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                with hooks._came:
                    arrival = Arrival(at=at, path=self.path, body=json.loads(body))
                    hooks.arrivals.append(arrival)
                    hooks._came.notify_all()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, sender: str) -> str:
        """Return the address that `sender` posts to."""
        return f"http://127.0.0.1:{self._server.server_port}/{sender}"

    def wait(self, sender: str, status: str, *, since: int, limit: float) -> Arrival:
        """Return the first webhook of `sender` with `status` after arrival number `since`."""

        def find() -> Arrival | None:
            return next(
                (
                    one
                    for one in self.arrivals[since:]
                    if (one.path, one.body["status"]) == (f"/{sender}", status)
                ),
                None,
            )

        with self._came:
            if not self._came.wait_for(lambda: find() is not None, limit):
                raise SystemExit(f"bench: {sender} did not tell {status} within {limit:.0f} s")
            found = find()
        assert found is not None
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def missing() -> list[str]:
    """Return the peers that are not installed."""
    return [name for name in PEERS if profile.program(name) is None]


def alertmanager_config(rhythm: Rhythm, url: str, group_by: Sequence[str] = ("alertname",)) -> str:
    """Return the file that both pgwatch and Alertmanager read."""
    route = {
        "receiver": "hook",
        "group_by": list(group_by),
        "group_wait": seconds(rhythm.group_wait),
        "group_interval": seconds(rhythm.group_interval),
        "repeat_interval": "4h",
    }
    receivers = [{"name": "hook", "webhook_configs": [{"url": url}]}]
    return yaml.safe_dump({"route": route, "receivers": receivers})


def rule_file(expr: str, rhythm: Rhythm) -> str:
    """Return the rule file that both pgwatch and Prometheus read."""
    rule = {"alert": "Fault", "expr": expr, "labels": {"severity": "critical"}}
    group = {"name": "bench", "interval": seconds(rhythm.evaluation), "rules": [rule]}
    return yaml.safe_dump({"groups": [group]})


@contextlib.contextmanager
def pgwatch(
    folder: Path,
    dsn: str,
    rhythm: Rhythm,
    *,
    expr: str,
    query: str,
    url: str,
    group_by: Sequence[str] = ("alertname",),
) -> Iterator[tuple[str, int]]:
    """Run the daemon with one query file and one rule; gives its URL and pid once it answers."""
    port = free_port()
    (folder / "queries" / "bench").mkdir(parents=True)
    (folder / "queries" / "bench" / "fault.sql").write_text(query)
    (folder / "rules.yml").write_text(rule_file(expr, rhythm))
    (folder / "am.yml").write_text(alertmanager_config(rhythm, url, group_by))
    settings = {
        "targets": [{"name": "bench", "dsn": dsn, "packs": ["bench"]}],
        "queries": ["queries"],
        "intervals": {"*": seconds(rhythm.poll)},
        "rules": {"builtin": False, "files": ["rules.yml"]},
        "alertmanager_config": "am.yml",
        "web": {"listen": f"127.0.0.1:{port}"},
        "state": str(folder / "state.db"),
    }
    (folder / "pgwatch.yml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "pgwatch", "run", "--config", str(folder / "pgwatch.yml")]
    with running([*command, "--log-level", "error"], folder) as pid:
        yield answering(f"http://127.0.0.1:{port}", "/-/healthy"), pid


@contextlib.contextmanager
def exporter(folder: Path, dsn: str, queries: str) -> Iterator[str]:
    """Run postgres_exporter with one query of its own and nothing else; gives its URL."""
    port = free_port()
    (folder / "queries.yaml").write_text(queries)
    command = [
        str(profile.program(PEERS[0])),
        f"--web.listen-address=127.0.0.1:{port}",
        f"--extend.query-path={folder / 'queries.yaml'}",
        "--disable-default-metrics",
        "--disable-settings-metrics",
        "--log.level=error",
    ]
    with running(command, folder, DATA_SOURCE_NAME=f"{dsn}?sslmode=disable"):
        yield answering(f"http://127.0.0.1:{port}", "/metrics")


@contextlib.contextmanager
def prometheus(
    folder: Path, rhythm: Rhythm, *, expr: str, scraped: str, alertmanager: str
) -> Iterator[str]:
    """Run Prometheus with one rule, scraping one URL; gives its own."""
    port = free_port()
    (folder / "rules.yml").write_text(rule_file(expr, rhythm))
    config = {
        "global": {"scrape_interval": seconds(rhythm.poll), "scrape_timeout": seconds(rhythm.poll)},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_host(alertmanager)]}]}]},
        "scrape_configs": [
            {"job_name": "bench", "static_configs": [{"targets": [_host(scraped)]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        str(profile.program("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with running(command, folder):
        yield answering(f"http://127.0.0.1:{port}", "/-/ready")


@contextlib.contextmanager
def alertmanager(
    folder: Path, rhythm: Rhythm, url: str, group_by: Sequence[str] = ("alertname",)
) -> Iterator[tuple[str, int]]:
    """Run Alertmanager; gives its URL and pid."""
    port = free_port()
    (folder / "alertmanager.yml").write_text(alertmanager_config(rhythm, url, group_by))
    command = [
        str(profile.program("prometheus-alertmanager")),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'am'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    with running(command, folder) as pid:
        yield answering(f"http://127.0.0.1:{port}", "/-/ready"), pid


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path, **env: str) -> Iterator[int]:
    """Run a program in `folder` until the block ends; gives its pid."""
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **env})
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answering(url: str, path: str, limit: float = 60.0) -> str:
    """Return `url` once it answers `path` with success."""
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(url + path, timeout=2) as answer,
        ):
            if answer.status == 200:
                return url
        time.sleep(0.1)
    raise SystemExit(f"bench: {url}{path} does not answer")


def until(condition: Callable[[], bool], what: str, limit: float = 60.0) -> None:
    """Wait until `condition` holds."""
    ends = time.monotonic() + limit
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"bench: {what}: not within {limit:.0f} s")
        time.sleep(0.05)


def seconds(count: float) -> str:
    """Return a duration as all of them read it."""
    return f"{round(count * 1000)}ms"


def _host(url: str) -> str:
    return url.removeprefix("http://")
