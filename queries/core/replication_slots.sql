/*
help: Replication slots, and how much WAL each holds back
scope: cluster
max_series: 1000
metrics:
  pg_replication_slots_active: {type: gauge, value: active, labels: [slot_name, database], help: 1 if the slot is in use}
  pg_replication_slots_pg_wal_lsn_diff: {type: gauge, value: retained_bytes, labels: [slot_name, database], help: WAL in bytes that the slot keeps the server from removing}
  pg_replication_slots_slot_current_wal_lsn: {type: gauge, value: current_lsn, labels: [slot_name, slot_type], help: The server's position in the WAL in bytes}
  pg_replication_slots_slot_confirmed_flush_lsn: {type: gauge, value: confirmed_lsn, labels: [slot_name, slot_type], help: Position in bytes up to which the slot's consumer has confirmed}
  pg_replication_slots_slot_is_active: {type: gauge, value: active, labels: [slot_name, slot_type], help: 1 if the slot is in use}
  pg_replication_slots_safe_wal_size_bytes: {type: gauge, value: safe_bytes, labels: [slot_name, slot_type], help: WAL that can be written before the slot is in danger of losing some}
  pg_replication_slots_wal_status: {type: gauge, value: one, labels: [slot_name, slot_type, wal_status], help: Availability of the WAL that the slot needs}
  pg_replication_slot_unread_wal_bytes: {type: gauge, value: unread_bytes, labels: [slot_name, database], help: "WAL in bytes that a slot holds back that nobody reads; absent for one in use, one without reserved WAL, and a standby's copy of a failover slot"}
*/
-- Before its first use a physical slot may have no WAL reserved, and an invalidated one has lost it. A failover slot's
-- copy on a standby (synced) is never active; on a promoted one the mark stays and has no meaning.
SELECT
    slots.slot_name AS slot_name,
    slots.database AS database,
    slots.slot_type AS slot_type,
    slots.wal_status AS wal_status,
    slots.active AS active,
    pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn) AS retained_bytes,
    pg_catalog.pg_wal_lsn_diff(position.lsn, '0/0') AS current_lsn,
    CASE
        WHEN slots.active THEN pg_catalog.pg_wal_lsn_diff(slots.confirmed_flush_lsn, '0/0')
    END AS confirmed_lsn,
    slots.safe_wal_size AS safe_bytes,
    CASE
        WHEN NOT slots.active AND NOT (slots.synced AND pg_catalog.pg_is_in_recovery())
            THEN pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn)
    END AS unread_bytes,
    1 AS one
FROM pg_catalog.pg_replication_slots AS slots
CROSS JOIN (
    SELECT
        CASE
            WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn()
        END AS lsn
) AS position
ORDER BY slots.slot_name;
-- version: >=13 <17
SELECT
    slots.slot_name AS slot_name,
    slots.database AS database,
    slots.slot_type AS slot_type,
    slots.wal_status AS wal_status,
    slots.active AS active,
    pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn) AS retained_bytes,
    pg_catalog.pg_wal_lsn_diff(position.lsn, '0/0') AS current_lsn,
    CASE
        WHEN slots.active THEN pg_catalog.pg_wal_lsn_diff(slots.confirmed_flush_lsn, '0/0')
    END AS confirmed_lsn,
    slots.safe_wal_size AS safe_bytes,
    CASE
        WHEN NOT slots.active
            THEN pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn)
    END AS unread_bytes,
    1 AS one
FROM pg_catalog.pg_replication_slots AS slots
CROSS JOIN (
    SELECT
        CASE
            WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn()
        END AS lsn
) AS position
ORDER BY slots.slot_name;
-- version: <13
SELECT
    slots.slot_name AS slot_name,
    slots.database AS database,
    slots.slot_type AS slot_type,
    NULL::text AS wal_status,
    slots.active AS active,
    pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn) AS retained_bytes,
    pg_catalog.pg_wal_lsn_diff(position.lsn, '0/0') AS current_lsn,
    CASE
        WHEN slots.active THEN pg_catalog.pg_wal_lsn_diff(slots.confirmed_flush_lsn, '0/0')
    END AS confirmed_lsn,
    NULL::bigint AS safe_bytes,
    CASE
        WHEN NOT slots.active
            THEN pg_catalog.pg_wal_lsn_diff(position.lsn, slots.restart_lsn)
    END AS unread_bytes,
    NULL::integer AS one
FROM pg_catalog.pg_replication_slots AS slots
CROSS JOIN (
    SELECT
        CASE
            WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_lsn()
        END AS lsn
) AS position
ORDER BY slots.slot_name;
