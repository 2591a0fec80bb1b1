"""Snapshots of real databases: what is read, what happens to statements over a migration, what is refused."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.capture import capture
from pgwatch.baseline.compare import compare
from pgwatch.baseline.compared import Compared, Limits, State
from pgwatch.baseline.file import render
from pgwatch.baseline.model import NotTimed, Snapshot, Statements, Timing, Untold
from pgwatch.baseline.timing import time_benchmark
from pgwatch.demo.server import LocalServer
from pgwatch.queries.header import parse_query
from pgwatch.targets.connect import open_session
from pgwatch.targets.server_info import Asked
from tests.baselines import baseline
from tests.servers import local_server
from tests.watching import sql, target

SCHEMA = """
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, mood mood DEFAULT 'good' NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users, total numeric(12,2) CHECK (total > 0));
CREATE INDEX orders_user ON orders (user_id);
CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO users SELECT n, n || '@example.org' FROM generate_series(1, 300) AS n;
INSERT INTO orders SELECT n, n, n FROM generate_series(1, 300) AS n;
"""
QUERY = "SELECT * FROM orders WHERE user_id = %s"


def snapshot(dsn: str) -> Snapshot:
    async def read() -> Snapshot:
        session, info = await open_session(target(dsn), prepare=False)
        try:
            return await capture(session, info, target="t1")
        finally:
            await session.close()

    return asyncio.run(read())


def work(dsn: str, times: int = 30) -> None:
    """Run the application's statement so often."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number in range(times):
            connection.execute(QUERY, [number])


def statements(dsn: str) -> Statements:
    found = snapshot(dsn).statements
    assert isinstance(found, Statements)
    return found


def queryids(of: Statements) -> set[str]:
    (one,) = (one for one in of.items if one.text.startswith("SELECT * FROM orders"))
    return {entry.queryid for entry in one.entries}


def since(old: Snapshot, dsn: str) -> dict[str, Compared]:
    return compare(old, snapshot(dsn), limits=Limits(), announced=None)


@pytest.fixture
def shop(any_database: str) -> str:
    sql(any_database, SCHEMA)
    return any_database


@pytest.fixture
def worked(shop: str) -> tuple[str, Snapshot]:
    """A database whose statement was called often enough, and its snapshot."""
    work(shop)
    return shop, snapshot(shop)


def test_everything_is_read_and_told_the_same_twice(shop: str) -> None:
    one, other = snapshot(shop), snapshot(shop)
    assert not any(isinstance(getattr(one, part), Untold) for part in Snapshot.__slots__)
    assert not isinstance(one.objects, Untold)
    assert not isinstance(one.extents, Untold)
    assert not isinstance(one.settings, Untold)
    assert one.settings["work_mem"].value == "4096kB"
    # Some may hold a password, others are our session's own.
    hidden = {"primary_conninfo", "archive_command", "ssl_passphrase_command", "statement_timeout"}
    assert hidden.isdisjoint(one.settings)
    titles = {thing.title: thing.facts for thing in one.objects}
    uses = {thing.title: thing.uses for thing in one.objects}
    assert uses["view public.totals"] == ("public.orders",)
    assert uses["constraint public.orders.orders_user_id_fkey"] == ("public.users",)
    assert titles["column public.users.mood"]["default"] == "'good'::mood"
    assert titles["constraint public.orders.orders_total_check"]["validated"] == "yes"
    assert titles["type public.mood"]["values"] == "good, bad"
    assert {
        "table public.users",
        "index public.orders_user",
        "view public.totals",
        "function public.touch()",
        "trigger public.orders.touched",
        "constraint public.users.users_email_key",
        "extension pg_stat_statements",
        "schema public",
    } <= titles.keys()
    assert not any("pg_stat_statements" in title and "extension" not in title for title in titles)
    assert [(e.path, e.rows, e.exact) for e in one.extents] == [
        ("public.orders", 300, True),
        ("public.users", 300, True),
    ]
    alike = replace(other, taken=one.taken, health=one.health, statements=one.statements)
    assert render(baseline(alike)) == render(baseline(one))


