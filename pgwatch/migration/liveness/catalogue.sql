-- Functions, triggers and views that a migration declares or that sit on what it touches, in one read.
-- `wanted` is filled in by scene.py: rows of (kind, schema, name).
WITH RECURSIVE wanted AS MATERIALIZED (
    SELECT kind, schema, name
    FROM pg_catalog.jsonb_to_recordset(:wanted::jsonb) AS asked (kind text, schema text, name text)
),
space AS MATERIALIZED (
    SELECT oid, nspname::text
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')
),
rule AS MATERIALIZED (
    SELECT rewrite.ev_class AS view_oid, depend.refclassid, depend.refobjid
    FROM pg_catalog.pg_rewrite AS rewrite
    JOIN pg_catalog.pg_class AS class ON class.oid = rewrite.ev_class AND class.relkind IN ('v', 'm')
    JOIN pg_catalog.pg_depend AS depend
        ON depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND depend.objid = rewrite.oid
        AND depend.refobjid <> rewrite.ev_class
    GROUP BY 1, 2, 3
),
touched (oid) AS (
    SELECT class.oid
    FROM pg_catalog.pg_class AS class
    JOIN space ON space.oid = class.relnamespace
    JOIN wanted ON wanted.kind = 'table' AND wanted.schema = space.nspname AND wanted.name = class.relname
    WHERE class.relkind IN ('r', 'p', 'f', 'v')
    UNION
    SELECT inherits.inhrelid
    FROM touched
    JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = touched.oid
),
dependent (oid) AS (
    SELECT oid FROM touched
    UNION
    SELECT class.oid
    FROM pg_catalog.pg_class AS class
    JOIN space ON space.oid = class.relnamespace
    JOIN wanted ON wanted.kind = 'view' AND wanted.schema = space.nspname AND wanted.name = class.relname
    UNION
    SELECT rule.view_oid
    FROM dependent
    JOIN rule ON rule.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND rule.refobjid = dependent.oid
),
view AS MATERIALIZED (
    SELECT class.oid, space.nspname, class.relname::text AS relname, class.relkind
    FROM dependent
    JOIN pg_catalog.pg_class AS class ON class.oid = dependent.oid AND class.relkind IN ('v', 'm')
    JOIN space ON space.oid = class.relnamespace
),
-- What reading a view reads: through other views, but not behind a materialized one.
reach (view_oid, oid) AS (
    SELECT oid, oid FROM view
    UNION
    SELECT reach.view_oid, rule.refobjid
    FROM reach
    JOIN pg_catalog.pg_class AS class ON class.oid = reach.oid
    JOIN rule ON rule.view_oid = reach.oid AND rule.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    WHERE class.relkind = 'v' OR reach.oid = reach.view_oid
),
called AS MATERIALIZED (
    SELECT DISTINCT reach.view_oid, rule.refobjid AS function_oid
    FROM reach
    JOIN pg_catalog.pg_class AS class ON class.oid = reach.oid
    JOIN rule ON rule.view_oid = reach.oid AND rule.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    WHERE class.relkind = 'v' OR reach.oid = reach.view_oid
),
trigger AS MATERIALIZED (
    SELECT trigger.*, space.nspname, class.relname::text AS relname, class.relkind
    FROM pg_catalog.pg_trigger AS trigger
    JOIN touched ON touched.oid = trigger.tgrelid
    JOIN pg_catalog.pg_class AS class ON class.oid = trigger.tgrelid
    JOIN space ON space.oid = class.relnamespace
    WHERE NOT trigger.tgisinternal AND trigger.tgenabled IN ('O', 'A')
        -- A row trigger of a partitioned table fires on its partitions only, which have it, too.
        AND NOT (class.relkind = 'p' AND trigger.tgtype & 1 = 1)
),
caller AS MATERIALIZED (
    SELECT depend.refobjid AS function_oid, label
    FROM (
        SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass AS classid, con.oid,
            'constraint ' || class.relname || '.' || con.conname AS label
        FROM pg_catalog.pg_constraint AS con
        JOIN touched ON touched.oid = con.conrelid
        JOIN pg_catalog.pg_class AS class ON class.oid = con.conrelid
        UNION ALL
        SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, def.oid,
            'default of ' || class.relname || '.' || attribute.attname
        FROM pg_catalog.pg_attrdef AS def
        JOIN touched ON touched.oid = def.adrelid
        JOIN pg_catalog.pg_class AS class ON class.oid = def.adrelid
        JOIN pg_catalog.pg_attribute AS attribute
            ON attribute.attrelid = def.adrelid AND attribute.attnum = def.adnum
        UNION ALL
        SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, policy.oid,
            'policy ' || class.relname || '.' || policy.polname
        FROM pg_catalog.pg_policy AS policy
        JOIN touched ON touched.oid = policy.polrelid
        JOIN pg_catalog.pg_class AS class ON class.oid = policy.polrelid
        UNION ALL
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, index.indexrelid, 'index ' || class.relname
        FROM pg_catalog.pg_index AS index
        JOIN touched ON touched.oid = index.indrelid
        JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    ) AS part (classid, oid, label)
    JOIN pg_catalog.pg_depend AS depend
        ON depend.classid = part.classid AND depend.objid = part.oid
        AND depend.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
),
routine AS MATERIALIZED (
    SELECT proc.*, proc.oid AS proc_oid, space.nspname
    FROM pg_catalog.pg_proc AS proc
    JOIN space ON space.oid = proc.pronamespace
    WHERE proc.prokind IN ('f', 'p')
        AND (
            EXISTS (
                SELECT 1 FROM wanted
                WHERE wanted.kind = 'function' AND wanted.name = proc.proname
                    AND wanted.schema IN ('', space.nspname)
            )
            OR proc.oid IN (SELECT tgfoid FROM trigger)
            OR proc.oid IN (SELECT function_oid FROM called)
            OR proc.oid IN (SELECT function_oid FROM caller)
        )
        AND NOT EXISTS (
            SELECT 1 FROM pg_catalog.pg_depend AS depend
            WHERE depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND depend.objid = proc.oid
                AND depend.deptype = 'e'
        )
)
SELECT
    'routine' AS kind,
    pg_catalog.jsonb_build_object(
        'oid', routine.proc_oid::bigint,
        'schema', routine.nspname,
        'definition', pg_catalog.pg_get_functiondef(routine.proc_oid),
        'language', language.lanname,
        'source', routine.prosrc,
        'bound', routine.prosqlbody IS NOT NULL,
        'names', pg_catalog.to_jsonb(routine.proargnames),
        'modes', pg_catalog.to_jsonb(routine.proargmodes),
        'types', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.jsonb_build_object(
                    'sql', pg_catalog.quote_ident(type_space.nspname) || '.' || pg_catalog.quote_ident(type.typname),
                    'kind', type.typtype,
                    'name', type.typname,
                    'oid', coalesce(nullif(type.typbasetype, 0), type.oid)::bigint
                ) ORDER BY one.number
            )
            FROM unnest(coalesce(routine.proallargtypes, routine.proargtypes::oid[]))
                WITH ORDINALITY AS one (oid, number)
            JOIN pg_catalog.pg_type AS type ON type.oid = one.oid
            JOIN pg_catalog.pg_namespace AS type_space ON type_space.oid = type.typnamespace
        ),
        'returns', result.typname,
        'returns_oid', coalesce(nullif(result.typbasetype, 0), result.oid)::bigint,
        'returns_set', routine.proretset,
        'composite', result.typtype = 'c',
        'columns', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.jsonb_build_array(
                    coalesce(nullif(type.typbasetype, 0), type.oid)::bigint,
                    CASE WHEN type.typbasetype = 0 THEN attribute.atttypmod ELSE -1 END
                ) ORDER BY attribute.attnum
            )
            FROM pg_catalog.pg_attribute AS attribute
            JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
            WHERE attribute.attrelid = result.typrelid AND result.typtype = 'c'
                AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ),
        'config', pg_catalog.to_jsonb(routine.proconfig)
    ) AS facts
