/*
help: Which server this is, and since when it runs
scope: cluster
metrics:
  pg_static: {type: untyped, value: one, labels: [version, short_version], help: "The server's version, always 1"}
  pg_server_version_num: {type: gauge, value: version_num, help: "The server's version as a number, such as 150004"}
  pg_postmaster_start_time_seconds: {type: gauge, value: start_time, help: Unix time at which the server started}
  pg_conf_load_time_seconds: {type: gauge, value: conf_load_time, help: Unix time at which the configuration was last loaded}
*/
SELECT
    1 AS one,
    pg_catalog.version() AS version,
    pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS short_version,
    pg_catalog.current_setting('server_version_num')::integer AS version_num,
    pg_catalog.pg_postmaster_start_time() AS start_time,
    pg_catalog.pg_conf_load_time() AS conf_load_time;
