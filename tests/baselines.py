"""Small baselines for tests: one database in which all is well, with what a test wants otherwise."""

from typing import Any

from pgwatch.baseline.model import (
    Baseline,
    Entry,
    Extent,
    Health,
    KnownFinding,
    Object,
    Server,
    Setting,
    Snapshot,
    Statement,
    Statements,
)

THEN, NOW = 1_786_500_000.0, 1_786_503_600.0  # Unix times, an hour apart


def entry(queryid: str, calls: int, seconds: float, since: float | None = None) -> Entry:
    return Entry(queryid=queryid, calls=calls, seconds=seconds, rows=calls, since=since)


def statement(name: str, *entries: Entry, user: str = "app", toplevel: bool = True) -> Statement:
    """A statement whose fingerprint is `name`."""
    text = f"SELECT {name}"
    return Statement(fingerprint=name, user=user, toplevel=toplevel, text=text, entries=entries)


def statements(
    *items: Statement,
    reset: float | None = 5.0,
    dealloc: int | None = 0,
    grammar: str = "postgast 0.2.0",
) -> Statements:
    return Statements(grammar=grammar, stats_reset=reset, dealloc=dealloc, items=items)


def table(name: str, *, kind: str = "table", **facts: str) -> Object:
    return Object(kind=kind, schema="public", name=name, facts={"owner": "app", **facts})


def part(kind: str, of: str, name: str, columns: tuple[str, ...] = (), **facts: str) -> Object:
    """A column, constraint, index or trigger of the table `of`."""
    return Object(kind=kind, schema="public", table=of, name=name, columns=columns, facts=facts)


def extent(name: str, rows: float | None, *, size: int = 8192, exact: bool = True) -> Extent:
    return Extent(schema="public", name=name, size_bytes=size, rows=rows, exact=exact, dead_rows=0)


def health(*, since: float | None = 5.0, **figures: float | None) -> Health:
    """All well, but for `figures`."""
    gauges: dict[str, float | None] = {
        "connections": 5.0,
        "waiting_locks": 0.0,
        "oldest_transaction_seconds": 1.0,
        "replication_lag_bytes": 0.0,
        "xid_age": 1000.0,
        "live_rows": 100_000.0,
        "dead_rows": 100.0,
    }
    counters = {
        "commits": 10_000.0,
        "rollbacks": 10.0,
        "deadlocks": 0.0,
        "conflicts": 0.0,
        "blocks_read": 10_000.0,
        "blocks_hit": 990_000.0,
    }
    for name, value in figures.items():
        if name in gauges:
            gauges[name] = value
        else:
            assert value is not None
            counters[name] = value
    return Health(gauges=gauges, counters=counters, counters_since=since)


def snapshot(taken: float = THEN, *, identifier: str = "7", **parts: Any) -> Snapshot:
    held: dict[str, Any] = {
        "target": "app",
        "database": "shop",
        "settings": {"work_mem": Setting(value="4096kB", source="default")},
        "objects": (table("users"),),
        "extents": (extent("users", 10),),
        "health": health(),
        "statements": statements(statement("a", entry("1", 100, 1.0))),
    }
    server = Server(
        system_identifier=identifier,
        version="18.6",
        version_num=180006,
        role="primary",
        user="pgwatch",
    )
    return Snapshot(taken=taken, server=server, **{**held, **parts})


def baseline(*snapshots: Snapshot, findings: tuple[KnownFinding, ...] = ()) -> Baseline:
    return Baseline(
        saved="2026-08-12T09:30:00Z",
        pgwatch="0.1.0",
        judged=("app",),
        findings=findings,
        snapshots=snapshots or (snapshot(),),
    )
