/*
help: Tables that are read from end to end so often that an index may be missing
interval: 5m
timeout: 10s
requires: {setting: {track_counts: "on"}}
max_series: 500
metrics:
  pg_table_missing_index:
    type: gauge
    value: seq_scan
    labels: [schemaname, relname]
    help: >-
      Sequential scans of a table with 1000 rows and more that has over 100000 of them, or over 1000
      that read 10000 rows each on average and outnumber its index scans
*/
SELECT
    schemaname AS schemaname,
    relname AS relname,
    seq_scan AS seq_scan
FROM pg_catalog.pg_stat_user_tables
WHERE n_live_tup >= 1000
    AND (
        seq_scan > 100000
        OR (
            seq_scan > 1000
            AND seq_tup_read / seq_scan >= 10000
            AND seq_scan > coalesce(idx_scan, 0)
        )
    )
ORDER BY seq_tup_read DESC, 1, 2;
