/*
help: How many indexes are used how much, as the view index_usage_stats has it
interval: 15m
timeout: 10s
requires: {relation: public.index_usage_stats}
metrics:
  roofing_indexes_by_usage: {type: gauge, value: count, labels: [usage_level], help: Number of indexes of this usage level}
*/
-- The view may measure exact sizes, which waits for whoever holds an ACCESS EXCLUSIVE lock: rarely, and
-- under lock_timeout.
SELECT
    usage_level::text AS usage_level,
    count(*) AS count
FROM public.index_usage_stats
GROUP BY 1
ORDER BY 1;
