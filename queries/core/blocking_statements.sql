/*
help: Sessions that wait for a lock, with the statement of each and of who is in its way
kind: evidence
requires: {version: ">=9.6", privilege: pg_read_all_stats}
*/
SELECT
    waiting.pid AS pid,
    waiting.usename AS usename,
    left(waiting.query, 300) AS waits_with,
    blocking.pid AS behind_pid,
    blocking.usename AS behind_user,
    blocking.state AS behind_state,
    blocking.xact_start AS in_transaction_since,
    left(blocking.query, 300) AS behind_query
FROM pg_catalog.pg_stat_activity AS waiting
CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(waiting.pid)) AS behind (pid)
LEFT JOIN pg_catalog.pg_stat_activity AS blocking ON blocking.pid = behind.pid
WHERE waiting.wait_event_type = 'Lock'
    AND waiting.datname = pg_catalog.current_database()
    AND waiting.pid <> pg_catalog.pg_backend_pid()
ORDER BY waiting.query_start, waiting.pid, blocking.pid
LIMIT 20;
