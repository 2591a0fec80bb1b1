"""Ten thousand alerts at once: time to the first and the last word of them, memory, and who still answers."""

import contextlib
import json
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import profile, stack
from bench.stack import Hooks, Rhythm
from pgwatch.demo.server import LocalServer

ALERTS, GROUPS, BATCH = 10_000, 100, 1_000
_RHYTHM = Rhythm(name="flood", poll=1, evaluation=15, group_wait=1, group_interval=5)
_GROUP_BY = ("service",)
_EXPR = "fault_there > 0"
_QUERY = """/*
help: The rows that should not be there
interval: 1s
timeout: 900ms
max_series: 20000
metrics:
  fault_there: {type: gauge, value: there, labels: [id, service], help: 1 for each}
*/
SELECT id, service, 1 AS there
FROM public.flood
ORDER BY id;
"""
_PAGES = ("/", "/-/healthy", "/metrics", "/api/v2/alerts?filter=service%3D%22s1%22")


def measure(server: LocalServer) -> list[tuple[str, str, str]]:
    """Return rows (what, figures, ratio)."""
    with psycopg.connect(server.dsn("bench"), autocommit=True) as session:
        session.execute("CREATE TABLE public.flood (id int PRIMARY KEY, service text)")
        session.execute(f"GRANT SELECT ON public.flood TO {profile.ROLE}")
        return [*_posted(server), *_observed(server, session)]


def _posted(server: LocalServer) -> list[tuple[str, str, str]]:
    """Post the same alerts to pgwatch and to Alertmanager."""
    if profile.program(stack.PEERS[2]) is None:
        return [("10,000 alerts beside Alertmanager", "not installed", "-")]
    figures = {}
    for sender in ("pgwatch", "peers"):
        with _running(sender, server) as (url, pid, hooks):
            before = _memory(pid)
            began = time.monotonic()
            _post(url)
            first, last = _told(hooks, sender, began)
            figures[sender] = (first, last, before, _memory(pid))
    (a1, a2, a3, a4), (b1, b2, b3, b4) = figures["pgwatch"], figures["peers"]
    what = f"{ALERTS:,} alerts posted at once, {GROUPS} groups, group_wait 1 s, beside Alertmanager"
    return [
        (
            f"{what}: first notification (last)",
            f"{a1:.2f} s ({a2:.1f}) : {b1:.2f} s ({b2:.1f})",
            f"{a1 / b1:.2f} times its time",
        ),
        (
            f"{what}: memory (before)",
            f"{a4:.0f} MB ({a3:.0f}) : {b4:.0f} MB ({b3:.0f})",
            f"{a4 / b4:.1f} times its memory",
        ),
    ]


def _observed(
    server: LocalServer, session: psycopg.Connection[tuple[object, ...]]
) -> list[tuple[str, str, str]]:
    """Let as many rows appear in a table, and go again."""
    with _running("pgwatch", server) as (url, pid, hooks):
        before = _memory(pid)
        with _Visitor(url) as visitor:
            session.execute(
                f"INSERT INTO public.flood SELECT i, 's' || i % {GROUPS}"
                f" FROM generate_series(1, {ALERTS}) i"
            )
            first, last = _told(hooks, "pgwatch", time.monotonic())
            session.execute("DELETE FROM public.flood")
            began = time.monotonic()
            stack.until(lambda: _resolved(hooks) == ALERTS, "all ends are told")
            ended = time.monotonic() - began
        after = _memory(pid)
    return [
        (
            f"{ALERTS:,} rows that fire at once: commit to the first notification (last, all ends)",
            f"{first:.1f} s ({last:.1f}, {ended:.1f})",
            f"slowest page meanwhile {visitor.slowest:.2f} s",
        ),
        (
            f"{ALERTS:,} rows that fire at once: memory (before)",
            f"{after:.0f} MB ({before:.0f})",
            f"{(after - before) * 1024 / ALERTS:.1f} kB an alert",
        ),
    ]


@contextlib.contextmanager
def _running(sender: str, server: LocalServer) -> Iterator[tuple[str, int, Hooks]]:
    """Run one side; gives its URL and pid, and who hears from it."""
    with tempfile.TemporaryDirectory() as name, Hooks() as hooks:
        folder, url = Path(name), hooks.url(sender)
        if sender == "peers":
            side = stack.alertmanager(folder, _RHYTHM, url, _GROUP_BY)
        else:
            dsn = profile.dsn(server)
            side = stack.pgwatch(
                folder, dsn, _RHYTHM, expr=_EXPR, query=_QUERY, url=url, group_by=_GROUP_BY
            )
        with side as (address, pid):
            yield address, pid, hooks


def _post(url: str) -> None:
    for start in range(0, ALERTS, BATCH):
        alerts = [
            {
                "labels": {
                    "alertname": "Fault",
                    "severity": "critical",
                    "id": str(number),
                    "service": f"s{number % GROUPS}",
                },
                "annotations": {"summary": f"Row {number} should not be there"},
            }
            for number in range(start, start + BATCH)
        ]
        request = urllib.request.Request(
            f"{url}/api/v2/alerts",
            json.dumps(alerts).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60):
            pass


def _told(hooks: Hooks, sender: str, began: float) -> tuple[float, float]:
    """Return the seconds until the first webhook, and until all alerts were told."""
    told: set[str] = set()
    seen = 0

    def all_told() -> bool:
        nonlocal seen
        for arrival in hooks.arrivals[seen:]:
            seen += 1
            told.update(one["labels"]["id"] for one in arrival.body["alerts"])
        return len(told) >= ALERTS

    stack.until(all_told, f"{sender} tells all of {ALERTS} alerts", 120)
    return hooks.arrivals[0].at - began, hooks.arrivals[-1].at - began


def _resolved(hooks: Hooks) -> int:
    return len(
        {
            one["labels"]["id"]
            for arrival in list(hooks.arrivals)
            for one in arrival.body["alerts"]
            if one["status"] == "resolved"
        }
    )


def _memory(pid: int) -> float:
    """Return the peak of resident memory in MB (Linux: proc(5), VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"bench: no VmHWM of process {pid}")


class _Visitor:
    """Asks for pages again and again, and notes the slowest answer."""

    def __init__(self, url: str) -> None:
        self.slowest = 0.0
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._visit)

    def __enter__(self) -> "_Visitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _visit(self) -> None:
        while not self._over.is_set():
            for page in _PAGES:
                began = time.monotonic()
                with urllib.request.urlopen(self._url + page, timeout=60) as answer:
                    answer.read()
                self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(0.5)
