/*
help: The connection limit of each role that may log in
interval: 5m
scope: cluster
metrics:
  pg_roles_connection_limit: {type: gauge, value: connection_limit, labels: [rolname], help: "Connection limit of the role, -1 for none"}
*/
SELECT
    rolname AS rolname,
    rolconnlimit AS connection_limit
FROM pg_catalog.pg_roles
WHERE rolcanlogin
ORDER BY rolname;
