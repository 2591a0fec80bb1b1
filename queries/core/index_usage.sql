/*
help: How many indexes are used how much
interval: 5m
timeout: 10s
metrics:
  pg_indexes_by_usage:
    type: gauge
    value: count
    labels: [schemaname, usage_level]
    help: Number of indexes by scans since the statistics were reset (UNUSED 0, LOW under 100, MEDIUM under 1000, HIGH)
*/
SELECT
    schemaname AS schemaname,
    CASE
        WHEN idx_scan = 0 THEN 'UNUSED'
        WHEN idx_scan < 100 THEN 'LOW'
        WHEN idx_scan < 1000 THEN 'MEDIUM'
        ELSE 'HIGH'
    END AS usage_level,
    count(*) AS count
FROM pg_catalog.pg_stat_user_indexes
GROUP BY 1, 2
ORDER BY 1, 2;
