/*
help: Indexes that are invalid, so that no query uses them and a unique one guards nothing
requires: {privilege: pg_read_all_stats}
max_series: 500
metrics:
  pg_index_invalid: {type: gauge, value: one, labels: [schemaname, relname, indexrelname], help: "1 for each invalid index; those being built or dropped now are left out"}
*/
-- The privilege is needed to know which builds are in progress. REINDEX TABLE CONCURRENTLY creates all
-- of its new indexes before it builds the first. DROP INDEX CONCURRENTLY marks its
-- index invalid first; until it ends it holds a SHARE UPDATE EXCLUSIVE lock on it.
SELECT
    schemas.nspname AS schemaname,
    tables.relname AS relname,
    relations.relname AS indexrelname,
    1 AS one
FROM pg_catalog.pg_index AS indexes
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
INNER JOIN pg_catalog.pg_class AS tables ON tables.oid = indexes.indrelid
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE NOT (indexes.indisvalid AND indexes.indisready AND indexes.indislive)
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_stat_progress_create_index AS builds
        WHERE builds.datname = pg_catalog.current_database()
            AND builds.relid = indexes.indrelid
            AND (builds.index_relid = indexes.indexrelid OR builds.command = 'REINDEX CONCURRENTLY')
    )
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_locks AS locks
        WHERE locks.locktype = 'relation'
            AND locks.relation = indexes.indexrelid
            AND locks.mode = 'ShareUpdateExclusiveLock'
            AND locks.database = (
                SELECT databases.oid
                FROM pg_catalog.pg_database AS databases
                WHERE databases.datname = pg_catalog.current_database()
            )
    )
ORDER BY 1, 2, 3;
