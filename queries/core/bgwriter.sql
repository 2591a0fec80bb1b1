/*
help: Checkpoints and the background writer
scope: cluster
metrics:
  pg_stat_bgwriter_checkpoints_timed_total: {type: counter, value: checkpoints_timed, help: "Checkpoints because of checkpoint_timeout"}
  pg_stat_bgwriter_checkpoints_req_total: {type: counter, value: checkpoints_req, help: "Checkpoints that were asked for, most because of max_wal_size"}
  pg_stat_bgwriter_checkpoint_write_time_total: {type: counter, value: checkpoint_write_time, help: "Milliseconds that checkpoints spent writing"}
  pg_stat_bgwriter_checkpoint_sync_time_total: {type: counter, value: checkpoint_sync_time, help: "Milliseconds that checkpoints spent syncing"}
  pg_stat_bgwriter_buffers_checkpoint_total: {type: counter, value: buffers_checkpoint, help: "Buffers written by checkpoints"}
  pg_stat_bgwriter_buffers_backend_total: {type: counter, value: buffers_backend, help: "Buffers written by backends themselves"}
  pg_stat_bgwriter_buffers_backend_fsync_total: {type: counter, value: buffers_backend_fsync, help: "Times a backend had to sync a file itself"}
  pg_stat_bgwriter_buffers_clean_total: {type: counter, value: buffers_clean, help: "Buffers written by the background writer"}
  pg_stat_bgwriter_maxwritten_clean_total: {type: counter, value: maxwritten_clean, help: "Times the background writer stopped because it had written too many buffers"}
  pg_stat_bgwriter_buffers_alloc_total: {type: counter, value: buffers_alloc, help: "Buffers allocated"}
  pg_stat_bgwriter_stats_reset_total: {type: counter, value: stats_reset, help: "Unix time of the last reset of these statistics"}
*/
-- PostgreSQL 17 moved the checkpoints to pg_stat_checkpointer, and what backends write to pg_stat_io: the
-- series keep their names.
SELECT
    checkpointer.num_timed AS checkpoints_timed,
    checkpointer.num_requested AS checkpoints_req,
    checkpointer.write_time AS checkpoint_write_time,
    checkpointer.sync_time AS checkpoint_sync_time,
    checkpointer.buffers_written AS buffers_checkpoint,
    backends.writes AS buffers_backend,
    backends.fsyncs AS buffers_backend_fsync,
    writer.buffers_clean AS buffers_clean,
    writer.maxwritten_clean AS maxwritten_clean,
    writer.buffers_alloc AS buffers_alloc,
    writer.stats_reset AS stats_reset
FROM pg_catalog.pg_stat_bgwriter AS writer
CROSS JOIN pg_catalog.pg_stat_checkpointer AS checkpointer
CROSS JOIN (
    SELECT
        sum(writes) AS writes,
        sum(fsyncs) AS fsyncs
    FROM pg_catalog.pg_stat_io
    WHERE backend_type NOT IN ('checkpointer', 'background writer')
        AND object = 'relation'
) AS backends;
-- version: <17
SELECT
    checkpoints_timed AS checkpoints_timed,
    checkpoints_req AS checkpoints_req,
    checkpoint_write_time AS checkpoint_write_time,
    checkpoint_sync_time AS checkpoint_sync_time,
    buffers_checkpoint AS buffers_checkpoint,
    buffers_backend AS buffers_backend,
    buffers_backend_fsync AS buffers_backend_fsync,
    buffers_clean AS buffers_clean,
    maxwritten_clean AS maxwritten_clean,
    buffers_alloc AS buffers_alloc,
    stats_reset AS stats_reset
FROM pg_catalog.pg_stat_bgwriter;
