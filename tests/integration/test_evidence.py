"""Evidence from a real database: what an alert finds out at the moment it fires."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.alerts.evidence import Evidence
from pgwatch.alerts.lifecycle import Change, ChangeKind
from pgwatch.cli.main import main
from pgwatch.collect.outcome import Outcome
from pgwatch.collect.worker import Worker
from pgwatch.daemon.evaluating import Outcome as Evaluated
from pgwatch.daemon.evidence import Witness
from pgwatch.queries.catalog import load_catalog
from pgwatch.queries.query import Query
from pgwatch.rules.evidence import EVIDENCE
from pgwatch.samples.labels import Labels
from pgwatch.share import share
from pgwatch.targets.target import Target
from tests.watching import target as target_of

CATALOG = load_catalog([share("queries")])
NOW = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)


@dataclass
class One:
    """The workers of one target called `db`, as the daemon's Polling."""

    worker: Worker

    async def ask(self, target: str, query: Query, database: str) -> Outcome | None:
        return await self.worker.ask(query, database) if target == "db" else None


@contextmanager
def witness(target: Target) -> Iterator[Witness]:
    """A witness whose worker runs in an event loop of its own thread."""
    loop = asyncio.new_event_loop()
    worker = Worker(target, (), lambda run: None)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    working = asyncio.run_coroutine_threadsafe(worker.run(), loop)
    try:
        yield Witness({**CATALOG.queries, **CATALOG.evidence}, One(worker), {}, loop)
    finally:
        working.cancel()
        time.sleep(0.2)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def fired(query: str, **labels: str) -> Evaluated:
    alert = Alert(
        rule="r",
        labels=Labels({"alertname": "A", "target": "db", **labels}),
        annotations={EVIDENCE: query},
        state=AlertState.FIRING,
        value=1.0,
        active_at=NOW,
        fired_at=NOW,
    )
    change = Change(kind=ChangeKind.FIRED, alert=alert)
    return Evaluated(alerts={"r": (alert,)}, changes=[change])


def evidence(outcome: Evaluated) -> Evidence:
    (alert,) = outcome.alerts["r"]
    assert alert.evidence is not None
    return alert.evidence


@pytest.mark.parametrize("name", sorted(CATALOG.evidence))
def test_shipped_evidence_runs_everywhere(any_database: str, name: str) -> None:
    query = CATALOG.evidence[name]
    with closing(psycopg.connect(any_database)) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(query.sql.encode()).fetchall()


def test_blocked_session_shows_who_is_in_its_way(database: str) -> None:
    with (
        closing(psycopg.connect(database)) as holder,
        closing(psycopg.connect(database)) as waiter,
        witness(target_of(database)) as ask,
    ):
        holder.execute("CREATE TABLE held (id integer)")
        holder.commit()
        holder.execute("LOCK TABLE held")
        pid = waiter.info.backend_pid
        waiting = threading.Thread(target=lambda: waiter.execute("SELECT count(*) FROM held"))
        waiting.start()
        with closing(psycopg.connect(database, autocommit=True)) as look:
            asked = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            while look.execute(asked, [pid]).fetchone() is None:
                time.sleep(0.02)
        outcome = fired("core/blocking_statements", pid=str(pid))
        ask.add_to(outcome, NOW)
        holder.rollback()
        waiting.join()
    found = evidence(outcome)
    (row,) = found.rows
    cells = dict(zip(found.columns, row, strict=True))
    assert cells["pid"] == str(pid)
    assert cells["waits_with"] == "SELECT count(*) FROM held"
    assert cells["behind_query"] == "LOCK TABLE held"
    assert cells["behind_state"] == "idle in transaction"


def test_slow_statement_shows_its_text(database: str) -> None:
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(
            "SELECT pg_stat_statements_reset()"
        )  # or slower ones of other tests stand
        connection.execute("SELECT pg_sleep(0.2), 'slow one'")
        row = connection.execute(
            "SELECT queryid::text FROM pg_stat_statements WHERE query LIKE 'SELECT pg_sleep($1)%'"
            " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
        assert row is not None
        outcome = fired("statements/texts", queryid=row[0], datname=connection.info.dbname)
        with witness(target_of(database)) as ask:
            ask.add_to(outcome, NOW)
    found = evidence(outcome)
    ((*_, text),) = found.rows
    assert text == "SELECT pg_sleep($1), $2"
    cells = dict(zip(found.columns, found.rows[0], strict=True))
    assert (cells["calls"], cells["queryid"]) == ("1", row[0])
    assert float(cells["mean_seconds"]) >= 0.2


def test_what_cannot_be_captured_says_why_and_is_quick(database: str) -> None:
    with witness(target_of(database)) as ask:
        for query, labels, note in (
            ("core/nothing", {}, "there is no such query"),
            ("core/running_statements", {"target": "gone"}, "target 'gone' is not watched"),
        ):
            outcome = fired(query, **labels)
            ask.add_to(outcome, NOW)
            assert evidence(outcome).note == note
    dead = target_of("postgresql://nobody@127.0.0.1:9/nothing")
    with witness(dead) as ask:
        outcome = fired("core/running_statements")
        ask.add_to(outcome, NOW)
        assert "refused" in evidence(outcome).note


def test_database_that_does_not_answer_delays_nothing(database: str) -> None:
    slow = replace(CATALOG.evidence["core/running_statements"], sql="SELECT pg_sleep(20) AS x;")
    with witness(target_of(database)) as ask:
        ask._queries = {"slow": replace(slow, timeout=timedelta(seconds=3))}
        begun = time.monotonic()
        outcome = fired("slow")
        ask.add_to(outcome, NOW)
        assert time.monotonic() - begun < 2
    assert evidence(outcome).note == "no answer within 1 s"


def test_evidence_is_run_in_the_terminal(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queries", "list"]) == 0
    assert "core/running_statements" in capsys.readouterr().out
    with closing(psycopg.connect(database)) as other:
        other.execute("SELECT 'evidence'")  # idle in a transaction from now on
        assert main(["queries", "run", "core/running_statements", database]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("datname")
    assert "SELECT 'evidence'" in shown
