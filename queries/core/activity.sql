/*
help: Sessions by database and state; states without a session are 0 for every database
interval: 15s
scope: cluster
requires: {privilege: pg_read_all_stats}
max_series: 4000
metrics:
  pg_stat_activity_count:
    type: gauge
    value: count
    labels: [datname, state, usename, application_name, backend_type, wait_event_type, wait_event]
    help: Number of sessions, without the one that asks
  pg_stat_activity_max_tx_duration:
    type: gauge
    value: max_tx_duration
    labels: [datname, state, usename, application_name, backend_type, wait_event_type, wait_event]
    help: Age in seconds of the oldest open transaction of these sessions
*/
SELECT
    databases.datname AS datname,
    states.state AS state,
    sessions.usename AS usename,
    sessions.application_name AS application_name,
    sessions.backend_type AS backend_type,
    sessions.wait_event_type AS wait_event_type,
    sessions.wait_event AS wait_event,
    coalesce(sessions.count, 0) AS count,
    coalesce(sessions.max_tx_duration, 0) AS max_tx_duration
FROM pg_catalog.pg_database AS databases
CROSS JOIN (
    VALUES
        ('active'),
        ('idle'),
        ('idle in transaction'),
        ('idle in transaction (aborted)'),
        ('fastpath function call'),
        ('disabled')
) AS states (state)
LEFT JOIN (
    SELECT
        datname,
        state,
        usename,
        application_name,
        backend_type,
        wait_event_type,
        wait_event,
        count(*) AS count,
        max(extract(epoch FROM clock_timestamp() - xact_start)) AS max_tx_duration
    FROM pg_catalog.pg_stat_activity
    WHERE pid <> pg_catalog.pg_backend_pid()
    GROUP BY 1, 2, 3, 4, 5, 6, 7
) AS sessions
    ON sessions.datname = databases.datname
    AND sessions.state = states.state
WHERE databases.datallowconn
ORDER BY 1, 2, 3, 4, 5, 6, 7;
