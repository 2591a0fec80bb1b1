/*
help: The WAL on disk
interval: 5m
scope: cluster
requires: {privilege: pg_monitor}
metrics:
  pg_wal_segments: {type: gauge, value: segments, help: Number of WAL segments}
  pg_wal_size_bytes: {type: gauge, value: bytes, help: Size of the WAL segments}
*/
SELECT
    count(*) AS segments,
    sum(size) AS bytes
FROM pg_catalog.pg_ls_waldir()
WHERE name ~ '^[0-9A-F]{24}$';
