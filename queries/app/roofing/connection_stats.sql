/*
help: Connections by state, as the view connection_stats has them
requires: {relation: public.connection_stats, privilege: pg_read_all_stats}
metrics:
  roofing_connections: {type: gauge, value: count, labels: [state], help: Number of connections in this state}
*/
-- A view runs with its owner's rights on tables, but pg_stat_activity hides by who asks: hence the privilege.
SELECT
    stats.entry ->> 'state' AS state,
    sum(
        coalesce(
            stats.entry ->> 'connection_count',
            stats.entry ->> 'connections',
            stats.entry ->> 'count'
        )::numeric
    ) AS count
FROM (
    SELECT pg_catalog.to_jsonb(listed) AS entry
    FROM public.connection_stats AS listed
) AS stats
GROUP BY 1
ORDER BY 1;
