/*
help: Locks held or awaited, by database and mode
scope: cluster
max_series: 4000
metrics:
  pg_locks_count: {type: gauge, value: count, labels: [datname, mode], help: Number of locks held or awaited}
*/
SELECT
    databases.datname AS datname,
    modes.mode AS mode,
    coalesce(locks.count, 0) AS count
FROM pg_catalog.pg_database AS databases
CROSS JOIN (
    VALUES
        ('accesssharelock'),
        ('rowsharelock'),
        ('rowexclusivelock'),
        ('shareupdateexclusivelock'),
        ('sharelock'),
        ('sharerowexclusivelock'),
        ('exclusivelock'),
        ('accessexclusivelock'),
        ('sireadlock')
) AS modes (mode)
LEFT JOIN (
    SELECT
        database,
        lower(mode) AS mode,
        count(*) AS count
    FROM pg_catalog.pg_locks
    WHERE database IS NOT NULL
        AND pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
    GROUP BY 1, 2
) AS locks
    ON locks.database = databases.oid
    AND locks.mode = modes.mode
WHERE databases.datallowconn
ORDER BY 1, 2;
