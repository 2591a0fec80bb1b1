"""What a server says about itself, about our role, and about the database we are connected to."""

import re
from dataclasses import dataclass
from datetime import timedelta

from pgwatch.targets.session import LOCK_TIMEOUT, Session
from pgwatch.targets.target import Role, ServerInfo

# Those that decide whether a statistic exists; all may be read by every role.
SETTINGS = (
    "archive_mode",
    "compute_query_id",
    "hot_standby",
    "pg_stat_statements.track",
    "track_activities",
    "track_commit_timestamp",
    "track_counts",
    "track_functions",
    "track_io_timing",
    "wal_level",
)


_PLAIN_RELATION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What queries need to know about a server besides the facts that every one is asked for."""

    settings: frozenset[str] = frozenset()
    # read where our role is a member of pg_read_all_settings: the value of some is kept from others
    relations: frozenset[str] = frozenset()
    # `schema.name`, whether they exist; one that is not plain lower case is taken to exist


async def read_server_info(
    session: Session,
    asked: Asked,
    *,
    limit: timedelta,
    deadline: timedelta | None = None,
) -> ServerInfo:
    """Ask the server once (0.3 ms of its time); raises as `Session.run` does.

    Sets `session.pooled` if the session's limits did not reach the server: then something between
    dropped them, and nothing set in this session stays with us.
    """
    answer = await session.run(_statement(asked), limit=limit, deadline=deadline)
    row = dict(zip(answer.columns, answer.rows[0], strict=True))
    expected = f"{LOCK_TIMEOUT // timedelta(milliseconds=1)}ms"
    session.pooled = session.pooled or (row["lock_timeout"], row["read_only"]) != (expected, "on")
    session.schemas = tuple(row["schemas"])  # so that queries find an extension wherever it is
    return ServerInfo(
        version_num=row["version_num"],
        version=row["version"],
        role=Role.STANDBY if row["in_recovery"] else Role.PRIMARY,
        database=row["database"],
        user=row["user"],
        is_superuser=bool(row["is_superuser"]),
        memberships=frozenset(row["memberships"]),
        extensions=row["extensions"] or {},
        settings={name: value for name, value in row["settings"].items() if value is not None},
        absent_relations=frozenset(row["absent_relations"]),
        pooled=session.pooled,
    )


def _statement(asked: Asked) -> str:
    pairs = [f"'{name}', pg_catalog.current_setting('{name}', true)" for name in SETTINGS]
    others = sorted({name.replace("'", "''") for name in asked.settings} - set(SETTINGS))
    pairs += [
        f"'{name}', CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')"
        f" THEN pg_catalog.current_setting('{name}', true) END"
        for name in others
    ]
    relations = sorted(name for name in asked.relations if _PLAIN_RELATION.fullmatch(name))
    return f"""
SELECT
  pg_catalog.current_setting('server_version_num')::int AS version_num,
  pg_catalog.current_setting('server_version') AS version,
  pg_catalog.pg_is_in_recovery() AS in_recovery,
  pg_catalog.current_database()::text AS database,
  current_user::text AS "user",
  (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user) AS is_superuser,
  ARRAY(
    SELECT r.rolname::text
    FROM pg_catalog.pg_roles AS r
    WHERE r.rolname LIKE 'pg\\_%' AND pg_catalog.pg_has_role(r.oid, 'USAGE')
  ) AS memberships,
  (SELECT pg_catalog.json_object_agg(e.extname, e.extversion) FROM pg_catalog.pg_extension AS e)
    AS extensions,
  ARRAY(
    SELECT DISTINCT n.nspname::text
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'public')
    ORDER BY 1
  ) AS schemas,
  pg_catalog.json_build_object({", ".join(pairs)}) AS settings,
  ARRAY(
    SELECT w.name
    FROM pg_catalog.unnest('{{{",".join(relations)}}}'::text[]) AS w (name)
    WHERE NOT EXISTS (
      SELECT
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = pg_catalog.split_part(w.name, '.', 1)
        AND c.relname = pg_catalog.split_part(w.name, '.', 2)
    )
  ) AS absent_relations,
  pg_catalog.current_setting('lock_timeout') AS lock_timeout,
  pg_catalog.current_setting('default_transaction_read_only') AS read_only
"""  # noqa: S608 - names of settings, quoted
