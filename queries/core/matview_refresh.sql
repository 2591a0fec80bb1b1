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
  pg_matview_last_refresh_unknown:
    type: gauge
    value: is_unknown
    labels: [schemaname, matviewname]
    help: 1 for each populated view whose last refresh the server kept no time of, since it was before it began to or is too long ago
*/
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS matviewname,
    commits.time AS last_refresh,
    CASE WHEN commits.time IS NULL THEN 1 END AS is_unknown
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
CROSS JOIN pg_catalog.pg_xact_commit_timestamp(relations.xmin) AS commits (time)
WHERE relations.relkind = 'm'
    AND relations.relispopulated
ORDER BY 1, 2;
