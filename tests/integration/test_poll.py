"""One pass over real servers: what it brings, in which databases, over how many connections."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from pgwatch.collect.outcome import NotApplicable, OutcomeKind, QueryRun, TimedOut, Unreachable
from pgwatch.collect.poll import Polled, poll_once
from pgwatch.collect.worker import Worker
from pgwatch.demo.server import LocalServer, free_port
from pgwatch.queries.query import Query
from pgwatch.targets.target import Target
from tests.watching import SECOND, Heard, ours, query, silent_server, sql, target

ONE = query("SELECT 1 AS value")
PER_SERVER = query("SELECT 2 AS value", name="test/server", scope="cluster")


def poll(where: Target, *queries: Query, deadline: float = 10) -> list[Polled]:
    return asyncio.run(poll_once(where, queries, deadline=deadline * SECOND))


@pytest.fixture
def many(server: LocalServer) -> Iterator[list[str]]:
    """Five databases named many_0 … many_4."""
    names = [f"many_{number}" for number in range(5)]
    for name in names:
        sql(server.dsn(), f"DROP DATABASE IF EXISTS {name}")
        sql(server.dsn(), f"CREATE DATABASE {name}")
    yield names
    for name in names:
        sql(server.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_a_pass_brings_samples_and_up(any_database: str) -> None:
    name = any_database.rpartition("/")[2]
    (polled,) = poll(target(any_database, labels={"env": "x"}), ONE, PER_SERVER)
    assert (polled.target, polled.database, polled.error) == ("t1", name, None)
    assert polled.info is not None
    assert polled.info.database == name
    shown = {
        str(labels): value
        for run in polled.runs
        if run.collected is not None
        for labels, value in zip(run.collected.labels, run.collected.values, strict=True)
    }
    assert shown == {
        'pg_up{env="x", target="t1"}': 1,
        f'test_value{{datname="{name}", env="x", target="t1"}}': 1,
        'test_value{env="x", target="t1"}': 2,
    }
    assert {run.collected.instance for run in polled.runs if run.collected} == {
        any_database.rpartition("@")[2].partition("/")[0]
    }


def test_each_database_is_asked_over_no_more_than_the_cap(
    server: LocalServer, many: list[str]
) -> None:
    counts: list[int] = []
    where = target(server.dsn(), databases=("many_*", "!many_4"), max_connections=2)
    counting = query(
        "SELECT count(*) AS value FROM pg_stat_activity WHERE application_name = 'pgwatch'"
    )

    def progress(run: QueryRun) -> None:
        if run.source.query == counting.name and run.collected is not None:
            counts.append(int(run.collected.values[0]))

    polls = asyncio.run(
        poll_once(where, [counting, PER_SERVER], deadline=10 * SECOND, on_progress=progress)
    )
    assert [polled.database for polled in polls] == ["postgres", *many[:4]]
    assert [run.source.query for run in polls[0].runs] == ["up", "test/server"]
    assert all(polled.info and polled.info.database == polled.database for polled in polls)
    assert all(len(polled.runs) == 1 for polled in polls[1:])
    assert len(counts) == 4
    assert max(counts) == 2
    assert ours(server.dsn()) == 0


def test_an_absent_database_is_an_error_of_its_own(server: LocalServer, database: str) -> None:
    name = database.rpartition("/")[2]
    main, gone, there = poll(target(server.dsn(), databases=(name, "gone")), ONE)
    assert (main.database, gone.database, there.database) == ("postgres", "gone", name)
    assert main.error is None
    assert gone.error is not None
    assert 'database "gone" does not exist' in gone.error
    assert gone.info is None
    assert isinstance(gone.runs[0].outcome, Unreachable)
    assert there.runs[0].outcome.kind is OutcomeKind.ANSWERED


@pytest.mark.parametrize("silent", [True, False])
def test_no_server_is_told_for_every_query(silent: bool) -> None:
    with silent_server() as port:
        started = time.monotonic()
        address = f"postgresql://u:zebra@127.0.0.1:{port if silent else free_port()}/app"
        (polled,) = poll(target(address), ONE, PER_SERVER)
        assert time.monotonic() - started < 2
    assert polled.info is None
    assert polled.error is not None
    assert ("within 1s" if silent else "refused") in polled.error
    up, *others = polled.runs
    assert up.collected is not None
    assert list(up.collected.values) == [0]
    assert {type(run.outcome) for run in others} == {Unreachable}
    assert len(others) == 2
    assert "zebra" not in repr(polled)


def test_what_has_no_turn_before_the_deadline_timed_out(database: str) -> None:
    slow = query("SELECT 1 AS value FROM pg_sleep(5)", name="test/slow", timeout="30s")
    last = query("SELECT 1 AS value", name="test/last", timeout="31s")  # the longest limit
    started = time.monotonic()
    (polled,) = poll(target(database), slow, last, ONE, deadline=0.5)
    assert time.monotonic() - started < 2
    ended = {run.source.query: run.outcome for run in polled.runs}
    assert ended["test/value"].kind is OutcomeKind.ANSWERED
    assert isinstance(ended["test/slow"], TimedOut)
    assert isinstance(ended["test/last"], TimedOut)
    assert "500ms" in ended["test/last"].reason
    assert polled.error is None


def test_a_silent_server_ends_with_the_deadline() -> None:
    with silent_server() as port:
        where = target(f"postgresql://u@127.0.0.1:{port}/app", connect_timeout=30 * SECOND)
        (polled,) = poll(where, ONE, deadline=0.3)
    assert polled.error is not None
    assert "300ms" in polled.error
    assert isinstance(polled.runs[-1].outcome, TimedOut)


def test_a_header_that_does_not_fit_the_answer_fails_alone(database: str) -> None:
    wrong = query("SELECT 'x' AS other", name="test/wrong")
    (polled,) = poll(target(database), wrong, ONE)
    ended = {run.source.query: run.outcome for run in polled.runs}
    assert ended["test/wrong"].kind is OutcomeKind.FAILED
    assert ended["test/value"].kind is OutcomeKind.ANSWERED


def test_an_overrun_is_skipped_and_counted(database: str) -> None:
    slow = query("SELECT 1 AS value FROM pg_sleep(0.3)", name="test/slow")
    heard = Heard()

    async def scenario() -> None:
        worker = Worker(target(database), [slow], heard, once=True)
        work = asyncio.create_task(worker.run())
        await asyncio.sleep(0.1)
        worker.offer([slow])
        worker.offer([slow])
        await heard.until(lambda: heard.outcomes("test/slow"))
        worker.offer([slow])  # not running any more
        await heard.until(lambda: len(heard.outcomes("test/slow")) == 2)
        work.cancel()
        await asyncio.wait({work})
        (count,) = worker.overruns.values()
        assert count == 2

    asyncio.run(scenario())


def test_databases_come_and_go(
    server: LocalServer, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgwatch.collect.worker._DISCOVERY", timedelta(0))
    heard = Heard()

    def of(name: str) -> list[QueryRun]:
        return [run for run in heard.runs if run.source.database == name]

    async def scenario() -> None:
        worker = Worker(target(server.dsn(), databases=("many_[34]",)), [ONE], heard)
        work = asyncio.create_task(worker.run())
        await heard.until(lambda: of("many_3") and of("many_4"))
        sql(server.dsn(), "DROP DATABASE many_4 WITH (FORCE)")
        worker.offer_up()
        await heard.until(lambda: len(of("many_4")) > 1)
        assert isinstance(of("many_4")[-1].outcome, NotApplicable)
        assert worker.databases == ("many_3",)
        sql(server.dsn(), "CREATE DATABASE many_4")
        worker.offer_up()
        await heard.until(lambda: of("many_4")[-1].collected is not None)
        work.cancel()
        await asyncio.wait({work})

    asyncio.run(scenario())


def test_a_target_without_a_database_to_ask_says_so_once(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "no database of the server matches zz*, !app"
    where = target(server.dsn(), databases=("zz*", "!app"))
    (polled,) = poll(where, ONE)
    assert (polled.error, polled.unwatched) == (None, reason)
    (polled,) = poll(where, PER_SERVER)  # which needs none
    assert polled.unwatched == ""
    caplog.clear()
    monkeypatch.setattr("pgwatch.collect.worker._DISCOVERY", timedelta(0))
    heard = Heard()

    async def scenario() -> None:
        worker = Worker(where, [ONE], heard)
        work = asyncio.create_task(worker.run())
        for count in range(1, 4):
            worker.offer_up()
            await heard.until(partial(heard.has_runs, count))
        await worker.work_off()
        assert worker.unwatched == reason
        work.cancel()
        await asyncio.wait({work})

    asyncio.run(scenario())
    (warned,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warned.getMessage() == "target watches no database"
    assert vars(warned)["reason"] == reason


def test_a_table_that_a_migration_brings_is_found(database: str) -> None:
    asked = query(
        "SELECT count(*) AS value FROM public.later",
        name="test/later",
        more="requires: {relation: public.later}",
    )
    heard = Heard()

    async def scenario() -> None:
        worker = Worker(target(database), [asked], heard)
        work = asyncio.create_task(worker.run())
        await heard.until(lambda: heard.outcomes("test/later"))
        absent = heard.outcomes("test/later")[0]
        assert isinstance(absent, NotApplicable)
        assert "public.later does not exist in database" in absent.reason
        sql(database, "CREATE TABLE public.later ()")
        worker.offer_up()  # it reads what the server has now
        worker.offer([asked])
        await heard.until(lambda: len(heard.outcomes("test/later")) == 2)
        assert heard.outcomes("test/later")[1].kind is OutcomeKind.ANSWERED
        work.cancel()
        await asyncio.wait({work})

    asyncio.run(scenario())


def test_a_refused_statement_is_not_repeated_at_every_tick(
    server: LocalServer, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = database.rpartition("/")[2]
    role = f"{name}_role"
    sql(database, f"CREATE ROLE {role} LOGIN PASSWORD 'plain'; CREATE TABLE public.t (id integer)")
    asked = query("SELECT count(*) AS value FROM public.t", name="test/t")
    heard = Heard()

    def last() -> OutcomeKind:
        return heard.outcomes("test/t")[-1].kind

    async def another(worker: Worker) -> None:
        before = len(heard.outcomes("test/t"))
        worker.offer_up()
        worker.offer([asked])
        await heard.until(lambda: len(heard.outcomes("test/t")) > before)

    async def scenario() -> None:
        worker = Worker(target(server.dsn(name, user=role, password="plain")), [asked], heard)
        work = asyncio.create_task(worker.run())
        await heard.until(lambda: heard.outcomes("test/t"))
        assert last() is OutcomeKind.DENIED
        sql(database, f"GRANT SELECT ON public.t TO {role}")
        await another(worker)
        assert last() is OutcomeKind.DENIED  # the server was not asked
        sql(database, f"GRANT pg_monitor TO {role}")  # shows in what the server says of us
        await another(worker)
        assert last() is OutcomeKind.ANSWERED
        work.cancel()
        await asyncio.wait({work})

    try:
        asyncio.run(scenario())
    finally:
        sql(database, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert [record.message for record in caplog.records].count("query has no answer") == 1
