"""Try on each table that the migrations touch whether it can be written to; every row is taken back.

Nothing stays but what no rollback takes back: sequences advance, and a trigger that reaches outside the
database (dblink, HTTP) does so.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pgwatch.migration.compare import Fault
from pgwatch.migration.liveness.attempt import Attempt, probed
from pgwatch.migration.liveness.findings import Dead, Places, places
from pgwatch.migration.liveness.scene import touched_tables
from pgwatch.migration.liveness.variables import quoted
from pgwatch.migration.objects import Declarations, Key, Kind
from pgwatch.targets.session import RefusedError, Session

_SQL = (Path(__file__).parent / "probe.sql").read_text(encoding="utf-8")
_LIMIT = timedelta(seconds=5)  # for each statement
_ABOUT_US = frozenset({"42501", "25006", "55P03"})  # no privilege; a standby; somebody's lock
_DEAD_CLASSES = (
    "42",
    "3F",
    "2F",
)  # what only the code of triggers, checks and defaults can be to blame for
_NEVER_INSIDE = "25001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What was tried, and what came of it."""

    dead: tuple[Dead, ...]
    tables: int
    refused: tuple[tuple[str, Key], ...]  # (INSERT …, table): because of the row that was tried


async def probe_writes(session: Session, declarations: Declarations) -> Writes:
    """Insert, update and delete a row of each touched table, each in a transaction that is rolled back.

    `session` is one of our own that nobody uses afterwards. Raises what `Session.run` raises, but for
    refusals of what is tried.
    """
    where = places(declarations)
    if where is None:
        return Writes(dead=(), tables=0, refused=())
    session.prepares = False
    keys = sorted(touched_tables(declarations))
    asked = json.dumps([{"schema": k.schema, "name": k.name} for k in keys]).replace("'", "''")
    rows = (await session.run(_SQL.replace(":wanted", f"'{asked}'"), limit=_LIMIT)).rows
    await session.run("SET default_transaction_read_only = off", limit=_LIMIT)
    dead: list[Dead] = []
    refused: list[tuple[str, Key]] = []
    for schema, name, facts in rows:
        key = Key(Kind.TABLE, schema, name)
        try:
            empty = await _is_empty(session, schema, name)
        except RefusedError as error:
            dead.append(_untold(key, "SELECT", error, where))
            continue
        for attempt in probed(schema, name, facts, empty=empty).attempts:
            [analysed] = await session.describe([attempt.sql], limit=_LIMIT)
            if analysed.sqlstate:  # a column of a kind that we know no value for
                refused.append((attempt.event, key))
                continue
            refusal = await _refusal(session, attempt)
            if refusal is None:
                continue
            if refusal.sqlstate in _ABOUT_US or refusal.sqlstate[:2] in ("57", "40"):
                dead.append(_untold(key, attempt.event, refusal, where))
            elif refusal.sqlstate[:2] in _DEAD_CLASSES or refusal.sqlstate == _NEVER_INSIDE:
                dead.append(_dead(key, attempt.event, refusal, where))
            else:
                refused.append((attempt.event, key))
    return Writes(dead=tuple(dead), tables=len(rows), refused=tuple(refused))


async def _is_empty(session: Session, schema: str, name: str) -> bool:
    table = f"{quoted(schema)}.{quoted(name)}"
    return not (await session.run(f"SELECT 1 FROM {table} LIMIT 1", limit=_LIMIT)).rows  # noqa: S608


async def _refusal(session: Session, attempt: Attempt) -> RefusedError | None:
    """Try a statement, deferred constraints included, and roll it back; returns why it was refused."""
    await session.run("BEGIN", limit=_LIMIT)
    try:
        await session.run(attempt.sql, limit=_LIMIT)
        await session.run("SET CONSTRAINTS ALL IMMEDIATE", limit=_LIMIT)
    except RefusedError as error:
        return error
    finally:
        if not session.closed:
            await session.run("ROLLBACK", limit=_LIMIT)
    return None


def _dead(key: Key, event: str, error: RefusedError, where: Places) -> Dead:
    return Dead(
        fault=Fault.DEAD,
        key=key,
        place=where.tables.get((key.schema, key.name), where.last),
        message=f"{key}: {event} of a row fails: {error}",
        detail="tried, and rolled back",
        sqlstate=error.sqlstate,
    )


def _untold(key: Key, event: str, error: RefusedError, where: Places) -> Dead:
    fix = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {quoted(key.schema)}.{quoted(key.name)} TO CURRENT_USER;"
    return Dead(
        fault=Fault.UNVERIFIABLE,
        key=key,
        place=where.tables.get((key.schema, key.name), where.last),
        message=f"{key}: whether {event} works could not be tried: {error}",
        sqlstate=error.sqlstate,
        fix=fix if error.sqlstate == "42501" else "",
    )
