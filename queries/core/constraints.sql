/*
help: Constraints that exist but were never validated, so that old rows may break them
max_series: 500
metrics:
  pg_constraint_not_validated:
    type: gauge
    value: one
    labels: [schemaname, relname, conname, contype, kind]
    help: 1 for each constraint that is NOT VALID; relname is the table or domain, kind says which
*/
-- A constraint declared NOT ENFORCED is not meant to be valid.
SELECT
    schemas.nspname AS schemaname,
    coalesce(relations.relname, domains.typname) AS relname,
    constraints.conname AS conname,
    CASE constraints.contype
        WHEN 'c' THEN 'check'
        WHEN 'f' THEN 'foreign key'
        WHEN 'n' THEN 'not null'
        ELSE constraints.contype::text
    END AS contype,
    CASE WHEN constraints.contypid = 0 THEN 'table' ELSE 'domain' END AS kind,
    1 AS one
FROM pg_catalog.pg_constraint AS constraints
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = constraints.connamespace
LEFT JOIN pg_catalog.pg_class AS relations ON relations.oid = constraints.conrelid
LEFT JOIN pg_catalog.pg_type AS domains ON domains.oid = constraints.contypid
WHERE NOT constraints.convalidated
    AND constraints.conenforced
ORDER BY 1, 2, 3, 4;
-- version: <18
SELECT
    schemas.nspname AS schemaname,
    coalesce(relations.relname, domains.typname) AS relname,
    constraints.conname AS conname,
    CASE constraints.contype
        WHEN 'c' THEN 'check'
        WHEN 'f' THEN 'foreign key'
        ELSE constraints.contype::text
    END AS contype,
    CASE WHEN constraints.contypid = 0 THEN 'table' ELSE 'domain' END AS kind,
    1 AS one
FROM pg_catalog.pg_constraint AS constraints
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = constraints.connamespace
LEFT JOIN pg_catalog.pg_class AS relations ON relations.oid = constraints.conrelid
LEFT JOIN pg_catalog.pg_type AS domains ON domains.oid = constraints.contypid
WHERE NOT constraints.convalidated
ORDER BY 1, 2, 3, 4;
