/*
help: The statements that take most time, in all, on average and at worst, with their texts
kind: evidence
scope: cluster
requires: {extension: pg_stat_statements, privilege: pg_read_all_stats}
*/
-- Those of statements/top, so that a statement with series is among them. Reads the file of texts.
WITH ranked AS (
    SELECT
        userid,
        dbid,
        queryid,
        calls,
        mean_exec_time / 1000 AS mean_seconds,
        max_exec_time / 1000 AS max_seconds,
        rows,
        query,
        row_number() OVER (ORDER BY total_exec_time DESC, queryid, userid, dbid) AS by_total,
        row_number() OVER (ORDER BY mean_exec_time DESC, queryid, userid, dbid) AS by_mean,
        row_number() OVER (ORDER BY max_exec_time DESC, queryid, userid, dbid) AS by_max
    FROM pg_stat_statements
    WHERE queryid IS NOT NULL
)

SELECT
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    coalesce(roles.rolname::text, ranked.userid::text) AS "user",
    ranked.queryid::text AS queryid,
    ranked.calls AS calls,
    round(ranked.mean_seconds::numeric, 3) AS mean_seconds,
    round(ranked.max_seconds::numeric, 3) AS max_seconds,
    ranked.rows AS rows,
    left(ranked.query, 300) AS query
FROM ranked
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = ranked.userid
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
WHERE ranked.by_total <= 50 OR ranked.by_mean <= 25 OR ranked.by_max <= 25
ORDER BY ranked.mean_seconds DESC, ranked.queryid, ranked.userid, ranked.dbid;
-- version: <13
WITH ranked AS (
    SELECT
        userid,
        dbid,
        queryid,
        calls,
        mean_time / 1000 AS mean_seconds,
        max_time / 1000 AS max_seconds,
        rows,
        query,
        row_number() OVER (ORDER BY total_time DESC, queryid, userid, dbid) AS by_total,
        row_number() OVER (ORDER BY mean_time DESC, queryid, userid, dbid) AS by_mean,
        row_number() OVER (ORDER BY max_time DESC, queryid, userid, dbid) AS by_max
    FROM pg_stat_statements
    WHERE queryid IS NOT NULL
)

SELECT
    coalesce(databases.datname::text, ranked.dbid::text) AS datname,
    coalesce(roles.rolname::text, ranked.userid::text) AS "user",
    ranked.queryid::text AS queryid,
    ranked.calls AS calls,
    round(ranked.mean_seconds::numeric, 3) AS mean_seconds,
    round(ranked.max_seconds::numeric, 3) AS max_seconds,
    ranked.rows AS rows,
    left(ranked.query, 300) AS query
FROM ranked
LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = ranked.userid
LEFT JOIN pg_catalog.pg_database AS databases ON databases.oid = ranked.dbid
WHERE ranked.by_total <= 50 OR ranked.by_mean <= 25 OR ranked.by_max <= 25
ORDER BY ranked.mean_seconds DESC, ranked.queryid, ranked.userid, ranked.dbid;
