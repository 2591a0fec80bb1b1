"""The statements that a snapshot is read with."""

from pathlib import Path

from pgwatch.queries.version import numbers

OBJECTS = (Path(__file__).parent / "objects.sql").read_text(encoding="utf-8")

SERVER = """
SELECT
    extract(epoch FROM pg_catalog.clock_timestamp())::double precision AS now,
    (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system_identifier
"""
SETTINGS = """
SELECT name, pg_catalog.concat(setting, unit) AS value, source, vartype, category
FROM pg_catalog.pg_settings
ORDER BY name
"""
EXTENTS = """
SELECT
    space.nspname::text AS schema,
    class.relname::text AS name,
    class.reltuples AS estimated_rows,
    class.relpages AS pages,
    (
        class.relpages
        + coalesce((
            SELECT toast.relpages FROM pg_catalog.pg_class AS toast WHERE toast.oid = class.reltoastrelid
        ), 0)
        + coalesce((
            SELECT pg_catalog.sum(own.relpages)
            FROM pg_catalog.pg_index AS index
            JOIN pg_catalog.pg_class AS own ON own.oid = index.indexrelid
            WHERE index.indrelid = class.oid
        ), 0)
    )::bigint * pg_catalog.current_setting('block_size')::bigint AS size_bytes,
    pg_catalog.pg_stat_get_dead_tuples(class.oid) AS dead_rows,
    pg_catalog.has_table_privilege(class.oid, 'SELECT')
        AND NOT class.relrowsecurity AND class.relispopulated AS readable
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind IN ('r', 'm') AND space.nspname !~ '^pg_' AND space.nspname <> 'information_schema'
ORDER BY class.relpages, space.nspname, class.relname
"""
# Of the database; what our role may not see of others' sessions is NULL, not a smaller number.
HEALTH = """
SELECT
    activity.connections AS connections,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks WHERE NOT granted) AS waiting_locks,
    CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN coalesce(activity.oldest, 0) END
        AS oldest_transaction_seconds,
    CASE WHEN pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') THEN coalesce((
        SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END, replay_lsn))
        FROM pg_catalog.pg_stat_replication
    ), 0) END AS replication_lag_bytes,
    pg_catalog.pg_database_size(own.oid) AS database_bytes,
    pg_catalog.age(own.datfrozenxid) AS xid_age,
    rows.live AS live_rows,
    rows.dead AS dead_rows,
    counted.xact_commit AS commits,
    counted.xact_rollback AS rollbacks,
    counted.deadlocks AS deadlocks,
    counted.conflicts AS conflicts,
    counted.blks_read AS blocks_read,
    counted.blks_hit AS blocks_hit,
    counted.temp_bytes AS temp_bytes,
    extract(epoch FROM counted.stats_reset)::double precision AS counters_since
FROM pg_catalog.pg_database AS own
JOIN pg_catalog.pg_stat_database AS counted ON counted.datid = own.oid
CROSS JOIN (
    SELECT
        pg_catalog.count(*) AS connections,
        extract(epoch FROM pg_catalog.max(pg_catalog.clock_timestamp() - xact_start)) AS oldest
    FROM pg_catalog.pg_stat_activity
    WHERE datid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
        AND pid <> pg_catalog.pg_backend_pid()
) AS activity
CROSS JOIN (
    SELECT
        coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_live_tuples(oid)), 0) AS live,
        coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_dead_tuples(oid)), 0) AS dead
    FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'm')
) AS rows
WHERE own.datname = pg_catalog.current_database()
"""
COUNTERS = (
    "commits",
    "rollbacks",
    "deadlocks",
    "conflicts",
    "blocks_read",
    "blocks_hit",
    "temp_bytes",
)


def statements(extension: str) -> str:
    """Return the statement that reads pg_stat_statements of version `extension`, texts included."""
    version = numbers(extension)
    time = "total_exec_time" if version >= (1, 8) else "total_time"
    toplevel = "seen.toplevel" if version >= (1, 9) else "true"
    since = "extract(epoch FROM seen.stats_since)" if version >= (1, 11) else "NULL"
    return f"""
SELECT
    seen.queryid::text AS queryid,
    coalesce(roles.rolname::text, seen.userid::text) AS "user",
    {toplevel} AS toplevel,
    seen.query AS text,
    seen.calls AS calls,
    seen.{time} / 1000 AS seconds,
    seen.rows AS rows,
    {since}::double precision AS since
FROM pg_stat_statements(true) AS seen
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = seen.userid
WHERE seen.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND seen.queryid IS NOT NULL AND seen.query IS NOT NULL
ORDER BY 2, 1, 3
"""  # noqa: S608 - columns' names of our own


def statements_info(extension: str) -> str:
    """Return the statement that reads since when statements are kept, "" before version 1.9."""
    if numbers(extension) < (1, 9):
        return ""
    return (
        "SELECT dealloc AS dealloc, extract(epoch FROM stats_reset)::double precision AS stats_reset"
        " FROM pg_stat_statements_info"
    )
