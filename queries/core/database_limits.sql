/*
help: The connection limit of each database
interval: 5m
scope: cluster
metrics:
  pg_database_connection_limit: {type: gauge, value: connection_limit, labels: [datname], help: "Connection limit of the database, -1 for none"}
*/
SELECT
    datname AS datname,
    datconnlimit AS connection_limit
FROM pg_catalog.pg_database
WHERE datallowconn
ORDER BY datname;
