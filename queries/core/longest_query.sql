/*
help: The statements that have been running longest, five in each database, from 0.1 s on
interval: 15s
scope: cluster
requires: {privilege: pg_read_all_stats, setting: {track_activities: "on"}}
metrics:
  pg_activity_longest_query_seconds:
    type: gauge
    value: seconds
    labels: [datname, usename, application_name, pid]
    help: Time since the statement that runs now began; client sessions only, without those of pgwatch
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
        extract(epoch FROM clock_timestamp() - query_start) AS seconds,
        row_number() OVER (PARTITION BY datname ORDER BY query_start, pid) AS rank
    FROM pg_catalog.pg_stat_activity
    WHERE state = 'active'
        AND backend_type = 'client backend'
        AND pid <> pg_catalog.pg_backend_pid()
        AND application_name <> 'pgwatch'
        AND query_start < clock_timestamp() - interval '100 milliseconds'
) AS ranked
WHERE ranked.rank <= 5
ORDER BY ranked.seconds DESC, ranked.pid;
