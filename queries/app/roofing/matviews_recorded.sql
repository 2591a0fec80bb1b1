/*
help: Whether the table materialized_view_status says of each populated materialized view when it was refreshed
requires: {relation: public.materialized_view_status}
max_series: 500
metrics:
  roofing_matview_recorded: {type: gauge, value: recorded, labels: [schemaname, matviewname], help: "1 if the table has a time for the view, 0 if it has none"}
*/
-- The table names a view with or without its schema; without, it is the one that its name alone finds.
SELECT
    schemas.nspname AS schemaname,
    relations.relname AS matviewname,
    EXISTS (
        SELECT 1
        FROM public.materialized_view_status AS status
        WHERE status.last_refresh IS NOT NULL
            AND (
                status.view_name::text = schemas.nspname || '.' || relations.relname
                OR (
                    status.view_name::text = relations.relname
                    AND pg_catalog.pg_table_is_visible(relations.oid)
                )
            )
    ) AS recorded
FROM pg_catalog.pg_class AS relations
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
WHERE relations.relkind = 'm'
    AND relations.relispopulated
ORDER BY 1, 2;
