/*
help: CPU time and memory of the database's machine, from /proc (Linux only)
interval: 15s
timeout: 5s
scope: cluster
requires: {privilege: pg_read_server_files}
max_series: 20000
metrics:
  node_cpu_seconds_total: {type: counter, value: cpu_seconds, labels: [probe, cpu, mode], help: Seconds the CPUs spent in each mode}
  node_memory_MemTotal_bytes: {type: gauge, value: memory_total_bytes, labels: [probe], help: Memory of the host}
  node_memory_MemAvailable_bytes: {type: gauge, value: memory_available_bytes, labels: [probe], help: "Memory that new work could have without swapping, as the kernel estimates it"}
*/
-- Read with a length: without one, servers before 14 read as many bytes as the file claims to have, which is 0 here.
-- Besides pg_read_server_files the role needs EXECUTE on pg_catalog.pg_read_file(text, bigint, bigint).
-- /proc/stat counts in USER_HZ, 100 a second wherever PostgreSQL is packaged for Linux. proc_stat(5), proc_meminfo(5).
SELECT
  'host' AS probe,
  line.fields[1] AS cpu,
  modes.names[mode.number] AS mode,
  line.fields[mode.number + 1]::double precision / 100 AS cpu_seconds,
  NULL::double precision AS memory_total_bytes,
  NULL::double precision AS memory_available_bytes
FROM
  (
    SELECT pg_catalog.regexp_split_to_array(pg_catalog.substr(text, 4), ' +') AS fields
    FROM pg_catalog.regexp_split_to_table(pg_catalog.pg_read_file('/proc/stat', 0, 4194304), E'\n') AS text
    WHERE text ~ '^cpu[0-9]'
  ) AS line
  CROSS JOIN (SELECT ARRAY['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal'] AS names) AS modes
  CROSS JOIN pg_catalog.generate_series(1, 8) AS mode(number)
WHERE line.fields[mode.number + 1] IS NOT NULL
UNION ALL
SELECT
  'host',
  NULL,
  NULL,
  NULL,
  pg_catalog.substring(meminfo.text, 'MemTotal: +([0-9]+) kB')::double precision * 1024,
  pg_catalog.substring(meminfo.text, 'MemAvailable: +([0-9]+) kB')::double precision * 1024
FROM (SELECT pg_catalog.pg_read_file('/proc/meminfo', 0, 65536) AS text) AS meminfo
ORDER BY cpu, mode;
