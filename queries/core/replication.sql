/*
help: Whether the server is a replica, and how far behind
interval: 15s
scope: cluster
metrics:
  pg_replication_is_replica: {type: gauge, value: is_replica, help: 1 if the server is in recovery}
  pg_replication_lag_seconds: {type: gauge, value: lag_seconds, help: "Age of the last replayed transaction; 0 on a primary, and when all WAL that was received is replayed"}
  pg_replication_last_replay_seconds: {type: gauge, value: last_replay_seconds, help: Time since the last replayed transaction was committed}
  pg_replication_received_lsn_bytes: {type: gauge, value: received_lsn, help: "Position in the WAL in bytes up to which the replica received it by streaming; absent if it received none since it started"}
  pg_replication_replay_paused: {type: gauge, value: replay_paused, help: 1 if replay was paused on the replica}
*/
SELECT
    recovery.on AS is_replica,
    CASE
        WHEN NOT recovery.on THEN 0
        WHEN pg_catalog.pg_last_wal_receive_lsn() = pg_catalog.pg_last_wal_replay_lsn() THEN 0
        ELSE greatest(
            0,
            extract(epoch FROM clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())
        )
    END AS lag_seconds,
    CASE
        WHEN recovery.on
            THEN extract(epoch FROM clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())
    END AS last_replay_seconds,
    CASE
        WHEN recovery.on
            THEN pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), '0/0')
    END AS received_lsn,
    CASE
        WHEN recovery.on THEN pg_catalog.pg_is_wal_replay_paused()
    END AS replay_paused
FROM pg_catalog.pg_is_in_recovery() AS recovery ("on");
