WITH RECURSIVE named AS (
    SELECT
        c.oid,
        n.nspname,
        c.relname,
        c.relkind
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relname = ANY(:names)
        AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v')
        AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
),

tree (root, oid) AS (
    SELECT oid, oid FROM named
    UNION
    SELECT t.root, i.inhrelid
    FROM pg_catalog.pg_inherits AS i
    INNER JOIN tree AS t ON i.inhparent = t.oid
),

sized AS (
    SELECT
        t.root,
        pg_catalog.array_agg(t.oid::int8) AS oids,
        sum(:table_bytes) AS table_bytes,
        sum(:index_bytes) AS index_bytes,
        CASE WHEN bool_and(c.reltuples >= 0 OR c.relkind = 'p') THEN sum(greatest(c.reltuples, 0)) END AS rows
    FROM tree AS t
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
    GROUP BY t.root
)

SELECT
    r.nspname::text AS schema,
    r.relname::text AS name,
    r.relkind::text AS kind,
    s.oids,
    coalesce(s.table_bytes, 0)::int8 AS table_bytes,
    coalesce(s.index_bytes, 0)::int8 AS index_bytes,
    s.rows::float8 AS rows,
    (
        SELECT coalesce(pg_catalog.json_object_agg(a.attname, pg_catalog.json_build_array(
            pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
        )), '{}')
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    ARRAY(:checks) AS checks,
    (
        SELECT coalesce(pg_catalog.json_object_agg(k.conname, pg_catalog.json_build_array(
            n.nspname, f.relname, k.convalidated
        )), '{}')
        FROM pg_catalog.pg_constraint AS k
        INNER JOIN pg_catalog.pg_class AS f ON f.oid = k.confrelid
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = f.relnamespace
        WHERE k.conrelid = r.oid AND k.contype = 'f'
    ) AS foreign_keys,
    (
        SELECT pg_catalog.json_build_array(n.nspname, o.relname)
        FROM pg_catalog.pg_index AS i
        INNER JOIN pg_catalog.pg_class AS o ON o.oid = i.indrelid
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = o.relnamespace
        WHERE i.indexrelid = r.oid
    ) AS index_of
FROM named AS r
INNER JOIN sized AS s ON s.root = r.oid
ORDER BY r.nspname, r.relname
