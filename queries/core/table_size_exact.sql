/*
help: The exact size of each table and of its indexes, the largest tables first
interval: 1h
timeout: 30s
max_series: 5000
metrics:
  pg_stat_user_tables_table_size_bytes: {type: gauge, value: table_bytes, labels: [schemaname, relname], help: Size of the table with its TOAST and maps}
  pg_stat_user_tables_index_size_bytes: {type: gauge, value: index_bytes, labels: [schemaname, relname], help: "Size of the table's indexes"}
*/
-- Takes an ACCESS SHARE lock on each table and looks at its files: rarely, and under lock_timeout.
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS relname,
    pg_catalog.pg_table_size(relations.oid) AS table_bytes,
    pg_catalog.pg_indexes_size(relations.oid) AS index_bytes
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind IN ('r', 'm')
    AND relations.relpersistence <> 't'
    AND schemas.nspname !~ '^pg_'
    AND schemas.nspname <> 'information_schema'
ORDER BY relations.relpages DESC, 1, 2;
