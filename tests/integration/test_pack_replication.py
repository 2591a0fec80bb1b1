"""What the packs see of a primary and its standby."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest

from pgwatch.queries.query import Inapplicable, Query, Runnable, plan
from tests.packs import CATALOG, Connection, collect, collected, connect, found, info_of, run, until
from tests.servers import bin_of, local_server
from tests.standby import SLOT, Standby

_CLUSTER = {"shared_preload_libraries": "pg_stat_statements", "wal_level": "logical"}


@pytest.fixture(scope="module", params=[15, 18], ids=lambda version: f"pg{version}")
def standby(request: pytest.FixtureRequest) -> Iterator[Standby]:
    """A standby, caught up; its primary is `standby.primary`."""
    with local_server(request.param, _CLUSTER) as primary:
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


def connected(there: Connection) -> dict[tuple[str, ...], float]:
    return found(collect(there, "core/replication_receiver"), "pg_replication_receiver_connected")


def unread(connection: Connection) -> dict[tuple[str, ...], float]:
    answer = collect(connection, "core/replication_slots")
    return found(answer, "pg_replication_slot_unread_wal_bytes", "slot_name")


def test_who_is_the_replica(here: Connection, there: Connection) -> None:
    for connection, expected in ((here, 0), (there, 1)):
        answer = collect(connection, "core/replication")
        assert found(answer, "pg_replication_is_replica") == {(): expected}
        # A WAL page that was sent but ends within a record is not replayed yet: not always 0 there.
        (lag,) = found(answer, "pg_replication_lag_seconds").values()
        assert 0 <= lag <= 60 * expected
    assert found(collect(here, "core/replication"), "pg_replication_received_lsn_bytes") == {}
    assert connected(there) == {(): 1}
    answer = collect(there, "core/replication")
    assert found(answer, "pg_replication_received_lsn_bytes")[()] > 0
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


@contextlib.contextmanager
def following(standby: Standby, conninfo: str) -> Iterator[None]:
    """While the standby follows `conninfo`, which is added to or replaces where its primary is."""
    with psycopg.connect(standby.dsn(), autocommit=True) as admin:
        row = admin.execute("SHOW primary_conninfo").fetchone()
    assert row is not None
    _follow(standby, f"{row[0]} {conninfo}" if conninfo else "")
    try:
        yield
    finally:
        # RESET would not do: pg_basebackup writes it where ALTER SYSTEM does.
        _follow(standby, row[0])
        with psycopg.connect(standby.primary.dsn(), autocommit=True) as primary:
            until(
                primary, f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND active"
            )
        standby.catch_up()


def _follow(standby: Standby, conninfo: str) -> None:
    quoted = conninfo.replace("'", "''")
    with psycopg.connect(standby.dsn(), autocommit=True) as admin:
        admin.execute(f"ALTER SYSTEM SET primary_conninfo = '{quoted}'".encode())
        admin.execute("SELECT pg_reload_conf()")


def test_a_cut_link_is_seen(standby: Standby, here: Connection, there: Connection) -> None:
    with following(standby, "port=1"):  # where nobody listens
        until(there, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)")
        until(here, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_replication)")
        assert connected(there) == {(): 0}
        slots = collect(here, "core/replication_slots")
        assert found(slots, "pg_replication_slots_active", "slot_name") == {(SLOT,): 0}
        assert set(unread(here)) == {(SLOT,)}
        assert found(collect(here, "core/standbys"), "pg_stat_replication_pg_wal_lsn_diff") == {}


def test_a_standby_that_is_not_meant_to_stream(standby: Standby, there: Connection) -> None:
    with following(standby, ""):
        until(there, "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_wal_receiver)")
        assert connected(there) == {}
        standby.halt()
        standby.launch()
        with connect(standby.dsn()) as fresh:
            answer = collect(fresh, "core/replication")
            assert found(answer, "pg_replication_is_replica") == {(): 1}
            assert found(answer, "pg_replication_received_lsn_bytes") == {}
            assert connected(fresh) == {}


def test_slots_that_hold_back_no_wal_are_no_risk(standby: Standby, here: Connection) -> None:
    until(here, "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'standby_1' AND active")
    with psycopg.connect(standby.primary.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('never_used')")
        admin.execute("SELECT pg_create_physical_replication_slot('reserved', true)")
        try:
            admin.execute("INSERT INTO t VALUES (3)")
            answer = collect(here, "core/replication_slots")
            active = found(answer, "pg_replication_slots_active", "slot_name")
            assert active == {(SLOT,): 1, ("never_used",): 0, ("reserved",): 0}
            assert unread(here).keys() == {("reserved",)}
            assert unread(here)["reserved",] > 0
        finally:
            admin.execute("SELECT pg_drop_replication_slot('never_used')")
            admin.execute("SELECT pg_drop_replication_slot('reserved')")


def test_a_standby_s_copy_of_a_failover_slot_is_no_risk(
    standby: Standby, here: Connection, there: Connection
) -> None:
    if here.info.server_version < 170000:
        pytest.skip("failover slots are new in PostgreSQL 17")
    with psycopg.connect(standby.primary.dsn(), autocommit=True) as primary:
        primary.execute(
            "SELECT pg_create_logical_replication_slot('moved', 'pgoutput', failover => true)"
        )
        try:
            with following(standby, "dbname=postgres"):
                with psycopg.connect(standby.dsn(), autocommit=True) as admin:
                    admin.execute("ALTER SYSTEM SET hot_standby_feedback = on")
                    admin.execute("SELECT pg_reload_conf()")
                    synced(primary, admin)
                answer = collect(there, "core/replication_slots")
                assert found(answer, "pg_replication_slots_active", "slot_name") == {("moved",): 0}
                assert unread(there) == {}
                assert ("moved",) in unread(here)
        finally:
            primary.execute("SELECT pg_drop_replication_slot('moved')")


def synced(primary: Connection, standby: Connection) -> None:
    """Copy the failover slots to the standby; it takes a moment until it has the WAL for them."""
    for _ in range(100):
        primary.execute("SELECT pg_log_standby_snapshot()")
        with contextlib.suppress(psycopg.Error):
            standby.execute("SELECT pg_sync_replication_slots()")
        if standby.execute("SELECT 1 FROM pg_replication_slots WHERE synced").fetchall():
            return
        standby.execute("SELECT pg_sleep(0.05)")
    raise AssertionError("the slot was not synchronised")
