-- Everything in the database that a statement of a migration could meet, in one read of the catalogue:
-- one row for each object, of the kind that load.py reads; `:words` are the words of the migrations.
WITH space AS MATERIALIZED (
    SELECT oid, nspname
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
relation AS MATERIALIZED (
    SELECT class.*, class.oid AS class_oid, space.nspname
    FROM pg_catalog.pg_class AS class
    JOIN space ON space.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I', 'c')
),
owned AS MATERIALIZED (
    SELECT depend.classid, depend.objid, extension.extname
    FROM pg_catalog.pg_depend AS depend
    JOIN pg_catalog.pg_extension AS extension ON extension.oid = depend.refobjid
    WHERE depend.deptype = 'e' AND depend.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
),
uses AS MATERIALIZED (
    SELECT
        depend.classid,
        depend.objid,
        pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(
            CASE depend.refclassid
                WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN 'relation'
                WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'function'
                ELSE 'type'
            END,
            depend.refobjid::int8,
            depend.refobjsubid
        )) AS refs
    FROM pg_catalog.pg_depend AS depend
    WHERE depend.refobjid >= 16384
        AND depend.deptype IN ('n', 'a')
        AND depend.refclassid IN (
            'pg_catalog.pg_class'::pg_catalog.regclass,
            'pg_catalog.pg_proc'::pg_catalog.regclass,
            'pg_catalog.pg_type'::pg_catalog.regclass
        )
        AND depend.classid IN (
            'pg_catalog.pg_rewrite'::pg_catalog.regclass,
            'pg_catalog.pg_attrdef'::pg_catalog.regclass,
            'pg_catalog.pg_constraint'::pg_catalog.regclass,
            'pg_catalog.pg_trigger'::pg_catalog.regclass,
            'pg_catalog.pg_class'::pg_catalog.regclass,
            'pg_catalog.pg_policy'::pg_catalog.regclass,
            'pg_catalog.pg_proc'::pg_catalog.regclass,
            'pg_catalog.pg_class'::pg_catalog.regclass
        )
    GROUP BY depend.classid, depend.objid
)
SELECT 'schema' AS kind, pg_catalog.jsonb_build_object('name', nspname) AS facts
FROM pg_catalog.pg_namespace
UNION ALL
SELECT 'relation', pg_catalog.jsonb_build_object(
    'oid', class_oid::int8,
    'kind', relkind,
    'schema', nspname,
    'name', relname,
    'persistence', relpersistence,
    'populated', relispopulated,
    'row_security', relrowsecurity,
    'bound', pg_catalog.pg_get_expr(relpartbound, class_oid),
    'strategy', (SELECT partstrat FROM pg_catalog.pg_partitioned_table WHERE partrelid = class_oid),
    'key', (
        SELECT pg_catalog.to_jsonb(partattrs::int2[])
        FROM pg_catalog.pg_partitioned_table WHERE partrelid = class_oid
    ),
    'parents', (
        SELECT pg_catalog.jsonb_agg(inhparent::int8 ORDER BY inhseqno)
        FROM pg_catalog.pg_inherits WHERE inhrelid = class_oid
    ),
    'owned_by', (
        SELECT pg_catalog.jsonb_build_array(depend.refobjid::int8, depend.refobjsubid, depend.deptype)
        FROM pg_catalog.pg_depend AS depend
        WHERE relkind = 'S' AND depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND depend.objid = class_oid AND depend.deptype IN ('a', 'i')
            AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    ),
    'uses', (
        SELECT pg_catalog.jsonb_agg(ref)
        FROM pg_catalog.pg_rewrite AS rewrite
        JOIN uses ON uses.objid = rewrite.oid AND uses.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        CROSS JOIN pg_catalog.jsonb_array_elements(uses.refs) AS ref
        WHERE relkind IN ('v', 'm') AND rewrite.ev_class = class_oid
        HAVING pg_catalog.count(*) > 0
        UNION ALL
        SELECT pg_catalog.jsonb_agg(ref)
        FROM uses
        CROSS JOIN pg_catalog.jsonb_array_elements(uses.refs) AS ref
        WHERE relkind IN ('i', 'I') AND uses.objid = class_oid
            AND uses.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND ref ->> 0 = 'function'
        HAVING pg_catalog.count(*) > 0
    ),
    'extension', (
        SELECT extname FROM owned
        WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND objid = class_oid
    ),
    'columns', (
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
            attribute.attname,
            attribute.attnum,
            pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
            attribute.attnotnull,
            pg_catalog.pg_get_expr(def.adbin, def.adrelid),
            attribute.attidentity,
            attribute.attgenerated,
            attribute.attinhcount > 0,
            uses.refs
        ) ORDER BY attribute.attnum)
        FROM pg_catalog.pg_attribute AS attribute
        LEFT JOIN pg_catalog.pg_attrdef AS def
            ON def.adrelid = attribute.attrelid AND def.adnum = attribute.attnum
        LEFT JOIN uses
            ON uses.objid = def.oid AND uses.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        WHERE relkind NOT IN ('S', 'i', 'I') AND attribute.attrelid = class_oid
            AND attribute.attnum > 0 AND NOT attribute.attisdropped
    ),
    'index', (
        SELECT pg_catalog.jsonb_build_object(
            'table', index.indrelid::int8,
            'unique', index.indisunique,
            'primary', index.indisprimary,
            'valid', index.indisvalid,
            'immediate', index.indimmediate,
            'columns', pg_catalog.to_jsonb(index.indkey::int2[]),
            'keys', index.indnkeyatts,
            'plain', index.indexprs IS NULL AND index.indpred IS NULL,
            'predicate', pg_catalog.pg_get_expr(index.indpred, index.indrelid),
            'expressions', pg_catalog.pg_get_expr(index.indexprs, index.indrelid),
            'definition', pg_catalog.pg_get_indexdef(index.indexrelid),
            'uses', (
                SELECT uses.refs FROM uses
                WHERE uses.objid = class_oid AND uses.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            ),
            'constraint', (
                SELECT con.conname FROM pg_catalog.pg_constraint AS con
                WHERE con.conindid = class_oid AND con.conrelid = index.indrelid AND con.contype IN ('p', 'u', 'x')
            )
        )
        FROM pg_catalog.pg_index AS index
        WHERE relkind IN ('i', 'I') AND index.indexrelid = class_oid
    )
)
FROM relation
UNION ALL
SELECT 'constraint', pg_catalog.jsonb_build_object(
    'table', CASE con.conrelid WHEN 0 THEN con.contypid ELSE con.conrelid END::int8,
    'name', con.conname,
    'kind', con.contype,
    'columns', pg_catalog.to_jsonb(con.conkey),
    'expression', pg_catalog.pg_get_expr(con.conbin, con.conrelid),
    'references', con.confrelid::int8,
    'referenced', pg_catalog.to_jsonb(con.confkey),
    'index', con.conindid::int8,
    'validated', con.convalidated,
    'enforced', coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true),
    'inherited', con.coninhcount > 0 OR con.conparentid <> 0,
    'deferrable', con.condeferrable,
    'definition', pg_catalog.pg_get_constraintdef(con.oid),
    'uses', uses.refs
)
FROM pg_catalog.pg_constraint AS con
JOIN space ON space.oid = con.connamespace
LEFT JOIN uses ON uses.objid = con.oid AND uses.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
UNION ALL
SELECT 'trigger', pg_catalog.jsonb_build_object(
    'table', trigger.tgrelid::int8,
    'name', trigger.tgname,
    'function', trigger.tgfoid::int8,
    'inherited', trigger.tgparentid <> 0,
    'enabled', trigger.tgenabled IN ('O', 'A'),
    'definition', pg_catalog.pg_get_triggerdef(trigger.oid),
    'uses', uses.refs
)
FROM pg_catalog.pg_trigger AS trigger
JOIN relation ON relation.class_oid = trigger.tgrelid
LEFT JOIN uses ON uses.objid = trigger.oid AND uses.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
WHERE NOT trigger.tgisinternal
UNION ALL
SELECT 'policy', pg_catalog.jsonb_build_object(
    'table', policy.polrelid::int8, 'name', policy.polname, 'uses', uses.refs
)
FROM pg_catalog.pg_policy AS policy
LEFT JOIN uses ON uses.objid = policy.oid AND uses.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
UNION ALL
SELECT 'rule', pg_catalog.jsonb_build_object(
    'table', rewrite.ev_class::int8, 'name', rewrite.rulename, 'uses', uses.refs
)
FROM pg_catalog.pg_rewrite AS rewrite
JOIN relation ON relation.class_oid = rewrite.ev_class
LEFT JOIN uses ON uses.objid = rewrite.oid AND uses.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
WHERE rewrite.rulename <> '_RETURN'
UNION ALL
SELECT 'type', pg_catalog.jsonb_build_object(
    'oid', type.oid::int8,
    'kind', type.typtype,
    'schema', space.nspname,
    'name', type.typname,
    'labels', (
        SELECT pg_catalog.jsonb_agg(enum.enumlabel ORDER BY enum.enumsortorder)
        FROM pg_catalog.pg_enum AS enum WHERE enum.enumtypid = type.oid
    ),
    'base', CASE type.typtype WHEN 'd' THEN pg_catalog.format_type(type.typbasetype, type.typtypmod) END,
    'not_null', type.typnotnull,
    'relation', type.typrelid::int8,
    'extension', (
        SELECT extname FROM owned
        WHERE classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND objid = type.oid
    )
)
FROM pg_catalog.pg_type AS type
JOIN space ON space.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_class AS row_of ON row_of.oid = type.typrelid
WHERE type.typtype IN ('e', 'd', 'r', 'b', 'c')
    AND (row_of.oid IS NULL OR row_of.relkind = 'c')
    AND NOT (type.typelem <> 0 AND type.typlen = -1)
