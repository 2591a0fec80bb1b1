"""From a commit to the webhook's arrival, beside postgres_exporter, Prometheus and Alertmanager."""

import contextlib
import os
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg

from bench import profile, stack
from bench.stack import Hooks, Rhythm
from pgwatch.demo.server import LocalServer

ROUNDS = 12
_QUICK = Rhythm(
    name="all at 1 s, group_wait 0", poll=1, evaluation=1, group_wait=0, group_interval=1
)
# Prometheus's and Alertmanager's defaults: 1 m, 1 m, 30 s, 5 m.
_DEFAULTS = Rhythm(name="the defaults", poll=60, evaluation=60, group_wait=30, group_interval=300)
_SCALED = Rhythm(
    name="the defaults, 20 times as fast", poll=3, evaluation=3, group_wait=1.5, group_interval=15
)
_EXPR = "fault_there > 0"
_QUERY = """/*
help: The rows that should not be there
interval: 1s
timeout: 900ms
metrics:
  fault_there: {type: gauge, value: there, labels: [id], help: 1 for each that should not be}
*/
SELECT id, there
FROM public.fault;
"""
_EXPORTED = """fault:
  query: "SELECT id, there FROM public.fault"
  metrics:
    - id: {usage: "LABEL", description: "Which"}
    - there: {usage: "GAUGE", description: "1 for each that should not be"}
"""


def measure(server: LocalServer) -> list[tuple[str, str, str]]:
    """Return rows (what, figures, ratio); `BENCH_DEFAULTS=1` adds a round at the defaults: 10 minutes."""
    if missing := stack.missing():
        return [("commit to webhook", f"not installed: {', '.join(missing)}", "-")]
    with psycopg.connect(server.dsn("bench"), autocommit=True) as session:
        session.execute("CREATE TABLE public.fault (id int, there int)")
        session.execute("INSERT INTO public.fault VALUES (0, 0)")
        session.execute(f"GRANT SELECT ON public.fault TO {profile.ROLE}")
        rows = _measured(server, session, _QUICK, ROUNDS)
        rows += _measured(server, session, _SCALED, ROUNDS * 2 // 3)
        if os.environ.get("BENCH_DEFAULTS"):
            rows += _measured(server, session, _DEFAULTS, 1)
    return rows


def _measured(
    server: LocalServer,
    session: psycopg.Connection[tuple[object, ...]],
    rhythm: Rhythm,
    rounds: int,
) -> list[tuple[str, str, str]]:
    taken: dict[tuple[str, str], list[float]] = {}
    # At any phase of every clock, each as often as the others: a group's next message waits for its interval.
    phases = [(number + 0.5) / rounds for number in range(rounds)]
    chance = random.Random(7)
    moments = {one: chance.sample(phases, rounds) for one in ("firing", "resolved")}
    limit = 30 + 3 * (rhythm.poll + rhythm.evaluation + rhythm.group_wait + rhythm.group_interval)
    with _both(server, rhythm) as hooks:
        for number in range(1, rounds + 1):
            # Another row each time: what comes and goes would be folded as flapping.
            for status, change in (
                ("firing", f"INSERT INTO public.fault VALUES ({number}, 1)"),
                ("resolved", f"DELETE FROM public.fault WHERE id = {number}"),
            ):
                longest = max(rhythm.poll, rhythm.group_interval if status == "resolved" else 0)
                time.sleep(moments[status][number - 1] * longest)
                since = len(hooks.arrivals)
                session.execute(change)
                began = time.monotonic()
                for sender in ("pgwatch", "peers"):
                    arrival = hooks.wait(sender, status, since=since, limit=limit)
                    taken.setdefault((sender, status), []).append(arrival.at - began)
    return [_row(rhythm, status, taken, rounds) for status in ("firing", "resolved")]


@contextlib.contextmanager
def _both(server: LocalServer, rhythm: Rhythm) -> Iterator[Hooks]:
    """Run both sides; returns when each has measured the table once."""
    dsn = profile.dsn(server)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as started:
        folders = {each: Path(name) / each for each in ("pgwatch", "exporter", "prometheus", "am")}
        for folder in folders.values():
            folder.mkdir()
        hooks = started.enter_context(Hooks())
        ours, _ = started.enter_context(
            stack.pgwatch(
                folders["pgwatch"], dsn, rhythm, expr=_EXPR, query=_QUERY, url=hooks.url("pgwatch")
            )
        )
        scraped = started.enter_context(stack.exporter(folders["exporter"], dsn, _EXPORTED))
        am, _ = started.enter_context(stack.alertmanager(folders["am"], rhythm, hooks.url("peers")))
        theirs = started.enter_context(
            stack.prometheus(
                folders["prometheus"], rhythm, expr=_EXPR, scraped=scraped, alertmanager=am
            )
        )
        for url in (ours, theirs):
            stack.until(partial(_knows, url), f"{url} has measured", 30 + 3 * rhythm.poll)
        yield hooks


def _knows(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/api/v1/query?query=fault_there") as answer:
        return b'"value"' in answer.read()


def _row(
    rhythm: Rhythm, status: str, taken: dict[tuple[str, str], list[float]], rounds: int
) -> tuple[str, str, str]:
    ours, theirs = taken["pgwatch", status], taken["peers", status]
    a, b = statistics.median(ours), statistics.median(theirs)
    return (
        f"commit to webhook ({status}), {rhythm.name}, beside exporter + Prometheus + Alertmanager,"
        f" median of {rounds} (worst)",
        f"{a:.2f} s ({max(ours):.2f}) : {b:.2f} s ({max(theirs):.2f})",
        f"{b / a:.1f} times faster",
    )
