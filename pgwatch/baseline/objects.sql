-- Every object of the database that somebody made, in one read; those of extensions stand for by their version.
-- Columns: kind, schema, table, name, what is compared (text by name), columns of its table, relations it uses.
-- Bodies and what may hold an address with a password (a trigger's arguments) are digests.
WITH space AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
),
extended AS MATERIALIZED (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e' AND refclassid = 'pg_catalog.pg_extension'::regclass
),
relation AS MATERIALIZED (
    SELECT class.*, class.oid AS class_oid, space.nspname
    FROM pg_catalog.pg_class AS class
    JOIN space ON space.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND NOT EXISTS (
            SELECT FROM extended WHERE classid = 'pg_catalog.pg_class'::regclass AND objid = class.oid
        )
)
SELECT
    CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
    nspname::text AS schema_name,
    ''::text AS table_name,
    relname::text AS object_name,
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'owner', pg_catalog.pg_get_userbyid(relowner),
        'persistence', CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'permanent' END,
        'populated', CASE WHEN relkind = 'm' THEN CASE WHEN relispopulated THEN 'yes' ELSE 'no' END END,
        'row security', CASE WHEN relkind IN ('r', 'p') THEN CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END END,
        'options', pg_catalog.array_to_string(reloptions, ', '),
        'partition key', CASE WHEN relkind = 'p' THEN pg_catalog.pg_get_partkeydef(class_oid) END,
        'partition bound', pg_catalog.pg_get_expr(relpartbound, class_oid),
        'definition', CASE WHEN relkind IN ('v', 'm') THEN
            'sha256:' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
                pg_catalog.pg_get_viewdef(class_oid), 'UTF8')), 'hex'), 16) END,
        'sequence', (
            SELECT pg_catalog.format('%s increment %s from %s to %s%s', pg_catalog.format_type(seqtypid, NULL),
                seqincrement, seqmin, seqmax, CASE WHEN seqcycle THEN ' cycle' END)
            FROM pg_catalog.pg_sequence WHERE seqrelid = class_oid
        ),
        'privileges', (
            SELECT pg_catalog.string_agg(one.text, ', ' ORDER BY one.text COLLATE "C")
            FROM (
                SELECT pg_catalog.lower(acl.privilege_type) || ' to '
                    || CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee)::text END AS text
                FROM pg_catalog.aclexplode(relacl) AS acl
                WHERE acl.grantee <> relowner
            ) AS one
        )
    )) AS facts,
    ARRAY(
        SELECT attname::text
        FROM pg_catalog.pg_depend AS depend
        JOIN pg_catalog.pg_attribute ON attrelid = depend.refobjid AND attnum = depend.refobjsubid
        WHERE relation.relkind = 'S' AND depend.classid = 'pg_catalog.pg_class'::regclass AND depend.objid = class_oid
            AND depend.refclassid = 'pg_catalog.pg_class'::regclass AND depend.deptype IN ('a', 'i')
    ) AS columns,
    ARRAY(
        SELECT parent_space.nspname || '.' || parent.relname
        FROM pg_catalog.pg_depend AS depend
        JOIN pg_catalog.pg_class AS parent ON parent.oid = depend.refobjid
        JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent.relnamespace
        WHERE relation.relkind = 'S' AND depend.classid = 'pg_catalog.pg_class'::regclass AND depend.objid = class_oid
            AND depend.refclassid = 'pg_catalog.pg_class'::regclass AND depend.deptype IN ('a', 'i')
        UNION
        SELECT parent_space.nspname || '.' || parent.relname
        FROM pg_catalog.pg_inherits
        JOIN pg_catalog.pg_class AS parent ON parent.oid = inhparent
        JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent.relnamespace
        WHERE inhrelid = class_oid
        UNION
        SELECT used_space.nspname || '.' || used.relname
        FROM pg_catalog.pg_rewrite AS rewrite
        JOIN pg_catalog.pg_depend AS depend
            ON depend.classid = 'pg_catalog.pg_rewrite'::regclass AND depend.objid = rewrite.oid
            AND depend.refclassid = 'pg_catalog.pg_class'::regclass
        JOIN pg_catalog.pg_class AS used ON used.oid = depend.refobjid
        JOIN pg_catalog.pg_namespace AS used_space ON used_space.oid = used.relnamespace
        WHERE rewrite.ev_class = class_oid AND used.oid <> class_oid AND relation.relkind IN ('v', 'm')
        ORDER BY 1
    ) AS uses
