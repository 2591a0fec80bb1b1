/*
help: How often each index is used, the largest first
timeout: 10s
max_series: 10000
metrics:
  pg_stat_user_indexes_idx_scan_total: {type: counter, value: idx_scan, labels: [schemaname, relname, indexrelname], help: Scans of the index}
*/
SELECT
    indexes.schemaname AS schemaname,
    indexes.relname AS relname,
    indexes.indexrelname AS indexrelname,
    indexes.idx_scan AS idx_scan
FROM pg_catalog.pg_stat_user_indexes AS indexes
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
WHERE relations.relpersistence <> 't'
ORDER BY relations.relpages DESC, 1, 2, 3;
