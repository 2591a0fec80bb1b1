/*
help: The standbys that are connected, and how far behind
interval: 15s
scope: cluster
requires: {privilege: pg_read_all_stats}
metrics:
  pg_stat_replication_pg_current_wal_lsn_bytes: {type: gauge, value: current_lsn, labels: [application_name, client_addr, state, slot_name, pid], help: The server's position in the WAL in bytes}
  pg_stat_replication_pg_wal_lsn_diff: {type: gauge, value: behind_bytes, labels: [application_name, client_addr, state, slot_name, pid], help: WAL in bytes that the standby has not yet replayed}
  pg_stat_replication_replay_lag_seconds: {type: gauge, value: replay_lag, labels: [application_name, client_addr, state, slot_name, pid], help: Time between writing recent WAL here and its replay there; absent when nothing was written}
*/
SELECT
    standbys.application_name AS application_name,
    pg_catalog.host(standbys.client_addr) AS client_addr,
    standbys.state AS state,
    slots.slot_name AS slot_name,
    standbys.pid AS pid,
    pg_catalog.pg_wal_lsn_diff(position.lsn, '0/0') AS current_lsn,
    pg_catalog.pg_wal_lsn_diff(position.lsn, standbys.replay_lsn) AS behind_bytes,
    standbys.replay_lag AS replay_lag
FROM pg_catalog.pg_stat_replication AS standbys
LEFT JOIN pg_catalog.pg_replication_slots AS slots ON slots.active_pid = standbys.pid
CROSS JOIN (
    SELECT
        CASE
            WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_receive_lsn()
            ELSE pg_catalog.pg_current_wal_lsn()
        END AS lsn
) AS position
ORDER BY 1, 2, 5;
