/*
help: The sessions that have been idle longest in an open transaction, five in each database
interval: 15s
scope: cluster
requires: {privilege: pg_read_all_stats, setting: {track_activities: "on"}}
metrics:
  pg_activity_longest_idle_in_transaction_seconds:
    type: gauge
    value: seconds
    labels: [datname, usename, application_name, pid]
    help: Time since the session last did anything in the transaction that it holds open
*/
SELECT
    ranked.datname AS datname,
    ranked.usename AS usename,
    ranked.application_name AS application_name,
    ranked.pid AS pid,
    ranked.seconds AS seconds
FROM (
    SELECT
        datname,
        usename,
        application_name,
        pid,
        extract(epoch FROM clock_timestamp() - state_change) AS seconds,
        row_number() OVER (PARTITION BY datname ORDER BY state_change, pid) AS rank
    FROM pg_catalog.pg_stat_activity
    WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')
        AND pid <> pg_catalog.pg_backend_pid()
) AS ranked
WHERE ranked.rank <= 5
ORDER BY ranked.seconds DESC, ranked.pid;
