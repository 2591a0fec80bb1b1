/*
help: Blocks of each table read, or found in shared buffers; the largest tables first
interval: 5m
timeout: 10s
max_series: 20000
metrics:
  pg_statio_user_tables_heap_blocks_read: {type: counter, value: heap_blocks_read, labels: [schemaname, relname], help: "Blocks read of the table"}
  pg_statio_user_tables_heap_blocks_hit: {type: counter, value: heap_blocks_hit, labels: [schemaname, relname], help: "Buffer hits in the table"}
  pg_statio_user_tables_idx_blocks_read: {type: counter, value: idx_blocks_read, labels: [schemaname, relname], help: "Blocks read of its indexes"}
  pg_statio_user_tables_idx_blocks_hit: {type: counter, value: idx_blocks_hit, labels: [schemaname, relname], help: "Buffer hits in its indexes"}
  pg_statio_user_tables_toast_blocks_read: {type: counter, value: toast_blocks_read, labels: [schemaname, relname], help: "Blocks read of its TOAST table"}
  pg_statio_user_tables_toast_blocks_hit: {type: counter, value: toast_blocks_hit, labels: [schemaname, relname], help: "Buffer hits in its TOAST table"}
  pg_statio_user_tables_tidx_blocks_read: {type: counter, value: tidx_blocks_read, labels: [schemaname, relname], help: "Blocks read of its TOAST table's index"}
  pg_statio_user_tables_tidx_blocks_hit: {type: counter, value: tidx_blocks_hit, labels: [schemaname, relname], help: "Buffer hits in its TOAST table's index"}
*/
SELECT
    tables.schemaname AS schemaname,
    tables.relname AS relname,
    coalesce(tables.heap_blks_read, 0) AS heap_blocks_read,
    coalesce(tables.heap_blks_hit, 0) AS heap_blocks_hit,
    coalesce(tables.idx_blks_read, 0) AS idx_blocks_read,
    coalesce(tables.idx_blks_hit, 0) AS idx_blocks_hit,
    coalesce(tables.toast_blks_read, 0) AS toast_blocks_read,
    coalesce(tables.toast_blks_hit, 0) AS toast_blocks_hit,
    coalesce(tables.tidx_blks_read, 0) AS tidx_blocks_read,
    coalesce(tables.tidx_blks_hit, 0) AS tidx_blocks_hit
FROM pg_catalog.pg_statio_user_tables AS tables
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = tables.relid
WHERE relations.relpersistence <> 't'
ORDER BY relations.relpages DESC, tables.schemaname, tables.relname;