FROM relation
UNION ALL
SELECT
    'column', relation.nspname, relation.relname, attribute.attname,
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'type', pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
        'not null', CASE WHEN attribute.attnotnull THEN 'yes' ELSE 'no' END,
        'default', pg_catalog.pg_get_expr(def.adbin, def.adrelid),
        'identity', CASE attribute.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
        'generated', CASE attribute.attgenerated WHEN 's' THEN 'stored' WHEN 'v' THEN 'virtual' END,
        'collation', (SELECT collname FROM pg_catalog.pg_collation AS coll
            JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
            WHERE coll.oid = attribute.attcollation AND attribute.attcollation <> type.typcollation)
    )),
    '{}', '{}'
FROM relation
JOIN pg_catalog.pg_attribute AS attribute
    ON attribute.attrelid = relation.class_oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS def
    ON def.adrelid = attribute.attrelid AND def.adnum = attribute.attnum
WHERE relation.relkind <> 'S'
UNION ALL
SELECT
    'constraint', relation.nspname, relation.relname, con.conname,
    pg_catalog.jsonb_build_object(
        'definition', pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(con.oid), ' NOT VALID$', ''),
        'validated', CASE WHEN con.convalidated THEN 'yes' ELSE 'no' END
    ),
    ARRAY(
        SELECT attname::text FROM pg_catalog.pg_attribute
        WHERE attrelid = con.conrelid AND attnum = ANY (con.conkey) ORDER BY attname
    ),
    ARRAY(
        SELECT used_space.nspname || '.' || used.relname
        FROM pg_catalog.pg_class AS used
        JOIN pg_catalog.pg_namespace AS used_space ON used_space.oid = used.relnamespace
        WHERE used.oid = con.confrelid
    )
FROM pg_catalog.pg_constraint AS con
JOIN relation ON relation.class_oid = con.conrelid
WHERE con.contype IN ('p', 'u', 'c', 'f', 'x')
UNION ALL
SELECT
    'index', relation.nspname, relation.relname, class.relname,
    pg_catalog.jsonb_build_object(
        'definition', pg_catalog.pg_get_indexdef(class.oid),
        'valid', CASE WHEN index.indisvalid AND index.indisready THEN 'yes' ELSE 'no' END
    ),
    ARRAY(
        SELECT DISTINCT attname::text
        FROM pg_catalog.pg_depend AS depend
        JOIN pg_catalog.pg_attribute
            ON attrelid = depend.refobjid AND attnum = depend.refobjsubid
        WHERE depend.classid = 'pg_catalog.pg_class'::regclass AND depend.objid = class.oid
            AND depend.refclassid = 'pg_catalog.pg_class'::regclass AND depend.refobjid = index.indrelid
            AND depend.refobjsubid > 0
        ORDER BY 1
    ),
    ARRAY(
        SELECT parent_space.nspname || '.' || parent.relname
        FROM pg_catalog.pg_inherits
        JOIN pg_catalog.pg_class AS parent ON parent.oid = inhparent
        JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent.relnamespace
        WHERE inhrelid = class.oid
    )
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN relation ON relation.class_oid = index.indrelid
WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS con
    WHERE con.conindid = class.oid AND con.contype IN ('p', 'u', 'x')
)
UNION ALL
SELECT
    'trigger', relation.nspname, relation.relname, trigger.tgname,
    pg_catalog.jsonb_build_object(
        'definition', 'sha256:' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.pg_get_triggerdef(trigger.oid), 'UTF8')), 'hex'), 16),
        'enabled', CASE trigger.tgenabled WHEN 'D' THEN 'no' WHEN 'R' THEN 'for replicas' ELSE 'yes' END
    ),
    '{}', '{}'
