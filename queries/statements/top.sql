/*
help: The statements that take most time, in all, on average and at worst, and what is left over
timeout: 10s
scope: cluster
requires: {extension: pg_stat_statements, privilege: pg_read_all_stats}
max_series: 1000
metrics:
  pg_stat_statements_calls_total: {type: counter, value: calls, labels: [user, datname, queryid], help: Times the statement was executed}
  pg_stat_statements_seconds_total: {type: counter, value: seconds, labels: [user, datname, queryid], help: Time spent executing the statement}
  pg_stat_statements_rows_total: {type: counter, value: rows, labels: [user, datname, queryid], help: Rows that the statement returned or changed}
  pg_stat_statements_block_read_seconds_total: {type: counter, value: block_read_seconds, labels: [user, datname, queryid], help: Time the statement spent reading blocks (with track_io_timing)}
  pg_stat_statements_block_write_seconds_total: {type: counter, value: block_write_seconds, labels: [user, datname, queryid], help: Time the statement spent writing blocks (with track_io_timing)}
  pg_stat_statements_mean_seconds: {type: gauge, value: mean_seconds, labels: [user, datname, queryid], help: Time of an execution on average since the statistics began}
  pg_stat_statements_max_seconds: {type: gauge, value: max_seconds, labels: [user, datname, queryid], help: Time of the longest execution since the statistics began}
  pg_stat_statements_other_calls: {type: gauge, value: other_calls, labels: [datname], help: Executions of all statements that have no series of their own}
  pg_stat_statements_other_seconds: {type: gauge, value: other_seconds, labels: [datname], help: Time spent in all statements that have no series of their own}
*/
-- Without the texts, which may be hundreds of megabytes. All ranks are over the statistics' whole life, so
-- the choice changes slowly. The rest is no counter: it falls when a statement comes to be chosen.
WITH totals AS (
    SELECT
        userid,
        dbid,
        queryid,
        sum(calls) AS calls,
        sum(total_exec_time) / 1000 AS seconds,
        sum(rows) AS rows,
        sum(shared_blk_read_time) / 1000 AS block_read_seconds,
        sum(shared_blk_write_time) / 1000 AS block_write_seconds,
        sum(total_exec_time) / nullif(sum(calls), 0) / 1000 AS mean_seconds,
        max(max_exec_time) / 1000 AS max_seconds
    FROM pg_stat_statements(false)
    WHERE queryid IS NOT NULL
    GROUP BY userid, dbid, queryid
),

ranked AS (
    SELECT
        userid,
        dbid,
        queryid,
        calls,
        seconds,
        rows,
        block_read_seconds,
        block_write_seconds,
        mean_seconds,
        max_seconds,
        row_number() OVER (ORDER BY seconds DESC, queryid, userid, dbid) <= 50
        OR row_number() OVER (ORDER BY mean_seconds DESC NULLS LAST, queryid, userid, dbid) <= 25
        OR row_number() OVER (ORDER BY max_seconds DESC, queryid, userid, dbid) <= 25 AS chosen
    FROM totals
)

SELECT
    coalesce(roles.rolname::text, ranked.userid::text) AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    ranked.queryid::text AS queryid,
    ranked.calls AS calls,
    ranked.seconds AS seconds,
    ranked.rows AS rows,
    ranked.block_read_seconds AS block_read_seconds,
    ranked.block_write_seconds AS block_write_seconds,
    ranked.mean_seconds AS mean_seconds,
    ranked.max_seconds AS max_seconds,
    NULL::numeric AS other_calls,
    NULL::double precision AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = ranked.userid
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
WHERE ranked.chosen
UNION ALL
SELECT
    NULL AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    NULL AS queryid,
    NULL AS calls,
    NULL AS seconds,
    NULL AS rows,
    NULL AS block_read_seconds,
    NULL AS block_write_seconds,
    NULL AS mean_seconds,
    NULL AS max_seconds,
    coalesce(sum(ranked.calls) FILTER (WHERE NOT ranked.chosen), 0) AS other_calls,
    coalesce(sum(ranked.seconds) FILTER (WHERE NOT ranked.chosen), 0) AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
GROUP BY 2
ORDER BY seconds DESC NULLS LAST, 3, 1, 2;
-- version: >=13 <17
WITH totals AS (
    SELECT
        userid,
        dbid,
        queryid,
        sum(calls) AS calls,
        sum(total_exec_time) / 1000 AS seconds,
        sum(rows) AS rows,
        sum(blk_read_time) / 1000 AS block_read_seconds,
        sum(blk_write_time) / 1000 AS block_write_seconds,
        sum(total_exec_time) / nullif(sum(calls), 0) / 1000 AS mean_seconds,
        max(max_exec_time) / 1000 AS max_seconds
    FROM pg_stat_statements(false)
    WHERE queryid IS NOT NULL
    GROUP BY userid, dbid, queryid
),

