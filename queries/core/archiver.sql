/*
help: Whether WAL is archived
scope: cluster
metrics:
  pg_stat_archiver_archived_count: {type: counter, value: archived_count, help: WAL files archived}
  pg_stat_archiver_failed_count: {type: counter, value: failed_count, help: Failed attempts to archive a WAL file}
  pg_stat_archiver_last_archive_age: {type: gauge, value: last_archive_age, help: Time in seconds since a WAL file was last archived}
  pg_archiver_failing: {type: gauge, value: failing, help: 1 if the newest attempt to archive failed}
*/
SELECT
    archived_count AS archived_count,
    failed_count AS failed_count,
    extract(epoch FROM clock_timestamp() - last_archived_time) AS last_archive_age,
    CASE
        WHEN pg_catalog.current_setting('archive_mode') <> 'off'
            THEN coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false)
    END AS failing
FROM pg_catalog.pg_stat_archiver;
