/*
help: Whether pg_stat_statements keeps all statements, and since when it counts
scope: cluster
requires: {version: ">=14", extension: pg_stat_statements>=1.9}
metrics:
  pg_stat_statements_dealloc_total: {type: counter, value: dealloc, help: Times that statistics of the least executed statements were thrown away}
  pg_stat_statements_stats_reset_timestamp_seconds: {type: gauge, value: stats_reset, help: Unix time at which the statistics began}
*/
SELECT
    dealloc AS dealloc,
    stats_reset AS stats_reset
FROM pg_stat_statements_info;
