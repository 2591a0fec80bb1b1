"""`kill -9` again and again in a storm of alerts, with receivers that refuse, hang and hang up."""

import json
import os
import random
import sqlite3
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
import requests

from tests.daemon_process import DaemonProcess, until
from tests.forking import ForkedDaemon, Nursery
from tests.receivers import Answer, HttpReceiver
from tests.storm import TABLE, Storm, write_configuration
from tests.storm_verdict import Saved, Verdict, judge, told

KILLS = int(os.environ.get("CHAOS", "5"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
_BAD = {
    "calm": Answer(),
    "busy": Answer(status=429, headers={"Retry-After": "1"}),
    "broken": Answer(status=500),
    "hanging": Answer(status=503, delay=1.5),  # the webhook's timeout is 1 s
    "closing": Answer(hang_up=True),
}


@contextmanager
def receivers(chance: random.Random) -> Iterator[dict[str, HttpReceiver]]:
    """One of each kind; all but the calm one do their worst now and then."""
    with ExitStack() as stack:
        made = {}
        for name, bad in _BAD.items():

            def moody(bad: Answer = bad) -> Answer:
                return bad if chance.random() < 0.3 else Answer()

            made[name] = stack.enter_context(HttpReceiver(then=moody))
        yield made


class Killer:
    """Chooses an instant, by what the daemon is doing, and kills it then."""

    def __init__(
        self, daemon: DaemonProcess, everyone: Mapping[str, HttpReceiver], chance: random.Random
    ) -> None:
        self.instants = Counter[str]()
        self._daemon = daemon
        self._everyone = everyone
        self._chance = chance
        self._start_up = 1.0  # seconds a start takes

    def strike(self) -> None:
        """Wait for the instant, and kill."""
        instants = {
            "startup": self._starting,
            "any time": self._running,
            "delivery": self._delivering,
            "state write": self._writing,
        }
        name = self._chance.choice(list(instants))
        if name != "startup":
            began = time.monotonic()
            until(self._answers, "the daemon answers", seconds=60, log=self._daemon)
            self._start_up = time.monotonic() - began
        instants[name]()
        self._daemon.kill()
        self.instants[name] += 1

    def _answers(self) -> bool:
        assert self._daemon.process is not None
        assert self._daemon.process.poll() is None, "the daemon has ended by itself"
        try:
            return self._daemon.get("/-/healthy").status_code > 0
        except requests.ConnectionError:
            return False

    def _starting(self) -> None:
        time.sleep(self._chance.uniform(0, 1.2 * self._start_up))

    def _running(self) -> None:
        time.sleep(self._chance.uniform(0, 1.0))

    def _delivering(self) -> None:
        before = self._requests()
        self._soon(lambda: self._requests() > before)
        time.sleep(self._chance.uniform(0, 0.02))

    def _writing(self) -> None:
        log = self._daemon.state.with_name(self._daemon.state.name + "-wal")
        before = log.stat().st_mtime_ns
        self._soon(lambda: log.stat().st_mtime_ns != before)
        time.sleep(self._chance.uniform(0, 0.005))

    def _requests(self) -> int:
        return sum(len(one.requests) for one in self._everyone.values())

    def _soon(self, condition: Callable[[], bool]) -> None:
        ends = time.monotonic() + 1.5
        while not condition() and time.monotonic() < ends:
            time.sleep(0.001)


def read_state(file: Path) -> Saved:
    """Return what the next start will find."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",), (
            "the state is damaged"
        )
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alert'").fetchone():
            return Saved(evaluated_at=None, alerts={})
        (at,) = connection.execute(
            "SELECT max(value) FROM meta WHERE key = 'evaluated_at'"
        ).fetchone()
        bodies = [json.loads(text) for (text,) in connection.execute("SELECT body FROM alert")]
    return Saved(
        evaluated_at=datetime.fromisoformat(at) if at else None,
        alerts={body["labels"]["incident"]: body for body in bodies},
    )


def waiting(file: Path) -> int:
    """Return how many messages are not delivered."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        query = "SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending')"
        return int(connection.execute(query).fetchone()[0])


@pytest.mark.timeout(120 + 6 * KILLS)
def test_kill_loop(tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is lost, nothing false is told, and a crash repeats at most one message of a group."""
    chance = random.Random(SEED)
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLE)
    with (
        Nursery() as nursery,
        receivers(random.Random(chance.random())) as everyone,
        ExitStack() as last,
    ):
        urls = {name: one.url for name, one in everyone.items()}
        settings = write_configuration(tmp_path, database, urls)
        daemon = ForkedDaemon(nursery, tmp_path, **settings)
        last.callback(end, daemon)
        killer = Killer(daemon, everyone, chance)
        calm = everyone["calm"]

        def was_heard(name: str) -> bool:
            return any(name in told(request) for request in calm.requests[-500:])

        starts, saved, began = [], [], time.monotonic()
        with Storm(database, was_heard, random.Random(chance.random())) as storm:
            for _ in range(KILLS):
                # With and without what earlier lives have seen: both must not mislead the next.
                daemon.configure(**settings, keep_history=chance.random() < 0.5)
                starts.append(time.time())
                daemon.start(ready=False)
                killer.strike()
                saved.append(read_state(daemon.state))
            took = time.monotonic() - began
            starts.append(time.time())
            with daemon.start():
                storm.end()
                for one in everyone.values():
                    one.then = Answer()
                gone = {one.name for one in storm.incidents}
                until(
                    lambda: ended(calm) >= {n for n in gone if was_told(calm, n)},
                    "all ends are told",
                    seconds=60,
                    log=daemon,
                )
                until(lambda: waiting(daemon.state) == 0, "all is delivered", seconds=90)
            saved.append(read_state(daemon.state))
        heard = {name: one.requests for name, one in everyone.items()}
        verdict = judge(storm.incidents, heard, starts, saved)
    with capsys.disabled():
        print("\n" + figures(verdict, killer.instants, len(storm.incidents), took))
    assert not verdict.problems, failure(verdict, tmp_path)


def end(daemon: DaemonProcess) -> None:
    """Leave no daemon behind, also where a test fails."""
    if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill()


def was_told(receiver: HttpReceiver, name: str) -> bool:
    return any(name in told(request) for request in receiver.requests)


def ended(receiver: HttpReceiver) -> set[str]:
    """Return the incidents whose end a receiver was told."""
    return {
        name
        for request in receiver.requests
        for name, status in told(request).items()
        if status == "resolved"
    }


def figures(verdict: Verdict, instants: Counter[str], incidents: int, took: float) -> str:
    """Return the report, for people."""
    kinds = ", ".join(f"{count} at {name}" for name, count in sorted(instants.items()))
    kills = instants.total()
    return (
        f"chaos, seed {SEED}: {kills} kills ({kinds}) in {took:.0f} s\n"
        f"  incidents {incidents}, announcements accepted {verdict.announcements}"
        f" by {len(_BAD)} receivers, repeats {verdict.repeats}"
        f" ({verdict.repeats / kills:.2f} per kill)\n"
        f"  first message after the later of commit and start: median"
        f" {statistics.median(verdict.delays):.1f} s, worst {max(verdict.delays):.1f} s\n"
        f"  broken promises {len(verdict.problems)}"
    )


def failure(verdict: Verdict, folder: Path) -> str:
    """Return what is wrong and where to look."""
    lines = [f"{len(verdict.problems)} promises broken (again: CHAOS={KILLS} CHAOS_SEED={SEED})"]
    lines += [f"  {problem}" for problem in verdict.problems[:10]]
    lines += [
        f"log of all starts: {folder / 'log'}",
        f"what was decided and delivered: sqlite3 {folder / 'pgwatch.db'}"
        " 'SELECT * FROM event' 'SELECT * FROM outbox'",
    ]
    return "\n".join(lines)
