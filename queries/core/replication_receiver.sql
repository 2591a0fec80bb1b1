/*
help: Whether a replica that is meant to stream from its primary is connected to it
interval: 15s
scope: cluster
role: standby
requires: {privilege: pg_read_all_settings}
metrics:
  pg_replication_receiver_connected: {type: gauge, value: connected, help: "1 if the replica's WAL receiver runs; a cut link is 0 here while the lag in seconds stays 0; absent on a replica without primary_conninfo"}
*/
-- A replica without primary_conninfo follows by archived WAL alone. Who may not read the setting could not tell
-- that from a cut link.
SELECT
    CASE
        WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver AS receiver WHERE receiver.pid IS NOT NULL) THEN 1
        WHEN pg_catalog.current_setting('primary_conninfo') <> '' THEN 0
    END AS connected;
