/*
help: Indexes over 1 MiB that nothing has scanned, on tables that are read
interval: 5m
timeout: 10s
requires: {setting: {track_counts: "on"}}
max_series: 1000
metrics:
  pg_index_unused_bytes:
    type: gauge
    value: bytes
    labels: [schemaname, relname, indexrelname]
    help: Estimated size of an index without a scan; unique ones and those of constraints are left out
  pg_index_unused_observed_seconds:
    type: gauge
    value: observed_seconds
    labels: [schemaname, relname, indexrelname]
    help: How long the statistics that say so have been counting
*/
-- A database whose statistics were never reset has no time of its own; the background writer's are
-- as old as the cluster.
SELECT
    indexes.schemaname AS schemaname,
    indexes.relname AS relname,
    indexes.indexrelname AS indexrelname,
    relations.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes,
    extract(epoch FROM now() - coalesce(databases.stats_reset, writer.stats_reset)) AS observed_seconds
FROM pg_catalog.pg_stat_user_indexes AS indexes
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
INNER JOIN pg_catalog.pg_index AS definitions ON definitions.indexrelid = indexes.indexrelid
INNER JOIN pg_catalog.pg_stat_user_tables AS tables ON tables.relid = indexes.relid
INNER JOIN pg_catalog.pg_stat_database AS databases ON databases.datname = pg_catalog.current_database()
CROSS JOIN pg_catalog.pg_stat_bgwriter AS writer
WHERE indexes.idx_scan = 0
    AND tables.seq_scan + tables.idx_scan >= 100
    AND relations.relpersistence <> 't'
    AND relations.relpages::bigint * pg_catalog.current_setting('block_size')::bigint > 1048576
    AND definitions.indisvalid
    AND NOT definitions.indisunique
    AND NOT definitions.indisreplident
    AND NOT EXISTS (
        SELECT 1
        FROM pg_catalog.pg_constraint AS constraints
        WHERE constraints.conindid = indexes.indexrelid
    )
ORDER BY bytes DESC, 1, 2, 3;
