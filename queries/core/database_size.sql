/*
help: The size of each database on disk
interval: 15m
timeout: 60s
scope: cluster
metrics:
  pg_database_size_bytes: {type: gauge, value: bytes, labels: [datname], help: Size of the database on disk}
*/
-- Looks at every file of every database, so it is asked rarely; it takes no lock. Databases that our
-- role may neither connect to nor read statistics of give no sample.
SELECT
    datname AS datname,
    CASE
        WHEN pg_catalog.has_database_privilege(oid, 'CONNECT')
            OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_catalog.pg_database_size(oid)
    END AS bytes
FROM pg_catalog.pg_database
WHERE datallowconn
ORDER BY datname;
