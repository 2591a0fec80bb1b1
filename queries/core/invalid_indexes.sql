/*
help: Indexes that are invalid, so that no query uses them and a unique one guards nothing
max_series: 500
metrics:
  pg_index_invalid: {type: gauge, value: one, labels: [schemaname, relname, indexrelname, kind], help: "1 for each invalid index; those being built or dropped now are left out; kind is index, partitioned index, or leftover (of a REINDEX CONCURRENTLY)"}
*/
-- A build in progress is known by the lock that it holds on the table, since a role without
-- pg_read_all_stats does not see more of other roles' builds; such a role does not see an older invalid
-- index of the table meanwhile. REINDEX CONCURRENTLY creates all of its new indexes before it builds the
-- first. DROP INDEX CONCURRENTLY marks its index invalid first, and holds a lock on it until it ends.
-- One that was created ON ONLY a partitioned table is invalid until each partition has its part.
SELECT
    schemas.nspname AS schemaname,
    tables.relname AS relname,
    relations.relname AS indexrelname,
    CASE
        WHEN relations.relkind = 'I' THEN 'partitioned index'
        WHEN relations.relname ~ '_cc(new|old)[0-9]*$' THEN 'leftover'
        ELSE 'index'
    END AS kind,
    1 AS one
FROM pg_catalog.pg_index AS indexes
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
INNER JOIN pg_catalog.pg_class AS tables ON tables.oid = indexes.indrelid
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE NOT (indexes.indisvalid AND indexes.indisready AND indexes.indislive)
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_stat_progress_create_index AS builds
        INNER JOIN pg_catalog.pg_locks AS locks
            ON locks.pid = builds.pid
            AND locks.database = builds.datid
            AND locks.relation = indexes.indrelid
        WHERE builds.datname = pg_catalog.current_database()
            AND locks.mode = 'ShareUpdateExclusiveLock'
            AND (
                builds.index_relid = indexes.indexrelid
                OR builds.index_relid IS NULL
                OR builds.command = 'REINDEX CONCURRENTLY'
            )
    )
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_locks AS locks
        INNER JOIN pg_catalog.pg_database AS databases ON databases.oid = locks.database
        WHERE databases.datname = pg_catalog.current_database()
            AND locks.relation = indexes.indexrelid
            AND locks.locktype = 'relation'
            AND locks.mode = 'ShareUpdateExclusiveLock'
    )
ORDER BY 1, 2, 3;
