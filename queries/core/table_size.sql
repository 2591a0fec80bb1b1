/*
help: The estimated size of each table, the largest first
interval: 5m
timeout: 10s
max_series: 5000
metrics:
  pg_table_estimated_bytes:
    type: gauge
    value: bytes
    labels: [schemaname, relname]
    help: Size of the table without its indexes and TOAST, as VACUUM, ANALYZE or CREATE INDEX last saw it
*/
-- From relpages, since the size functions wait for whoever holds an ACCESS EXCLUSIVE lock.
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS relname,
    relations.relpages::bigint * pg_catalog.current_setting('block_size')::bigint AS bytes
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind IN ('r', 'm')
    AND relations.relpersistence <> 't'
    AND schemas.nspname !~ '^pg_'
    AND schemas.nspname <> 'information_schema'
ORDER BY relations.relpages DESC, 1, 2;