FROM pg_catalog.pg_trigger AS trigger
JOIN relation ON relation.class_oid = trigger.tgrelid
WHERE NOT trigger.tgisinternal
UNION ALL
SELECT
    'policy', relation.nspname, relation.relname, policy.polname,
    pg_catalog.jsonb_build_object(
        'definition', 'sha256:' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.concat_ws(' ', policy.polcmd, policy.polpermissive,
                (SELECT pg_catalog.string_agg(CASE one WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(one)::text END, ',')
                 FROM pg_catalog.unnest(policy.polroles) AS one),
                pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), '/',
                pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid)
            ), 'UTF8')), 'hex'), 16)
    ),
    '{}', '{}'
FROM pg_catalog.pg_policy AS policy
JOIN relation ON relation.class_oid = policy.polrelid
UNION ALL
SELECT
    'function', space.nspname, '',
    pg_catalog.format('%s(%s)', proc.proname, pg_catalog.oidvectortypes(proc.proargtypes)),
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'definition', 'sha256:' || pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            CASE WHEN proc.prokind = 'a' THEN '' ELSE pg_catalog.pg_get_functiondef(proc.oid) END, 'UTF8')), 'hex'), 16),
        'owner', pg_catalog.pg_get_userbyid(proc.proowner),
        'privileges', (
            SELECT pg_catalog.string_agg(one.text, ', ' ORDER BY one.text COLLATE "C")
            FROM (
                SELECT 'execute to '
                    || CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee)::text END AS text
                FROM pg_catalog.aclexplode(coalesce(proc.proacl, pg_catalog.acldefault('f', proc.proowner))) AS acl
                WHERE acl.grantee <> proc.proowner
            ) AS one
        )
    )),
    '{}', '{}'
FROM pg_catalog.pg_proc AS proc
JOIN space ON space.oid = proc.pronamespace
WHERE NOT EXISTS (
    SELECT FROM extended WHERE classid = 'pg_catalog.pg_proc'::regclass AND objid = proc.oid
)
UNION ALL
SELECT
    CASE type.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, space.nspname, '', type.typname,
    pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
        'base', CASE type.typtype WHEN 'd' THEN pg_catalog.format_type(type.typbasetype, type.typtypmod) END,
        'values', (
            SELECT pg_catalog.string_agg(enum.enumlabel, ', ' ORDER BY enum.enumsortorder)
            FROM pg_catalog.pg_enum AS enum WHERE enum.enumtypid = type.oid
        ),
        'attributes', (
            SELECT pg_catalog.string_agg(attribute.attname || ' '
                || pg_catalog.format_type(attribute.atttypid, attribute.atttypmod), ', ' ORDER BY attribute.attnum)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE type.typtype = 'c' AND attribute.attrelid = type.typrelid AND attribute.attnum > 0
                AND NOT attribute.attisdropped
        ),
        'constraints', (
            SELECT pg_catalog.string_agg(pg_catalog.pg_get_constraintdef(con.oid), ', ' ORDER BY con.conname)
            FROM pg_catalog.pg_constraint AS con WHERE con.contypid = type.oid
        )
    )),
    '{}', '{}'
FROM pg_catalog.pg_type AS type
JOIN space ON space.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = type.typrelid
WHERE (type.typtype IN ('d', 'e', 'r') OR (type.typtype = 'c' AND class.relkind = 'c'))
    AND NOT EXISTS (
        SELECT FROM extended WHERE classid = 'pg_catalog.pg_type'::regclass AND objid = type.oid
    )
UNION ALL
SELECT 'schema', '', '', nspname, pg_catalog.jsonb_build_object('owner', pg_catalog.pg_get_userbyid(nspowner)), '{}', '{}'
FROM space
UNION ALL
SELECT 'extension', '', '', extname, pg_catalog.jsonb_build_object('version', extversion), '{}', '{}'
FROM pg_catalog.pg_extension
