-- The tables that are written to and taken back, with what a new row of each needs.
-- `wanted` is filled in by probe.py: rows of (kind, schema, name).
SELECT
    space.nspname::text AS schema_name,
    class.relname::text AS table_name,
    pg_catalog.jsonb_build_object(
        'cascades', EXISTS (
            SELECT 1 FROM pg_catalog.pg_constraint AS con
            WHERE con.confrelid = class.oid AND con.contype = 'f' AND con.confdeltype IN ('c', 'n', 'd')
        ),
        'columns', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.jsonb_build_object(
                    'name', attribute.attname,
                    'type', pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
                    'category', type.typcategory,
                    'length', CASE WHEN attribute.atttypid = 'varchar'::pg_catalog.regtype AND attribute.atttypmod > 4
                        THEN attribute.atttypmod - 4 END,
                    'default', attribute.atthasdef OR attribute.attidentity <> '',
                    'written', attribute.attgenerated = '' AND attribute.attidentity <> 'a',
                    'not_null', attribute.attnotnull,
                    'unique', EXISTS (
                        SELECT 1 FROM pg_catalog.pg_index AS index
                        WHERE index.indrelid = class.oid AND index.indisunique AND attribute.attnum = ANY (index.indkey)
                    ),
                    'label', (
                        SELECT enum.enumlabel FROM pg_catalog.pg_enum AS enum
                        WHERE enum.enumtypid = attribute.atttypid ORDER BY enum.enumsortorder LIMIT 1
                    ),
                    'references', (
                        SELECT pg_catalog.jsonb_build_array(other_space.nspname, other.relname, target.attname)
                        FROM pg_catalog.pg_constraint AS con
                        JOIN pg_catalog.pg_class AS other ON other.oid = con.confrelid
                        JOIN pg_catalog.pg_namespace AS other_space ON other_space.oid = other.relnamespace
                        JOIN pg_catalog.pg_attribute AS target
                            ON target.attrelid = con.confrelid AND target.attnum = con.confkey[1]
                        WHERE con.conrelid = class.oid AND con.contype = 'f' AND con.conkey = ARRAY[attribute.attnum]
                        ORDER BY con.oid LIMIT 1
                    )
                ) ORDER BY attribute.attnum
            )
            FROM pg_catalog.pg_attribute AS attribute
            JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
            WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        )
    ) AS facts
FROM pg_catalog.jsonb_to_recordset(:wanted::jsonb) AS asked (schema text, name text)
JOIN pg_catalog.pg_namespace AS space ON space.nspname = asked.schema
JOIN pg_catalog.pg_class AS class ON class.relnamespace = space.oid AND class.relname = asked.name
WHERE class.relkind IN ('r', 'p')
ORDER BY 1, 2
