/*
help: The estimated size of each index, the largest first
interval: 5m
timeout: 10s
max_series: 10000
metrics:
  pg_index_estimated_bytes:
    type: gauge
    value: bytes
    labels: [schemaname, relname, indexrelname]
    help: Size of the index as VACUUM, ANALYZE or CREATE INDEX last saw it
*/
SELECT
    schemas.nspname AS schemaname,
    tables.relname AS relname,
    relations.relname AS indexrelname,
    relations.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes
FROM pg_catalog.pg_index AS indexes
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = indexes.indexrelid
INNER JOIN pg_catalog.pg_class AS tables ON tables.oid = indexes.indrelid
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind = 'i'
    AND relations.relpersistence <> 't'
    AND schemas.nspname !~ '^pg_'
    AND schemas.nspname <> 'information_schema'
ORDER BY relations.relpages DESC, 1, 2, 3;
