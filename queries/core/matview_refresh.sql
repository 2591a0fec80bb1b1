/*
help: When each materialized view was last refreshed
requires: {setting: {track_commit_timestamp: "on"}}
max_series: 500
metrics:
  pg_matview_last_refresh_timestamp_seconds:
    type: gauge
    value: last_refresh
    labels: [schemaname, matviewname]
    help: Unix time of the last refresh, from the commit that wrote the view's row; absent if that is no longer kept
*/
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS matviewname,
    pg_catalog.pg_xact_commit_timestamp(relations.xmin) AS last_refresh
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind = 'm'
    AND relations.relispopulated
ORDER BY 1, 2;
