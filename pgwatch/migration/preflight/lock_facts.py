"""What the server has of the tables that migrations name, and who uses them now."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from pgwatch.migration.parse import UnparsableError, parse_type, type_text
from pgwatch.migration.preflight.lock_modes import LockMode, mode_named
from pgwatch.migration.preflight.row_queries import literal
from pgwatch.targets.session import RefusedError, Session

LIMIT = timedelta(seconds=10)
_SQL = (Path(__file__).parent / "lock_facts.sql").read_text(encoding="utf-8")
# The size functions and pg_get_expr wait for ACCESS EXCLUSIVE locks; then what the last VACUUM or ANALYZE saw
# has to do, and no CHECK proves anything.
_EXACT = {
    ":table_bytes": "CASE WHEN c.relkind <> 'v' THEN pg_catalog.pg_table_size(t.oid) END",
    ":index_bytes": "CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_indexes_size(t.oid) END",
    ":checks": "SELECT pg_catalog.pg_get_expr(k.conbin, k.conrelid) FROM pg_catalog.pg_constraint AS k"
    " WHERE k.conrelid = r.oid AND k.contype = 'c' AND k.convalidated",
}
_PAGE = "pg_catalog.current_setting('block_size')::int8"
_ESTIMATED = {
    ":checks": "SELECT NULL::text WHERE false",
    ":table_bytes": f"c.relpages * {_PAGE}",
    ":index_bytes": "(SELECT sum(x.relpages) FROM pg_catalog.pg_index AS i"  # noqa: S608
    f" JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid WHERE i.indrelid = t.oid) * {_PAGE}",
}
_LOCK_NOT_AVAILABLE = "55P03"
_SESSIONS = """
SELECT
  l.relation::int8,
  l.mode,
  coalesce(l.pid, 0),
  coalesce(a.usename::text, p.owner::text, ''),
  coalesce(a.application_name, ''),
  coalesce(a.state, ''),
  extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared))::float8,
  coalesce(a.query LIKE 'autovacuum:%', false),
  coalesce(a.query LIKE 'autovacuum:%(to prevent wraparound)%', false),
  coalesce(p.gid, '')
FROM pg_catalog.pg_locks AS l
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_locks AS x
  ON l.pid IS NULL AND x.pid IS NULL
  AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction::text = x.transactionid::text
WHERE l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
  AND l.relation = ANY(:oids)
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
UNION ALL
SELECT
  0, '', a.pid, coalesce(a.usename::text, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
  extract(epoch FROM clock_timestamp() - a.xact_start)::float8, false, false, ''
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL
  AND a.pid <> pg_catalog.pg_backend_pid() AND a.query NOT LIKE 'autovacuum:%'
"""
_DATABASE = """
SELECT
  ARRAY(
    SELECT p.proname::text FROM pg_catalog.pg_proc AS p
    WHERE p.proname = ANY(:names) GROUP BY p.proname HAVING bool_and(p.provolatile <> 'v')
  ),
  ARRAY(
    SELECT ARRAY[pg_catalog.format_type(c.castsource, NULL), pg_catalog.format_type(c.casttarget, NULL)]
    FROM pg_catalog.pg_cast AS c WHERE c.castmethod = 'b'
  ),
  ARRAY(
    SELECT t.typname::text FROM pg_catalog.pg_type AS t
    WHERE t.typtype = 'd' AND t.typname = ANY(:names)
      AND (t.typnotnull OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.contypid = t.oid))
  ),
  ARRAY(
    SELECT s.setting
    FROM pg_catalog.pg_db_role_setting AS r
    CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) AS s (setting)
    WHERE s.setting LIKE 'lock_timeout=%'
      AND r.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
      AND r.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user))
    ORDER BY (r.setdatabase <> 0)::int + 2 * (r.setrole <> 0)::int DESC
  )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, materialized view, view or index as it is now."""

    schema: str
    name: str
    kind: str  # pg_class.relkind
    oids: frozenset[int]  # its own and those of its partitions and children
    table_bytes: int  # with them
    index_bytes: int
    rows: int | None  # as the last VACUUM or ANALYZE counted; None: there was none yet
    columns: Mapping[str, tuple[str, bool]]  # type in the grammar's spelling, and whether NOT NULL
    checks: tuple[str, ...]  # valid ones
    foreign_keys: Mapping[str, tuple[str, str, bool]]  # schema and table, and whether validated
    index_of: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session, or a prepared transaction, that has or awaits a lock, or that holds a snapshot."""

    relation: int  # oid, 0: none, it has a snapshot
    mode: LockMode | None
    pid: int  # 0: a prepared transaction
    user: str
    application: str
    state: str  # of pg_stat_activity; "" where our role may not see it
    seconds: float | None  # since its transaction began; None where our role may not see it
    autovacuum: bool
    wraparound: bool  # an autovacuum that does not give way
    prepared: str  # name of the prepared transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFacts:
    """What decides about locks and rewrites."""

    relations: Mapping[tuple[str, str], Relation]
    holders: tuple[Holder, ...]
    steady: frozenset[str]  # functions that are not volatile, of those asked for
    coercible: frozenset[tuple[str, str]]  # types that share their form on disk
    checked_domains: frozenset[str]
    lock_timeout: str  # that the database or our role has by ALTER … SET; "" where none
    estimated: bool  # sizes are as of the last VACUUM or ANALYZE, since a lock was in the way


