SELECT
    'relation' AS kind,
    n.nspname::text AS schema,
    c.relname::text AS name,
    pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
    CASE WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f') THEN ARRAY(
        SELECT p.privilege
        FROM pg_catalog.unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p (privilege)
        WHERE pg_catalog.has_table_privilege(c.oid, p.privilege)
    ) ELSE ARRAY[]::text[] END AS granted
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = ANY(:names)
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
UNION ALL
SELECT
    'function',
    n.nspname::text,
    p.proname::text,
    pg_catalog.string_agg(DISTINCT pg_catalog.pg_get_userbyid(p.proowner)::text, ', '),
    bool_and(pg_catalog.pg_has_role(p.proowner, 'USAGE')),
    ARRAY[]::text[]
FROM pg_catalog.pg_proc AS p
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname = ANY(:names)
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
GROUP BY n.nspname, p.proname
UNION ALL
SELECT
    'type',
    n.nspname::text,
    t.typname::text,
    pg_catalog.pg_get_userbyid(t.typowner)::text,
    pg_catalog.pg_has_role(t.typowner, 'USAGE'),
    ARRAY[]::text[]
FROM pg_catalog.pg_type AS t
INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.typname = ANY(:names)
    AND t.typtype IN ('e', 'd', 'r')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT
    'schema',
    '',
    n.nspname::text,
    pg_catalog.pg_get_userbyid(n.nspowner)::text,
    pg_catalog.pg_has_role(n.nspowner, 'USAGE'),
    ARRAY(
        SELECT p.privilege
        FROM pg_catalog.unnest(ARRAY['CREATE', 'USAGE']) AS p (privilege)
        WHERE pg_catalog.has_schema_privilege(n.oid, p.privilege)
    )
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_'
UNION ALL
SELECT
    'database',
    '',
    d.datname::text,
    pg_catalog.pg_get_userbyid(d.datdba)::text,
    pg_catalog.pg_has_role(d.datdba, 'USAGE'),
    ARRAY(SELECT 'CREATE' WHERE pg_catalog.has_database_privilege(d.oid, 'CREATE'))
FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT
    'extension',
    '',
    x.name::text,
    '',
    e.oid IS NOT NULL,
    -- the column `trusted` is new in 13
    ARRAY(SELECT 'TRUSTED' WHERE bool_or((pg_catalog.to_jsonb(x) ->> 'trusted')::boolean) OR NOT bool_and(x.superuser))
FROM pg_catalog.pg_available_extension_versions AS x
LEFT JOIN pg_catalog.pg_extension AS e ON e.extname = x.name
WHERE x.name = ANY(:names)
GROUP BY x.name, e.oid
