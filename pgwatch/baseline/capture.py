"""Reads a snapshot of one database: a fixed number of bounded statements, whatever its size."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from pgwatch.baseline import sql
from pgwatch.baseline.fingerprint import identify, is_compared
from pgwatch.baseline.identity import identity
from pgwatch.baseline.model import (
    Entry,
    Extent,
    Health,
    Object,
    Server,
    Setting,
    Snapshot,
    Statement,
    Statements,
    Timing,
    Untold,
)
from pgwatch.baseline.timing import time_benchmark
from pgwatch.migration.parse import GRAMMAR
from pgwatch.queries.query import Query, quote_identifier
from pgwatch.targets.session import SETTINGS, RefusedError, Session
from pgwatch.targets.target import ServerInfo

_T = TypeVar("_T")
_LIMIT = timedelta(seconds=30)
_COUNT_LIMIT = timedelta(seconds=5)
# Tables whose rows are counted: each up to 8 MB and all together 160 MB, the smallest first.
_COUNTED_PAGES, _ALL_COUNTED_PAGES = 1_000, 20_000
_ALL_STATS = "pg_read_all_stats"
# Of our session, not of the server; and those whose texts may hold a password or a key.
_OWN_SETTINGS = frozenset({*SETTINGS, "statement_timeout", "application_name", "client_encoding"})
_SECRET_WORDS = ("conninfo", "command", "passphrase", "password", "secret", "token", "key")
_CUSTOM = "Customized Options"
_UNDEFINED = frozenset({"55000", "42P01", "42883"})  # installed, but not loaded or not reachable


async def capture(
    session: Session,
    info: ServerInfo,
    *,
    target: str,
    benchmarks: Iterable[Query] = (),
) -> Snapshot:
    """Return what the session's database is like now; a part that is refused is `Untold`.

    `benchmarks` are timed, last. Raises SessionBrokenError and SilentServerError.
    """
    now, identifier = await identity(session)
    return Snapshot(
        target=target,
        database=info.database,
        taken=round(now, 3),
        server=Server(
            system_identifier=identifier,
            version=info.version.split(" ", 1)[0],
            version_num=info.version_num,
            role=str(info.role),
            user=info.user,
        ),
        settings=await _told(_settings, session),
        objects=await _told(_objects, session),
        extents=await _told(_extents, session),
        health=await _told(_health, session),
        statements=await _statements(session, info),
        benchmarks=tuple(
            [
                timed
                for query in benchmarks
                if isinstance(timed := await time_benchmark(session, info, query), Timing)
            ]
        ),
    )


async def _told(read: Callable[[Session], Awaitable[_T]], session: Session) -> _T | Untold:
    try:
        return await read(session)
    except RefusedError as error:
        return Untold(unknown=str(error))


async def _settings(session: Session) -> dict[str, Setting]:
    return {
        row["name"]: Setting(value=row["value"], source=row["source"])
        for row in await _rows(session, sql.SETTINGS)
        if row["name"] not in _OWN_SETTINGS and not _may_be_secret(row)
    }


def _may_be_secret(row: dict[str, Any]) -> bool:
    if row["vartype"] != "string":
        return False
    return row["category"] == _CUSTOM or any(word in row["name"] for word in _SECRET_WORDS)


async def _objects(session: Session) -> tuple[Object, ...]:
    objects = [
        Object(
            kind=row["kind"],
            schema=row["schema_name"],
            table=row["table_name"],
            name=row["object_name"],
            facts=row["facts"],
            columns=tuple(row["columns"]),
            uses=tuple(row["uses"]),
        )
        for row in await _rows(session, sql.OBJECTS)
    ]
    return tuple(sorted(objects, key=lambda one: one.identity))


async def _extents(session: Session) -> tuple[Extent, ...]:
    rows = await _rows(session, sql.EXTENTS)
    counted = await _counted(session, rows)
    extents = [
        Extent(
            schema=row["schema"],
            name=row["name"],
            size_bytes=int(row["size_bytes"]),
            rows=counted.get(number, row["estimated_rows"] if row["estimated_rows"] >= 0 else None),
            exact=number in counted,
            dead_rows=row["dead_rows"],
        )
        for number, row in enumerate(rows)
    ]
    return tuple(sorted(extents, key=lambda one: (one.schema, one.name)))


async def _counted(session: Session, rows: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Return the exact number of rows of small tables, by their place in `rows`."""
    small = []
    pages = 0
    for number, row in enumerate(rows):
        pages += row["pages"]
        if row["readable"] and row["pages"] <= _COUNTED_PAGES and pages <= _ALL_COUNTED_PAGES:
            small.append((number, row))
    if not small:
        return {}
    union = " UNION ALL ".join(
        f"SELECT {number} AS number, count(*) AS rows"  # noqa: S608 - quoted
        f" FROM ONLY {quote_identifier(row['schema'])}.{quote_identifier(row['name'])}"
        for number, row in small
    )
    try:
        answer = await session.run(union, limit=_COUNT_LIMIT)
    except RefusedError:  # one of them is locked, or it takes too long: estimates then
        return {}
    return {number: float(count) for number, count in answer.rows}