ranked AS (
    SELECT
        userid,
        dbid,
        queryid,
        calls,
        seconds,
        rows,
        block_read_seconds,
        block_write_seconds,
        mean_seconds,
        max_seconds,
        row_number() OVER (ORDER BY seconds DESC, queryid, userid, dbid) <= 50
        OR row_number() OVER (ORDER BY mean_seconds DESC NULLS LAST, queryid, userid, dbid) <= 25
        OR row_number() OVER (ORDER BY max_seconds DESC, queryid, userid, dbid) <= 25 AS chosen
    FROM totals
)

SELECT
    coalesce(roles.rolname::text, ranked.userid::text) AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    ranked.queryid::text AS queryid,
    ranked.calls AS calls,
    ranked.seconds AS seconds,
    ranked.rows AS rows,
    ranked.block_read_seconds AS block_read_seconds,
    ranked.block_write_seconds AS block_write_seconds,
    ranked.mean_seconds AS mean_seconds,
    ranked.max_seconds AS max_seconds,
    NULL::numeric AS other_calls,
    NULL::double precision AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = ranked.userid
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
WHERE ranked.chosen
UNION ALL
SELECT
    NULL AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    NULL AS queryid,
    NULL AS calls,
    NULL AS seconds,
    NULL AS rows,
    NULL AS block_read_seconds,
    NULL AS block_write_seconds,
    NULL AS mean_seconds,
    NULL AS max_seconds,
    coalesce(sum(ranked.calls) FILTER (WHERE NOT ranked.chosen), 0) AS other_calls,
    coalesce(sum(ranked.seconds) FILTER (WHERE NOT ranked.chosen), 0) AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
GROUP BY 2
ORDER BY seconds DESC NULLS LAST, 3, 1, 2;
-- version: <13
WITH totals AS (
    SELECT
        userid,
        dbid,
        queryid,
        sum(calls) AS calls,
        sum(total_time) / 1000 AS seconds,
        sum(rows) AS rows,
        sum(blk_read_time) / 1000 AS block_read_seconds,
        sum(blk_write_time) / 1000 AS block_write_seconds,
        sum(total_time) / nullif(sum(calls), 0) / 1000 AS mean_seconds,
        max(max_time) / 1000 AS max_seconds
    FROM pg_stat_statements(false)
    WHERE queryid IS NOT NULL
    GROUP BY userid, dbid, queryid
),

ranked AS (
    SELECT
        userid,
        dbid,
        queryid,
        calls,
        seconds,
        rows,
        block_read_seconds,
        block_write_seconds,
        mean_seconds,
        max_seconds,
        row_number() OVER (ORDER BY seconds DESC, queryid, userid, dbid) <= 50
        OR row_number() OVER (ORDER BY mean_seconds DESC NULLS LAST, queryid, userid, dbid) <= 25
        OR row_number() OVER (ORDER BY max_seconds DESC, queryid, userid, dbid) <= 25 AS chosen
    FROM totals
)

SELECT
    coalesce(roles.rolname::text, ranked.userid::text) AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    ranked.queryid::text AS queryid,
    ranked.calls AS calls,
    ranked.seconds AS seconds,
    ranked.rows AS rows,
    ranked.block_read_seconds AS block_read_seconds,
    ranked.block_write_seconds AS block_write_seconds,
    ranked.mean_seconds AS mean_seconds,
    ranked.max_seconds AS max_seconds,
    NULL::numeric AS other_calls,
    NULL::double precision AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = ranked.userid
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
WHERE ranked.chosen
UNION ALL
SELECT
    NULL AS "user",
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    NULL AS queryid,
    NULL AS calls,
    NULL AS seconds,
    NULL AS rows,
    NULL AS block_read_seconds,
    NULL AS block_write_seconds,
    NULL AS mean_seconds,
    NULL AS max_seconds,
    coalesce(sum(ranked.calls) FILTER (WHERE NOT ranked.chosen), 0) AS other_calls,
    coalesce(sum(ranked.seconds) FILTER (WHERE NOT ranked.chosen), 0) AS other_seconds
FROM ranked
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
GROUP BY 2
ORDER BY seconds DESC NULLS LAST, 3, 1, 2;
