/*
help: Statements that replay had to cancel on a standby, by cause
scope: cluster
role: standby
max_series: 2000
metrics:
  pg_stat_database_conflicts_confl_tablespace: {type: counter, value: confl_tablespace, labels: [datid, datname], help: Cancelled because of dropped tablespaces}
  pg_stat_database_conflicts_confl_lock: {type: counter, value: confl_lock, labels: [datid, datname], help: Cancelled because of lock timeouts}
  pg_stat_database_conflicts_confl_snapshot: {type: counter, value: confl_snapshot, labels: [datid, datname], help: Cancelled because of old snapshots}
  pg_stat_database_conflicts_confl_bufferpin: {type: counter, value: confl_bufferpin, labels: [datid, datname], help: Cancelled because of pinned buffers}
  pg_stat_database_conflicts_confl_deadlock: {type: counter, value: confl_deadlock, labels: [datid, datname], help: Cancelled because of deadlocks}
*/
SELECT
    datid AS datid,
    datname AS datname,
    confl_tablespace AS confl_tablespace,
    confl_lock AS confl_lock,
    confl_snapshot AS confl_snapshot,
    confl_bufferpin AS confl_bufferpin,
    confl_deadlock AS confl_deadlock
FROM pg_catalog.pg_stat_database_conflicts
ORDER BY datname;
