/*
help: The settings that matter to rules and dashboards
interval: 5m
scope: cluster
metrics:
  pg_settings_max_connections: {type: gauge, value: max_connections, help: "Setting max_connections"}
  pg_settings_superuser_reserved_connections: {type: gauge, value: superuser_reserved_connections, help: "Setting superuser_reserved_connections"}
  pg_settings_max_locks_per_transaction: {type: gauge, value: max_locks_per_transaction, help: "Setting max_locks_per_transaction"}
  pg_settings_max_prepared_transactions: {type: gauge, value: max_prepared_transactions, help: "Setting max_prepared_transactions"}
  pg_settings_max_worker_processes: {type: gauge, value: max_worker_processes, help: "Setting max_worker_processes"}
  pg_settings_max_wal_senders: {type: gauge, value: max_wal_senders, help: "Setting max_wal_senders"}
  pg_settings_max_replication_slots: {type: gauge, value: max_replication_slots, help: "Setting max_replication_slots"}
  pg_settings_autovacuum: {type: gauge, value: autovacuum, help: "Setting autovacuum"}
  pg_settings_autovacuum_max_workers: {type: gauge, value: autovacuum_max_workers, help: "Setting autovacuum_max_workers"}
  pg_settings_autovacuum_freeze_max_age: {type: gauge, value: autovacuum_freeze_max_age, help: "Setting autovacuum_freeze_max_age"}
  pg_settings_autovacuum_multixact_freeze_max_age: {type: gauge, value: autovacuum_multixact_freeze_max_age, help: "Setting autovacuum_multixact_freeze_max_age"}
  pg_settings_autovacuum_vacuum_threshold: {type: gauge, value: autovacuum_vacuum_threshold, help: "Setting autovacuum_vacuum_threshold"}
  pg_settings_autovacuum_vacuum_scale_factor: {type: gauge, value: autovacuum_vacuum_scale_factor, help: "Setting autovacuum_vacuum_scale_factor"}
  pg_settings_autovacuum_analyze_threshold: {type: gauge, value: autovacuum_analyze_threshold, help: "Setting autovacuum_analyze_threshold"}
  pg_settings_autovacuum_analyze_scale_factor: {type: gauge, value: autovacuum_analyze_scale_factor, help: "Setting autovacuum_analyze_scale_factor"}
  pg_settings_fsync: {type: gauge, value: fsync, help: "Setting fsync"}
  pg_settings_full_page_writes: {type: gauge, value: full_page_writes, help: "Setting full_page_writes"}
  pg_settings_data_checksums: {type: gauge, value: data_checksums, help: "Setting data_checksums"}
  pg_settings_track_counts: {type: gauge, value: track_counts, help: "Setting track_counts"}
  pg_settings_track_activities: {type: gauge, value: track_activities, help: "Setting track_activities"}
  pg_settings_track_io_timing: {type: gauge, value: track_io_timing, help: "Setting track_io_timing"}
  pg_settings_track_commit_timestamp: {type: gauge, value: track_commit_timestamp, help: "Setting track_commit_timestamp"}
  pg_settings_checkpoint_completion_target: {type: gauge, value: checkpoint_completion_target, help: "Setting checkpoint_completion_target"}
  pg_settings_random_page_cost: {type: gauge, value: random_page_cost, help: "Setting random_page_cost"}
  pg_settings_default_statistics_target: {type: gauge, value: default_statistics_target, help: "Setting default_statistics_target"}
  pg_settings_shared_buffers_bytes: {type: gauge, value: shared_buffers_bytes, help: "Setting shared_buffers in bytes"}
  pg_settings_work_mem_bytes: {type: gauge, value: work_mem_bytes, help: "Setting work_mem in bytes"}
  pg_settings_maintenance_work_mem_bytes: {type: gauge, value: maintenance_work_mem_bytes, help: "Setting maintenance_work_mem in bytes"}
  pg_settings_effective_cache_size_bytes: {type: gauge, value: effective_cache_size_bytes, help: "Setting effective_cache_size in bytes"}
  pg_settings_wal_buffers_bytes: {type: gauge, value: wal_buffers_bytes, help: "Setting wal_buffers in bytes"}
  pg_settings_min_wal_size_bytes: {type: gauge, value: min_wal_size_bytes, help: "Setting min_wal_size in bytes"}
  pg_settings_max_wal_size_bytes: {type: gauge, value: max_wal_size_bytes, help: "Setting max_wal_size in bytes"}
  pg_settings_checkpoint_timeout_seconds: {type: gauge, value: checkpoint_timeout_seconds, help: "Setting checkpoint_timeout in seconds"}
  pg_settings_log_min_duration_statement_seconds: {type: gauge, value: log_min_duration_statement_seconds, help: "Setting log_min_duration_statement in seconds, -1 for off"}
  pg_pending_restart_settings: {type: gauge, value: pending_restart, help: Settings that were changed and wait for a restart}
*/
-- Timeouts for statements and locks are left out: what a session sees of them is its own, and ours are
-- set by pgwatch.
SELECT
    max(number) FILTER (WHERE name = 'max_connections') AS max_connections,
    max(number) FILTER (WHERE name = 'superuser_reserved_connections') AS superuser_reserved_connections,
    max(number) FILTER (WHERE name = 'max_locks_per_transaction') AS max_locks_per_transaction,
    max(number) FILTER (WHERE name = 'max_prepared_transactions') AS max_prepared_transactions,
    max(number) FILTER (WHERE name = 'max_worker_processes') AS max_worker_processes,
    max(number) FILTER (WHERE name = 'max_wal_senders') AS max_wal_senders,
    max(number) FILTER (WHERE name = 'max_replication_slots') AS max_replication_slots,
    max(number) FILTER (WHERE name = 'autovacuum') AS autovacuum,
    max(number) FILTER (WHERE name = 'autovacuum_max_workers') AS autovacuum_max_workers,
    max(number) FILTER (WHERE name = 'autovacuum_freeze_max_age') AS autovacuum_freeze_max_age,
    max(number) FILTER (WHERE name = 'autovacuum_multixact_freeze_max_age') AS autovacuum_multixact_freeze_max_age,
    max(number) FILTER (WHERE name = 'autovacuum_vacuum_threshold') AS autovacuum_vacuum_threshold,
    max(number) FILTER (WHERE name = 'autovacuum_vacuum_scale_factor') AS autovacuum_vacuum_scale_factor,
    max(number) FILTER (WHERE name = 'autovacuum_analyze_threshold') AS autovacuum_analyze_threshold,
    max(number) FILTER (WHERE name = 'autovacuum_analyze_scale_factor') AS autovacuum_analyze_scale_factor,
    max(number) FILTER (WHERE name = 'fsync') AS fsync,
    max(number) FILTER (WHERE name = 'full_page_writes') AS full_page_writes,
    max(number) FILTER (WHERE name = 'data_checksums') AS data_checksums,
    max(number) FILTER (WHERE name = 'track_counts') AS track_counts,
    max(number) FILTER (WHERE name = 'track_activities') AS track_activities,
    max(number) FILTER (WHERE name = 'track_io_timing') AS track_io_timing,
    max(number) FILTER (WHERE name = 'track_commit_timestamp') AS track_commit_timestamp,
    max(number) FILTER (WHERE name = 'checkpoint_completion_target') AS checkpoint_completion_target,
    max(number) FILTER (WHERE name = 'random_page_cost') AS random_page_cost,
    max(number) FILTER (WHERE name = 'default_statistics_target') AS default_statistics_target,
    max(number) FILTER (WHERE name = 'shared_buffers') AS shared_buffers_bytes,
    max(number) FILTER (WHERE name = 'work_mem') AS work_mem_bytes,
    max(number) FILTER (WHERE name = 'maintenance_work_mem') AS maintenance_work_mem_bytes,
    max(number) FILTER (WHERE name = 'effective_cache_size') AS effective_cache_size_bytes,
    max(number) FILTER (WHERE name = 'wal_buffers') AS wal_buffers_bytes,
    max(number) FILTER (WHERE name = 'min_wal_size') AS min_wal_size_bytes,
    max(number) FILTER (WHERE name = 'max_wal_size') AS max_wal_size_bytes,
    max(number) FILTER (WHERE name = 'checkpoint_timeout') AS checkpoint_timeout_seconds,
    max(number) FILTER (WHERE name = 'log_min_duration_statement') AS log_min_duration_statement_seconds,
    count(*) FILTER (WHERE pending_restart) AS pending_restart
FROM (
    SELECT
        name,
        pending_restart,
        CASE vartype
            WHEN 'bool' THEN (setting = 'on')::integer
            WHEN 'integer' THEN setting::numeric
            WHEN 'real' THEN setting::numeric
        END
        * CASE
            WHEN setting IN ('-1', '0') THEN 1
            WHEN unit = 'B' THEN 1
            WHEN unit = 'kB' THEN 1024
            WHEN unit = '8kB' THEN 8192
            WHEN unit = 'MB' THEN 1048576
            WHEN unit = 'ms' THEN 0.001
            WHEN unit = 'min' THEN 60
            ELSE 1
        END AS number
    FROM pg_catalog.pg_settings
) AS settings;
