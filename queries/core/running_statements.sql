/*
help: The statements that run now, or are in the way of others as open transactions, the oldest first
kind: evidence
scope: cluster
requires: {version: ">=10", privilege: pg_read_all_stats}
*/
SELECT
    sessions.datname AS datname,
    sessions.pid AS pid,
    sessions.usename AS usename,
    sessions.application_name AS application_name,
    sessions.state AS state,
    sessions.wait_event AS wait_event,
    sessions.xact_start AS in_transaction_since,
    left(sessions.query, 300) AS query
FROM pg_catalog.pg_stat_activity AS sessions
WHERE sessions.backend_type = 'client backend'
    AND sessions.state <> 'idle'
    AND sessions.pid <> pg_catalog.pg_backend_pid()
    AND sessions.application_name <> 'pgwatch'
ORDER BY sessions.xact_start, sessions.pid
LIMIT 20;
