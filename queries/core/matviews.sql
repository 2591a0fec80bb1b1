/*
help: Whether each materialized view can be read, and whether it was refreshed since the last look
max_series: 1000
metrics:
  pg_matview_populated: {type: gauge, value: populated, labels: [schemaname, matviewname], help: 0 if the view was never filled and reading it fails}
  pg_matview_refresh_xid: {type: gauge, value: refresh_xid, labels: [schemaname, matviewname], help: The transaction that last refreshed the view; another value means another refresh}
*/
-- PostgreSQL keeps no time of refresh, but each REFRESH, plain or CONCURRENTLY, writes the view's row in
-- pg_class anew. So do GRANT and ALTER: a changed value is not later than the last refresh.
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS matviewname,
    relations.relispopulated AS populated,
    relations.xmin::text::bigint AS refresh_xid
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind = 'm'
ORDER BY 1, 2;
