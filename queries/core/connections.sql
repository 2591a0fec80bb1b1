/*
help: How many client connections there are, and how many ordinary roles may have
interval: 15s
scope: cluster
requires: {privilege: pg_read_all_stats}
metrics:
  pg_connections_used: {type: gauge, value: used, help: "Client connections now, pgwatch's own included"}
  pg_connections_limit: {type: gauge, value: limit, help: Connections that ordinary roles can have together}
*/
-- Walsenders and background workers have slots of their own since PostgreSQL 12.
SELECT
    (
        SELECT count(*)
        FROM pg_catalog.pg_stat_activity
        WHERE backend_type = 'client backend'
    ) AS used,
    pg_catalog.current_setting('max_connections')::integer
        - pg_catalog.current_setting('superuser_reserved_connections')::integer
        - coalesce(pg_catalog.current_setting('reserved_connections', true)::integer, 0) AS "limit";