async def read_lock_facts(session: Session, names: Collection[str]) -> LockFacts:
    """Read it in three statements; raises as `Session.run` does."""
    array = f"(ARRAY[{', '.join(map(literal, sorted(names)))}]::text[])"
    estimated = False
    try:
        answer = await session.run(_filled(_SQL, {":names": array, **_EXACT}), limit=LIMIT)
    except RefusedError as error:
        if error.sqlstate != _LOCK_NOT_AVAILABLE:
            raise
        estimated = True
        answer = await session.run(_filled(_SQL, {":names": array, **_ESTIMATED}), limit=LIMIT)
    relations = {(row[0], row[1]): _relation(row) for row in answer.rows}
    database = await session.run(_filled(_DATABASE, {":names": array}), limit=LIMIT)
    [(steady, casts, domains, timeouts)] = database.rows
    oids = sorted(frozenset[int]().union(*(one.oids for one in relations.values())))
    sessions = await session.run(
        _filled(_SESSIONS, {":oids": f"(ARRAY{oids}::oid[])"}), limit=LIMIT
    )
    return LockFacts(
        relations=relations,
        holders=tuple(map(_holder, sessions.rows)),
        steady=frozenset(steady),
        coercible=frozenset((_uniform(one), _uniform(other)) for one, other in casts),
        checked_domains=frozenset(domains),
        lock_timeout=timeouts[0].partition("=")[2] if timeouts else "",
        estimated=estimated,
    )


def _filled(sql: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        sql = sql.replace(name, value)
    return sql


def _relation(row: Iterable[Any]) -> Relation:
    schema, name, kind, oids, table, index, rows, columns, checks, keys, index_of = row
    return Relation(
        schema=schema,
        name=name,
        kind=kind,
        oids=frozenset(oids),
        table_bytes=table,
        index_bytes=index,
        rows=None if rows is None else round(rows),
        columns={column: (_uniform(kind), filled) for column, (kind, filled) in columns.items()},
        checks=tuple(checks),
        foreign_keys={key: (one, other, valid) for key, (one, other, valid) in keys.items()},
        index_of=(index_of[0], index_of[1]) if index_of else None,
    )


def _holder(row: tuple[Any, ...]) -> Holder:
    relation, mode, pid, user, application, state, seconds, autovacuum, wraparound, prepared = row
    return Holder(
        relation=relation,
        mode=mode_named(mode) if mode else None,
        pid=pid,
        user=user,
        application=application,
        state=state,
        seconds=seconds,
        autovacuum=autovacuum,
        wraparound=wraparound,
        prepared=prepared,
    )


def _uniform(name: str) -> str:
    try:
        return type_text(parse_type(name))
    except UnparsableError:
        return name
