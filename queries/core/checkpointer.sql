/*
help: Checkpoints and restartpoints, as PostgreSQL 17 and newer count them
scope: cluster
requires: {version: ">=17"}
metrics:
  pg_stat_checkpointer_num_timed_total: {type: counter, value: num_timed, help: "Checkpoints because of checkpoint_timeout"}
  pg_stat_checkpointer_num_requested_total: {type: counter, value: num_requested, help: "Checkpoints that were asked for, most because of max_wal_size"}
  pg_stat_checkpointer_restartpoints_timed_total: {type: counter, value: restartpoints_timed, help: "Restartpoints because of checkpoint_timeout"}
  pg_stat_checkpointer_restartpoints_req_total: {type: counter, value: restartpoints_req, help: "Restartpoints that were asked for"}
  pg_stat_checkpointer_restartpoints_done_total: {type: counter, value: restartpoints_done, help: "Restartpoints performed"}
  pg_stat_checkpointer_write_time_total: {type: counter, value: write_time, help: "Milliseconds spent writing"}
  pg_stat_checkpointer_sync_time_total: {type: counter, value: sync_time, help: "Milliseconds spent syncing"}
  pg_stat_checkpointer_buffers_written_total: {type: counter, value: buffers_written, help: "Buffers written"}
  pg_stat_checkpointer_stats_reset_total: {type: counter, value: stats_reset, help: "Unix time of the last reset of these statistics"}
*/
SELECT
    num_timed AS num_timed,
    num_requested AS num_requested,
    restartpoints_timed AS restartpoints_timed,
    restartpoints_req AS restartpoints_req,
    restartpoints_done AS restartpoints_done,
    write_time AS write_time,
    sync_time AS sync_time,
    buffers_written AS buffers_written,
    stats_reset AS stats_reset
FROM pg_catalog.pg_stat_checkpointer;
