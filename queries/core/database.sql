/*
help: What happened in each database, as the statistics collector counts it
scope: cluster
max_series: 5000
metrics:
  pg_stat_database_numbackends: {type: gauge, value: numbackends, labels: [datid, datname], help: "Backends connected to the database"}
  pg_stat_database_xact_commit: {type: counter, value: xact_commit, labels: [datid, datname], help: "Transactions committed"}
  pg_stat_database_xact_rollback: {type: counter, value: xact_rollback, labels: [datid, datname], help: "Transactions rolled back"}
  pg_stat_database_blks_read: {type: counter, value: blks_read, labels: [datid, datname], help: "Blocks read, not found in shared buffers"}
  pg_stat_database_blks_hit: {type: counter, value: blks_hit, labels: [datid, datname], help: "Blocks found in shared buffers"}
  pg_stat_database_tup_returned: {type: counter, value: tup_returned, labels: [datid, datname], help: "Rows that scans returned"}
  pg_stat_database_tup_fetched: {type: counter, value: tup_fetched, labels: [datid, datname], help: "Rows that index scans fetched"}
  pg_stat_database_tup_inserted: {type: counter, value: tup_inserted, labels: [datid, datname], help: "Rows inserted"}
  pg_stat_database_tup_updated: {type: counter, value: tup_updated, labels: [datid, datname], help: "Rows updated"}
  pg_stat_database_tup_deleted: {type: counter, value: tup_deleted, labels: [datid, datname], help: "Rows deleted"}
  pg_stat_database_conflicts: {type: counter, value: conflicts, labels: [datid, datname], help: "Statements cancelled on a standby because of recovery"}
  pg_stat_database_temp_files: {type: counter, value: temp_files, labels: [datid, datname], help: "Temporary files created"}
  pg_stat_database_temp_bytes: {type: counter, value: temp_bytes, labels: [datid, datname], help: "Bytes written to temporary files"}
  pg_stat_database_deadlocks: {type: counter, value: deadlocks, labels: [datid, datname], help: "Deadlocks detected"}
  pg_stat_database_blk_read_time: {type: counter, value: blk_read_time, labels: [datid, datname], help: "Milliseconds spent reading blocks (with track_io_timing)"}
  pg_stat_database_blk_write_time: {type: counter, value: blk_write_time, labels: [datid, datname], help: "Milliseconds spent writing blocks (with track_io_timing)"}
  pg_stat_database_stats_reset: {type: counter, value: stats_reset, labels: [datid, datname], help: "Unix time of the last reset of these statistics, 0 for never"}
  pg_stat_database_active_time_seconds_total: {type: counter, value: active_time, labels: [datid, datname], help: "Seconds that sessions spent running statements"}
  pg_stat_database_checksum_failures_total: {type: counter, value: checksum_failures, labels: [datid, datname], help: "Data pages that failed their checksum"}
*/
SELECT
    datid AS datid,
    datname AS datname,
    numbackends AS numbackends,
    xact_commit AS xact_commit,
    xact_rollback AS xact_rollback,
    blks_read AS blks_read,
    blks_hit AS blks_hit,
    tup_returned AS tup_returned,
    tup_fetched AS tup_fetched,
    tup_inserted AS tup_inserted,
    tup_updated AS tup_updated,
    tup_deleted AS tup_deleted,
    conflicts AS conflicts,
    temp_files AS temp_files,
    temp_bytes AS temp_bytes,
    deadlocks AS deadlocks,
    blk_read_time AS blk_read_time,
    blk_write_time AS blk_write_time,
    coalesce(extract(epoch FROM stats_reset), 0) AS stats_reset,
    active_time / 1000 AS active_time,
    checksum_failures AS checksum_failures
FROM pg_catalog.pg_stat_database
WHERE datname IS NOT NULL
ORDER BY datname;
-- version: <14
SELECT
    datid AS datid,
    datname AS datname,
    numbackends AS numbackends,
    xact_commit AS xact_commit,
    xact_rollback AS xact_rollback,
    blks_read AS blks_read,
    blks_hit AS blks_hit,
    tup_returned AS tup_returned,
    tup_fetched AS tup_fetched,
    tup_inserted AS tup_inserted,
    tup_updated AS tup_updated,
    tup_deleted AS tup_deleted,
    conflicts AS conflicts,
    temp_files AS temp_files,
    temp_bytes AS temp_bytes,
    deadlocks AS deadlocks,
    blk_read_time AS blk_read_time,
    blk_write_time AS blk_write_time,
    coalesce(extract(epoch FROM stats_reset), 0) AS stats_reset,
    NULL::double precision AS active_time,
    checksum_failures AS checksum_failures
FROM pg_catalog.pg_stat_database
WHERE datname IS NOT NULL
ORDER BY datname;
