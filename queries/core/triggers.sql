/*
help: Triggers that are disabled, so that nothing runs them
max_series: 500
metrics:
  pg_trigger_disabled: {type: gauge, value: one, labels: [schemaname, relname, tgname, kind], help: "1 for each disabled trigger; a foreign key that its table ignores has the constraint's name, and the kind constraint"}
*/
SELECT DISTINCT
    schemas.nspname AS schemaname,
    relations.relname AS relname,
    coalesce(constraints.conname, triggers.tgname) AS tgname,
    CASE WHEN constraints.oid IS NULL THEN 'trigger' ELSE 'constraint' END AS kind,
    1 AS one
FROM pg_catalog.pg_trigger AS triggers
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = triggers.tgrelid
INNER JOIN pg_catalog.pg_namespace AS schemas ON schemas.oid = relations.relnamespace
LEFT JOIN pg_catalog.pg_constraint AS constraints
    ON constraints.oid = triggers.tgconstraint
    AND triggers.tgisinternal
WHERE triggers.tgenabled = 'D'
ORDER BY 1, 2, 3;