FROM routine
JOIN pg_catalog.pg_language AS language ON language.oid = routine.prolang
JOIN pg_catalog.pg_type AS result ON result.oid = routine.prorettype
UNION ALL
SELECT
    'trigger',
    pg_catalog.jsonb_build_object(
        'schema', trigger.nspname, 'table', trigger.relname, 'name', trigger.tgname,
        'function', trigger.tgfoid::bigint, 'type', trigger.tgtype,
        'arguments', pg_catalog.encode(trigger.tgargs, 'hex'),
        'conditional', trigger.tgqual IS NOT NULL OR trigger.tgattr::text <> '',
        'transition', pg_catalog.jsonb_build_array(trigger.tgoldtable, trigger.tgnewtable),
        'columns', (
            SELECT pg_catalog.jsonb_agg(attribute.attname ORDER BY attribute.attnum)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = trigger.tgrelid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        )
    )
FROM trigger
UNION ALL
SELECT
    'view',
    pg_catalog.jsonb_build_object(
        'schema', view.nspname, 'name', view.relname, 'relkind', view.relkind,
        'functions', (
            SELECT pg_catalog.jsonb_agg(called.function_oid::bigint ORDER BY called.function_oid)
            FROM called WHERE called.view_oid = view.oid
        ),
        'unfilled', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.jsonb_build_array(filled_space.nspname, filled.relname) ORDER BY filled.relname
            )
            FROM reach
            JOIN pg_catalog.pg_class AS filled ON filled.oid = reach.oid
            JOIN pg_catalog.pg_namespace AS filled_space ON filled_space.oid = filled.relnamespace
            WHERE reach.view_oid = view.oid AND filled.relkind = 'm' AND NOT filled.relispopulated
        )
    )
FROM view
UNION ALL
SELECT
    'caller',
    pg_catalog.jsonb_build_object('function', function_oid::bigint, 'label', label)
FROM caller
UNION ALL
SELECT
    'names',
    pg_catalog.jsonb_build_object(
        'relations', (
            SELECT pg_catalog.jsonb_agg(DISTINCT class.relname)
            FROM pg_catalog.pg_class AS class
            JOIN space ON space.oid = class.relnamespace
            WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
        ),
        'functions', (
            SELECT pg_catalog.jsonb_agg(DISTINCT proc.proname)
            FROM pg_catalog.pg_proc AS proc
            JOIN space ON space.oid = proc.pronamespace
        ),
        'hidden', (
            SELECT pg_catalog.jsonb_agg(nspname ORDER BY nspname)
            FROM space WHERE NOT pg_catalog.has_schema_privilege(space.oid, 'USAGE')
        ),
        'schemas', (SELECT pg_catalog.jsonb_agg(nspname ORDER BY nspname) FROM space),
        'paths', (
            SELECT pg_catalog.jsonb_agg(setting)
            FROM pg_catalog.pg_db_role_setting AS own
            CROSS JOIN unnest(own.setconfig) AS setting
            WHERE own.setdatabase IN (
                    0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
                )
                AND setting LIKE 'search_path=%'
        )
    )