async def _health(session: Session) -> Health:
    [row] = await _rows(session, sql.HEALTH)
    since = row.pop("counters_since")
    return Health(
        gauges={
            name: None if value is None else round(float(value), 3)
            for name, value in row.items()
            if name not in sql.COUNTERS
        },
        counters={name: float(row[name] or 0) for name in sql.COUNTERS},
        counters_since=since,
    )


async def _statements(session: Session, info: ServerInfo) -> Statements | Untold | None:
    extension = info.extensions.get("pg_stat_statements")
    if extension is None:
        return None
    if not info.is_superuser and _ALL_STATS not in info.memberships:
        return Untold(
            unknown=f"role {info.user} is not a member of {_ALL_STATS}",
            cure=f"GRANT {_ALL_STATS} TO {quote_identifier(info.user)};",
        )
    try:
        rows = await _rows(session, sql.statements(extension))
        about = sql.statements_info(extension)
        [since] = await _rows(session, about) if about else [{"dealloc": None, "stats_reset": None}]
    except RefusedError as error:
        return None if error.sqlstate in _UNDEFINED else Untold(unknown=str(error))
    return Statements(
        grammar=GRAMMAR,
        stats_reset=since["stats_reset"],
        dealloc=since["dealloc"],
        items=_by_fingerprint(rows),
    )


def _by_fingerprint(rows: Iterable[dict[str, Any]]) -> tuple[Statement, ...]:
    known: dict[str, tuple[str, str]] = {}
    texts: dict[tuple[str, str, bool], str] = {}
    entries: dict[tuple[str, str, bool], list[Entry]] = {}
    for row in rows:
        if not is_compared(row["text"]):
            continue
        if row["text"] not in known:
            known[row["text"]] = identify(row["text"])
        digest, text = known[row["text"]]
        key = (digest, row["user"], row["toplevel"])
        texts[key] = min(texts.get(key, text), text)
        entry = Entry(
            queryid=row["queryid"],
            calls=row["calls"],
            seconds=round(row["seconds"], 6),
            rows=row["rows"],
            since=row["since"],
        )
        entries.setdefault(key, []).append(entry)
    return tuple(
        Statement(
            fingerprint=digest,
            user=user,
            toplevel=toplevel,
            text=texts[digest, user, toplevel],
            entries=tuple(sorted(entries[digest, user, toplevel], key=lambda one: one.queryid)),
        )
        for digest, user, toplevel in sorted(entries)
    )


async def _rows(session: Session, statement: str) -> list[dict[str, Any]]:
    answer = await session.run(statement, limit=_LIMIT)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
