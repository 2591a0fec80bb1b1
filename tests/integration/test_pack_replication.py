"""What the packs see of a primary and its standby."""

from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.demo.server import LocalServer
from pgwatch.queries.query import Inapplicable, Query, Runnable, plan
from tests.packs import CATALOG, Connection, collect, collected, connect, found, info_of, run, until
from tests.servers import bin_of
from tests.standby import SLOT, Standby

_CLUSTER = {"shared_preload_libraries": "pg_stat_statements", "wal_level": "logical"}


@pytest.fixture(scope="module", params=[15, 18], ids=lambda version: f"pg{version}")
def standby(request: pytest.FixtureRequest) -> Iterator[Standby]:
    """A standby, caught up; its primary is `standby.primary`."""
    with LocalServer(bin=bin_of(request.param), settings=_CLUSTER) as primary:
        with psycopg.connect(primary.dsn(), autocommit=True) as admin:
            admin.execute("CREATE EXTENSION pg_stat_statements")
            admin.execute("CREATE TABLE t AS SELECT 1 AS id")
        standby = Standby(bin=bin_of(request.param), primary=primary)
        standby.start()
        try:
            with psycopg.connect(primary.dsn(), autocommit=True) as admin:
                admin.execute("INSERT INTO t VALUES (2)")
            standby.catch_up()
            yield standby
        finally:
            standby.stop()


@pytest.fixture
def there(standby: Standby) -> Iterator[Connection]:
    with connect(standby.dsn()) as connection:
        yield connection


@pytest.fixture
def here(standby: Standby) -> Iterator[Connection]:
    with connect(standby.primary.dsn()) as connection:
        yield connection


@pytest.mark.parametrize(
    "query",
    [query for query in CATALOG.queries.values() if query.pack in ("core", "statements")],
    ids=lambda query: query.name,
)
def test_a_query_runs_on_a_standby(there: Connection, query: Query) -> None:
    info = info_of(there)
    planned = plan(query, info)
    if isinstance(planned, Inapplicable):
        assert query.requires.version.bounds or query.requires.settings
        return
    assert isinstance(planned, Runnable), planned
    assert collected(query, info, *run(there, planned.sql)).notes == ()


def test_who_is_the_replica(here: Connection, there: Connection) -> None:
    for connection, expected in ((here, 0), (there, 1)):
        answer = collect(connection, "core/replication")
        assert found(answer, "pg_replication_is_replica") == {(): expected}
        # A WAL page that was sent but ends within a record is not replayed yet: not always 0 there.
        (lag,) = found(answer, "pg_replication_lag_seconds").values()
        assert 0 <= lag <= 60 * expected
    assert found(collect(here, "core/replication"), "pg_replication_receiver_connected") == {}
    answer = collect(there, "core/replication")
    assert found(answer, "pg_replication_receiver_connected") == {(): 1}
    assert found(answer, "pg_replication_replay_paused") == {(): 0}
    assert found(answer, "pg_replication_last_replay_seconds")[()] >= 0


def test_the_primary_s_view_of_its_standby(standby: Standby, here: Connection) -> None:
    standby.catch_up()
    answer = collect(here, "core/standbys")
    behind = found(
        answer,
        "pg_stat_replication_pg_wal_lsn_diff",
        *("application_name", "client_addr", "state", "slot_name"),
    )
    assert set(behind) == {("standby_1", "127.0.0.1", "streaming", SLOT)}
    slots = collect(here, "core/replication_slots")
    assert found(slots, "pg_replication_slots_active", "slot_name", "database") == {(SLOT, ""): 1}
    wal = found(slots, "pg_replication_slots_wal_status", "slot_name", "slot_type", "wal_status")
    assert wal == {(SLOT, "physical", "reserved"): 1}


def test_paused_replay_is_seen_and_lags(
    standby: Standby, here: Connection, there: Connection
) -> None:
    with psycopg.connect(standby.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_wal_replay_pause()")
        try:
            with psycopg.connect(standby.primary.dsn(), autocommit=True) as primary:
                primary.execute("INSERT INTO t SELECT generate_series(1, 1000)")
            until(admin, "SELECT 1 WHERE pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
            answer = collect(there, "core/replication")
            assert found(answer, "pg_replication_replay_paused") == {(): 1}
            assert found(answer, "pg_replication_lag_seconds")[()] > 0
            until(here, "SELECT 1 FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()")
            behind = found(collect(here, "core/standbys"), "pg_stat_replication_pg_wal_lsn_diff")
            assert min(behind.values()) > 0
        finally:
            admin.execute("SELECT pg_wal_replay_resume()")
    standby.catch_up()


def test_a_cut_link_is_seen(standby: Standby, here: Connection, there: Connection) -> None:
    standby.catch_up()
    with psycopg.connect(standby.dsn(), autocommit=True) as admin:
        row = admin.execute("SHOW primary_conninfo").fetchone()
        assert row is not None
        admin.execute("ALTER SYSTEM SET primary_conninfo = ''")
        admin.execute("SELECT pg_reload_conf()")
        try:
            until(admin, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)")
            until(here, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_replication)")
            answer = collect(there, "core/replication")
            assert found(answer, "pg_replication_receiver_connected") == {(): 0}
            slots = collect(here, "core/replication_slots")
            assert found(slots, "pg_replication_slots_active", "slot_name") == {(SLOT,): 0}
            assert (
                found(collect(here, "core/standbys"), "pg_stat_replication_pg_wal_lsn_diff") == {}
            )
        finally:
            admin.execute("ALTER SYSTEM RESET primary_conninfo")
            admin.execute("SELECT pg_reload_conf()")
    standby.catch_up()
