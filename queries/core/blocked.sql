/*
help: Sessions that wait for a lock, and who holds them up; the 50 that have waited longest
interval: 15s
requires: {version: ">=14"}
metrics:
  pg_blocked_session_seconds:
    type: gauge
    value: seconds
    labels: [usename, pid, blocked_by, locktype, relation]
    help: Time that the session has waited for its lock; blocked_by lists the pids in its way, 0 is a prepared transaction
*/
-- pg_blocking_pids() stops the lock manager for a moment, so it is asked only of those that wait. A
-- session that waits for a row waits for the transaction that changed it: the table is then the one
-- whose row it has marked as next to be locked.
SELECT
    waiting.usename AS usename,
    waiting.pid AS pid,
    pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(waiting.pid), ',') AS blocked_by,
    waiting.locktype AS locktype,
    (
        SELECT schemas.nspname || '.' || relations.relname
        FROM pg_catalog.pg_class AS relations
        INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
        WHERE relations.oid = waiting.relation
    ) AS relation,
    waiting.seconds AS seconds
FROM (
    SELECT DISTINCT ON (awaited.pid)
        sessions.usename,
        awaited.pid,
        awaited.locktype,
        coalesce(awaited.relation, marked.relation) AS relation,
        extract(epoch FROM clock_timestamp() - coalesce(awaited.waitstart, sessions.query_start)) AS seconds
    FROM pg_catalog.pg_locks AS awaited
    INNER JOIN pg_catalog.pg_stat_activity AS sessions ON sessions.pid = awaited.pid
    LEFT JOIN pg_catalog.pg_locks AS marked
        ON marked.pid = awaited.pid
        AND marked.locktype = 'tuple'
        AND marked.granted
        AND awaited.locktype = 'transactionid'
    WHERE NOT awaited.granted
        AND sessions.datname = pg_catalog.current_database()
        AND awaited.pid <> pg_catalog.pg_backend_pid()
    ORDER BY awaited.pid, marked.relation
) AS waiting
ORDER BY waiting.seconds DESC, waiting.pid
LIMIT 50;