UNION ALL
SELECT 'function', pg_catalog.jsonb_build_object(
    'oid', proc.oid::int8,
    'schema', space.nspname,
    'name', proc.proname,
    'kind', proc.prokind,
    'input', (
        SELECT pg_catalog.jsonb_agg(pg_catalog.format_type(input.type, NULL) ORDER BY input.number)
        FROM unnest(proc.proargtypes::oid[]) WITH ORDINALITY AS input (type, number)
    ),
    'all', (
        SELECT pg_catalog.jsonb_agg(pg_catalog.format_type(input.type, NULL) ORDER BY input.number)
        FROM unnest(proc.proallargtypes) WITH ORDINALITY AS input (type, number)
    ),
    'modes', pg_catalog.to_jsonb(proc.proargmodes),
    'names', pg_catalog.to_jsonb(proc.proargnames),
    'defaults', proc.pronargdefaults,
    'variadic', proc.provariadic <> 0,
    'returns', CASE WHEN proc.prorettype <> 0 THEN pg_catalog.format_type(proc.prorettype, NULL) END,
    'set', proc.proretset,
    'language', language.lanname,
    'volatility', proc.provolatile,
    'source', proc.prosrc,
    'extension', (
        SELECT extname FROM owned
        WHERE classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND objid = proc.oid
    ),
    'uses', uses.refs
)
FROM pg_catalog.pg_proc AS proc
JOIN space ON space.oid = proc.pronamespace
JOIN pg_catalog.pg_language AS language ON language.oid = proc.prolang
LEFT JOIN uses ON uses.objid = proc.oid AND uses.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
UNION ALL
SELECT 'extension', pg_catalog.jsonb_build_object('name', extension.extname, 'schema', namespace.nspname)
FROM pg_catalog.pg_extension AS extension
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = extension.extnamespace
UNION ALL
SELECT 'statistics', pg_catalog.jsonb_build_object('name', statistics.stxname, 'schema', space.nspname)
FROM pg_catalog.pg_statistic_ext AS statistics
JOIN space ON space.oid = statistics.stxnamespace
UNION ALL
SELECT 'available', pg_catalog.jsonb_build_object('name', name) FROM pg_catalog.pg_available_extensions
UNION ALL
SELECT 'role', pg_catalog.jsonb_build_object('name', rolname) FROM pg_catalog.pg_roles
UNION ALL
SELECT 'language', pg_catalog.jsonb_build_object('name', lanname) FROM pg_catalog.pg_language
UNION ALL
SELECT 'collation', pg_catalog.jsonb_build_object('name', collname) FROM pg_catalog.pg_collation
WHERE collencoding IN (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
UNION ALL
SELECT 'method', pg_catalog.jsonb_build_object('name', amname, 'kind', amtype) FROM pg_catalog.pg_am
UNION ALL
SELECT 'tablespace', pg_catalog.jsonb_build_object('name', spcname) FROM pg_catalog.pg_tablespace
UNION ALL
SELECT 'configuration', pg_catalog.jsonb_build_object('name', cfgname) FROM pg_catalog.pg_ts_config
UNION ALL
SELECT 'opclass', pg_catalog.jsonb_build_object(
    'name', opclass.opcname,
    'method', method.amname,
    'type', pg_catalog.format_type(opclass.opcintype, NULL),
    'default', opclass.opcdefault
)
FROM pg_catalog.pg_opclass AS opclass
JOIN pg_catalog.pg_am AS method ON method.oid = opclass.opcmethod
UNION ALL
SELECT 'cast', pg_catalog.jsonb_build_object(
    'source', pg_catalog.format_type(castsource, NULL),
    'target', pg_catalog.format_type(casttarget, NULL),
    'context', castcontext,
    'method', castmethod,
    'volatility', coalesce((SELECT provolatile FROM pg_catalog.pg_proc WHERE oid = castfunc), 'i')
)
FROM pg_catalog.pg_cast
UNION ALL
SELECT 'builtin', pg_catalog.jsonb_build_object(
    'name', type.typname, 'category', type.typcategory, 'shown', pg_catalog.format_type(type.oid, NULL)
)
FROM pg_catalog.pg_type AS type
WHERE type.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND type.typtype IN ('b', 'p', 'r', 'm', 'd')
    AND NOT (type.typelem <> 0 AND type.typlen = -1)
UNION ALL
SELECT 'system function', pg_catalog.jsonb_build_object(
    'name', proc.proname,
    'kind', proc.prokind,
    'volatility', proc.provolatile,
    'set', proc.proretset,
    'arguments', (
        SELECT pg_catalog.jsonb_agg(pg_catalog.format_type(input.type, NULL) ORDER BY input.number)
        FROM unnest(proc.proargtypes::oid[]) WITH ORDINALITY AS input (type, number)
    )
)
FROM pg_catalog.pg_proc AS proc
WHERE proc.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND proc.proname::text = ANY (:words)
UNION ALL
SELECT 'system relation', pg_catalog.jsonb_build_object('schema', namespace.nspname, 'name', class.relname)
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
-- All of them: the bodies of functions that are there name them, too.
WHERE namespace.nspname IN ('pg_catalog', 'information_schema') AND class.relkind IN ('r', 'v')
UNION ALL
SELECT 'self', pg_catalog.jsonb_build_object(
    'version', pg_catalog.current_setting('server_version_num')::int,
    'role', current_user,
    'database', pg_catalog.current_database(),
    'publications', (SELECT pg_catalog.jsonb_agg(pubname) FROM pg_catalog.pg_publication)
)