def test_nothing_happened_and_nothing_is_found(worked: tuple[str, Snapshot]) -> None:
    dsn, old = worked
    work(dsn)
    found = since(old, dsn)
    assert {name: (one.state, one.changes) for name, one in found.items()} == dict.fromkeys(
        found, (State.TOLD, ())
    )
    assert found["baseline_statements"].reason == "1 statement compared: 0 faster, 0 slower"


SWAP = """
CREATE TABLE new_orders (LIKE orders INCLUDING ALL);
INSERT INTO new_orders SELECT * FROM orders;
ALTER TABLE orders RENAME TO old_orders;
ALTER TABLE new_orders RENAME TO orders;
"""


@pytest.mark.parametrize(
    ("migration", "changes_on"),
    [
        pytest.param(
            "ALTER TABLE orders ADD COLUMN note text", {15, 16, 17, 18}, id="column added"
        ),
        pytest.param("ALTER TABLE orders ALTER total TYPE numeric(14,2)", set(), id="type"),
        pytest.param(SWAP, {15, 16, 17}, id="table swapped"),
    ],
)
def test_statement_is_the_same_whatever_its_queryid(
    worked: tuple[str, Snapshot], migration: str, changes_on: set[int]
) -> None:
    dsn, old = worked
    sql(dsn, "DROP VIEW totals")
    sql(dsn, migration)
    work(dsn)
    assert isinstance(old.statements, Statements)
    changed = queryids(statements(dsn)) != queryids(old.statements)
    assert changed is (old.server.version_num // 10_000 in changes_on)
    told = since(old, dsn)["baseline_statements"]
    assert (told.state, told.reason) == (
        State.TOLD,
        "1 statement compared: 0 faster, 0 slower",
    )


def test_slower_statement_is_found(worked: tuple[str, Snapshot]) -> None:
    dsn, old = worked
    sql(dsn, "ALTER TABLE orders RENAME TO stored")
    sql(
        dsn,
        "CREATE VIEW orders AS SELECT stored.* FROM stored, (SELECT pg_sleep(0.02) OFFSET 0) AS nap",
    )
    work(dsn)
    (change,) = since(old, dsn)["baseline_statements"].changes
    assert "SELECT * FROM orders WHERE user_id = $1" in change.summary


def reset_all(dsn: str) -> None:
    sql(dsn, "SELECT pg_stat_statements_reset()")


def reset_of_this_database(dsn: str) -> None:
    sql(
        dsn,
        "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()",
    )


PARTITIONED = """
CREATE TABLE events (id serial, at date NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
CREATE INDEX events_at ON events (at);
CREATE TRIGGER seen BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION touch();
"""
LOSSES = [
    ("DROP TABLE events", ["table public.events is gone"]),
    ("DROP INDEX events_at", ["index public.events_at is gone"]),
    ("DROP TRIGGER seen ON events", ["trigger public.events.seen is gone"]),
    ("ALTER TABLE events DROP COLUMN note", ["column public.events.note is gone"]),
    (
        "ALTER TABLE events ALTER note TYPE varchar(9)",
        ["column public.events.note: type was text, is character varying(9)"],
    ),
    ("ALTER TABLE events DROP COLUMN id", ["column public.events.id is gone"]),
    (
        "DROP TABLE users CASCADE",
        ["constraint public.orders.orders_user_id_fkey is gone", "table public.users is gone"],
    ),
]


@pytest.mark.parametrize(("migration", "expected"), LOSSES, ids=[loss[0] for loss in LOSSES])
def test_loss_is_told_once_and_explained_by_its_migration(
    database: str, migration: str, expected: list[str]
) -> None:
    sql(database, SCHEMA)
    sql(database, PARTITIONED)
    old = snapshot(database)
    sql(database, migration)
    assert (
        sorted(one.summary for one in since(old, database)["baseline_objects"].changes) == expected
    )
    announced = Announced([migration])
    found = compare(old, snapshot(database), limits=Limits(), announced=announced)
    assert found["baseline_objects"].changes == ()


@pytest.mark.parametrize(
    ("reset", "reason"),
    [
        (reset_all, "pg_stat_statements was reset at"),
        (reset_of_this_database, "statements of the baseline are gone or began anew"),
    ],
)
def test_reset_makes_statements_unknown(
    worked: tuple[str, Snapshot], reset: Callable[[str], None], reason: str
) -> None:
    dsn, old = worked
    reset(dsn)
    work(dsn, times=90)
    found = since(old, dsn)
    for name in ("baseline_statements", "baseline_performance"):
        assert found[name].state is State.UNKNOWN
        assert reason in found[name].reason
    assert found["baseline_objects"].state is State.TOLD


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"], scope="module")
def small(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    """A server that keeps 100 statements."""
    settings = {
        "shared_preload_libraries": "pg_stat_statements",
        "pg_stat_statements.max": "100",
    }
    with local_server(request.param, settings) as server:
        sql(server.dsn(), SCHEMA)
        yield server


def test_eviction_makes_statements_unknown_and_another_cluster_all(
    small: LocalServer, server: LocalServer
) -> None:
    dsn = small.dsn()
    work(dsn)
    old = snapshot(dsn)
    for number in range(150):
        sql(dsn, f"SELECT {', '.join('1' * (number + 1))}")
    found = since(old, dsn)["baseline_performance"]
    assert found.state is State.UNKNOWN
    assert "threw statements away" in found.reason

    elsewhere = compare(old, snapshot(server.dsn()), limits=Limits(), announced=None)
    assert {one.state for one in elsewhere.values()} == {State.UNKNOWN}
    assert "of another cluster: its system identifier is" in elsewhere["baseline_rows"].reason


@pytest.fixture
def weak(shop: str, any_server: LocalServer) -> Iterator[str]:
    """The database as a role sees it that has no rights but to connect."""
    sql(shop, "CREATE ROLE weak LOGIN PASSWORD 'weak'")
    yield any_server.dsn(shop.rpartition("/")[2], user="weak", password="weak")
    sql(shop, "DROP ROLE weak")


def test_role_without_rights_gets_unknown_and_the_grant(shop: str, weak: str) -> None:
    work(shop)
    old, now = snapshot(shop), snapshot(weak)
    assert now.statements == Untold(
        unknown="role weak is not a member of pg_read_all_stats",
        cure='GRANT pg_read_all_stats TO "weak";',
    )
    found = compare(old, now, limits=Limits(), announced=None)
    assert found["baseline_statements"].state is State.UNKNOWN
    assert found["baseline_performance"].cure == 'GRANT pg_read_all_stats TO "weak";'
    assert found["baseline_health"].state is State.UNKNOWN
    assert "replication lag: our role may not see it" in found["baseline_health"].reason
    assert found["baseline_objects"].changes == ()  # the catalogue is everyone's
    assert found["baseline_rows"].changes == ()


def test_locked_table_makes_its_part_unknown(worked: tuple[str, Snapshot]) -> None:
    dsn, old = worked
    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        now = snapshot(dsn)
    assert isinstance(now.objects, Untold)
    assert "lock timeout" in now.objects.unknown
    assert not isinstance(now.extents, Untold)
    assert not any(one.exact for one in now.extents)  # estimates need no lock
    found = compare(old, now, limits=Limits(), announced=None)
    assert found["baseline_objects"].state is State.UNKNOWN
    assert found["baseline_statements"].state is not State.UNKNOWN


SECRET = "hunter2"
SECRETS = f"""
CREATE ROLE keeper PASSWORD '{SECRET}';
ALTER ROLE keeper PASSWORD '{SECRET}';
DROP ROLE keeper;
SET app.key = '{SECRET}';
SELECT '{SECRET}' AS token;
SELECT $${SECRET}$$ /* {SECRET} */;
CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE '{SECRET}'; END $$;
CREATE TRIGGER hook AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch('Bearer {SECRET}');
CREATE VIEW hidden AS SELECT '{SECRET}' AS token;
"""


def test_no_secret_is_kept(shop: str) -> None:
    for statement in filter(str.strip, SECRETS.split(";\n")):
        sql(shop, statement)
    with psycopg.connect(shop, autocommit=True) as connection:
        (seen,) = connection.execute(
            "SELECT count(*) FROM pg_stat_statements WHERE query LIKE %s", [f"%{SECRET}%"]
        ).fetchone() or (0,)
    assert seen  # the server itself keeps it
    assert SECRET not in render(baseline(snapshot(shop)))


# Benchmarks

HEADER = "/*\nhelp: h\nkind: benchmark\nlimit: {limit}\nruns: 5\n{more}\n*/\n"


def timed(dsn: str, statement: str, *, limit: str = "1s", more: str = "") -> Timing | NotTimed:
    text = HEADER.format(limit=limit, more=more) + statement
    query = parse_query(text, name="app/benchmark_x", path=Path("x.sql"))

    async def measure() -> Timing | NotTimed:
        asked = Asked(relations=frozenset(query.requires.relations))
        session, info = await open_session(target(dsn), asked=asked, prepare=False)
        try:
            return await time_benchmark(session, info, query)
        finally:
            await session.run("SELECT 1", limit=timedelta(seconds=1))  # it can still be used
            await session.close()

    return asyncio.run(measure())


def test_benchmark_has_timings_and_a_plan(shop: str) -> None:
    found = timed(shop, "SELECT pg_sleep(0.01), email FROM users WHERE id = 1;")
    assert isinstance(found, Timing)
    assert (found.runs, found.limit_seconds) == (5, 1.0)
    assert 0.01 <= found.p50_seconds <= found.p95_seconds < 1
    assert found.plan == ("Index Scan using users_pkey on users",)


def test_benchmark_changes_nothing(shop: str) -> None:
    sql(shop, "CREATE SEQUENCE numbers")
    refused = timed(shop, "SELECT nextval('numbers');")
    assert isinstance(refused, NotTimed)
    assert "read-only transaction" in refused.reason
    assert refused.applies


def test_benchmark_that_cannot_be_timed(shop: str, weak: str) -> None:
    absent = timed(shop, "SELECT 1 FROM nothing;", more="requires: {relation: public.nothing}")
    assert isinstance(absent, NotTimed)
    assert not absent.applies
    denied = timed(weak, "SELECT id FROM public.users;")
    assert isinstance(denied, NotTimed)
    assert (denied.applies, denied.cure) == (True, "GRANT SELECT ON public.users TO weak;")
    slow = timed(shop, "SELECT pg_sleep(9);", limit="10ms", more="timeout: 100ms")
    assert isinstance(slow, NotTimed)
    assert slow.too_slow
    assert slow.reason == "a run took longer than its timeout of 100ms"


def test_benchmark_that_is_wrong_names_its_line(shop: str) -> None:
    wrong = timed(shop, "SELECT\n  gone FROM users;")
    assert isinstance(wrong, NotTimed)
    assert wrong.reason == 'column "gone" does not exist (x.sql:9)'


def test_benchmark_that_meets_a_lock_names_who_holds_it(shop: str) -> None:
    with psycopg.connect(shop) as other:
        other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        met = timed(shop, "SELECT id FROM public.users;")
        pid = other.info.backend_pid
    assert isinstance(met, NotTimed)
    assert met.reason == (
        f"no lock within 100ms: process {pid} holds ACCESS EXCLUSIVE on public.users"
    )
