-- Every object whose name a migration mentions, in one read; `asked` is filled in by live.py.
WITH asked AS MATERIALIZED (
    SELECT unnest(:names::text[]) AS name
),
space AS MATERIALIZED (
    SELECT oid, nspname, nspowner, nspacl
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')
),
relation AS MATERIALIZED (
    SELECT class.*, class.oid AS class_oid, space.nspname
    FROM pg_catalog.pg_class AS class
    JOIN space ON space.oid = class.relnamespace
    WHERE class.relname IN (SELECT name FROM asked) AND class.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
),
operator_class AS MATERIALIZED ( -- one object, as a join would read them all for each index
    SELECT pg_catalog.jsonb_object_agg(oid, pg_catalog.jsonb_build_array(opcname, opcdefault)) AS by_oid
    FROM pg_catalog.pg_opclass
)
SELECT
    'relation' AS kind,
    nspname AS schema_name,
    ''::text AS table_name,
    relname::text AS object_name,
    CASE
        WHEN relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(class_oid)
        WHEN relkind = 'p' THEN pg_catalog.pg_get_partkeydef(class_oid)
    END AS definition,
    pg_catalog.jsonb_build_object(
        'relkind', relkind,
        'persistence', relpersistence,
        'replica_identity', relreplident,
        'populated', relispopulated,
        'row_security', relrowsecurity,
        'force_row_security', relforcerowsecurity,
        'owner', pg_catalog.pg_get_userbyid(relowner),
        'options', coalesce(pg_catalog.to_jsonb(reloptions), '[]'),
        'bound', pg_catalog.pg_get_expr(relpartbound, class_oid),
        'parent', (
            SELECT pg_catalog.jsonb_build_array(parent_space.nspname, parent.relname)
            FROM pg_catalog.pg_inherits AS inherits
            JOIN pg_catalog.pg_class AS parent ON parent.oid = inherits.inhparent
            JOIN pg_catalog.pg_namespace AS parent_space ON parent_space.oid = parent.relnamespace
            WHERE relation.relispartition AND inherits.inhrelid = relation.class_oid
        ),
        'key_types', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) ORDER BY part.number
            )
            FROM pg_catalog.pg_inherits AS inherits
            JOIN pg_catalog.pg_partitioned_table AS partitioned ON partitioned.partrelid = inherits.inhparent
            CROSS JOIN unnest(partitioned.partattrs) WITH ORDINALITY AS part (attnum, number)
            JOIN pg_catalog.pg_attribute AS attribute
                ON attribute.attrelid = partitioned.partrelid AND attribute.attnum = part.attnum
            WHERE relation.relispartition AND inherits.inhrelid = relation.class_oid
        ),
        'sequence', (
            SELECT pg_catalog.jsonb_build_object(
                'type', pg_catalog.format_type(seqtypid, NULL),
                'increment', seqincrement::text, 'minvalue', seqmin::text, 'maxvalue', seqmax::text,
                'start', seqstart::text, 'cache', seqcache::text, 'cycle', seqcycle
            )
            FROM pg_catalog.pg_sequence WHERE seqrelid = relation.class_oid
        ),
        'owned_by', (
            SELECT owner.relname || '.' || attribute.attname
            FROM pg_catalog.pg_depend AS depend
            JOIN pg_catalog.pg_class AS owner ON owner.oid = depend.refobjid
            JOIN pg_catalog.pg_attribute AS attribute
                ON attribute.attrelid = depend.refobjid AND attribute.attnum = depend.refobjsubid
            WHERE relation.relkind = 'S' AND depend.classid = 'pg_class'::regclass AND depend.objid = relation.class_oid
                AND depend.refclassid = 'pg_class'::regclass AND depend.deptype IN ('a', 'i')
        ),
        'privileges', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                lower(acl.privilege_type),
                CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee) END
            ))
            FROM pg_catalog.aclexplode(coalesce(
                relation.relacl,
                pg_catalog.acldefault(CASE relation.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relation.relowner)
            )) AS acl
        ),
        'comment', pg_catalog.obj_description(class_oid, 'pg_class')
    ) AS facts
FROM relation
UNION ALL
SELECT
    'column', relation.nspname, relation.relname, attribute.attname,
    pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
    pg_catalog.jsonb_build_object(
        'number', attribute.attnum,
        'not_null', attribute.attnotnull,
        'default', pg_catalog.pg_get_expr(def.adbin, def.adrelid),
        'identity', attribute.attidentity,
        'generated', attribute.attgenerated,
        'collation', coll.collname,
        'statistics', coalesce(attribute.attstattarget, -1),
        'storage', attribute.attstorage,
        'privileges', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                lower(acl.privilege_type),
                CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee) END
            ))
            FROM pg_catalog.aclexplode(attribute.attacl) AS acl
        ),
        'comment', pg_catalog.col_description(attribute.attrelid, attribute.attnum)
    )
FROM relation
JOIN pg_catalog.pg_attribute AS attribute
    ON attribute.attrelid = relation.class_oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN pg_catalog.pg_attrdef AS def
    ON def.adrelid = attribute.attrelid AND def.adnum = attribute.attnum
LEFT JOIN pg_catalog.pg_collation AS coll ON coll.oid = attribute.attcollation
WHERE relation.relkind <> 'S'
UNION ALL
SELECT
    'constraint', coalesce(relation.nspname, space.nspname), coalesce(relation.relname, domain.typname),
    con.conname, pg_catalog.pg_get_constraintdef(con.oid),
    pg_catalog.jsonb_build_object(
        'validated', con.convalidated,
        'enforced', coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true),
        'comment', pg_catalog.obj_description(con.oid, 'pg_constraint')
    )
FROM pg_catalog.pg_constraint AS con
LEFT JOIN relation ON relation.class_oid = con.conrelid
LEFT JOIN pg_catalog.pg_type AS domain
    ON domain.oid = con.contypid AND domain.typname IN (SELECT name FROM asked)
LEFT JOIN space ON space.oid = domain.typnamespace
WHERE con.contype IN ('p', 'u', 'c', 'f', 'x') AND coalesce(relation.nspname, space.nspname) IS NOT NULL
UNION ALL
SELECT
    'index', space.nspname, owner.relname, class.relname, pg_catalog.pg_get_indexdef(class.oid),
    pg_catalog.jsonb_build_object(
        'valid', index.indisvalid AND index.indisready AND index.indislive,
        'table_schema', owner_space.nspname,
        'operator_classes', (
            SELECT pg_catalog.jsonb_agg(operator_class.by_oid -> one.oid::text ORDER BY one.number)
            FROM unnest(index.indclass) WITH ORDINALITY AS one (oid, number), operator_class
        ),
        'comment', pg_catalog.obj_description(class.oid, 'pg_class')
    )
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN space ON space.oid = class.relnamespace
JOIN pg_catalog.pg_class AS owner ON owner.oid = index.indrelid
JOIN space AS owner_space ON owner_space.oid = owner.relnamespace
WHERE owner.relname IN (SELECT name FROM asked) OR class.relname IN (SELECT name FROM asked)
UNION ALL
SELECT
    'statistics', space.nspname, owner.relname, ext.stxname, pg_catalog.pg_get_statisticsobjdef(ext.oid),
    pg_catalog.jsonb_build_object(
        'table_schema', owner_space.nspname,
        'owner', pg_catalog.pg_get_userbyid(ext.stxowner),
        'comment', pg_catalog.obj_description(ext.oid, 'pg_statistic_ext')
    )
FROM pg_catalog.pg_statistic_ext AS ext
JOIN space ON space.oid = ext.stxnamespace
JOIN pg_catalog.pg_class AS owner ON owner.oid = ext.stxrelid
JOIN space AS owner_space ON owner_space.oid = owner.relnamespace
WHERE ext.stxname IN (SELECT name FROM asked)
UNION ALL
SELECT
    'trigger', relation.nspname, relation.relname, trigger.tgname, pg_catalog.pg_get_triggerdef(trigger.oid),
    pg_catalog.jsonb_build_object(
        'enabled', trigger.tgenabled,
        'comment', pg_catalog.obj_description(trigger.oid, 'pg_trigger')
    )
FROM pg_catalog.pg_trigger AS trigger
JOIN relation ON relation.class_oid = trigger.tgrelid
WHERE NOT trigger.tgisinternal
UNION ALL
SELECT
    'policy', relation.nspname, relation.relname, policy.polname, NULL,
    pg_catalog.jsonb_build_object(
        'permissive', policy.polpermissive,
        'command', policy.polcmd,
        'roles', (
            SELECT pg_catalog.jsonb_agg(CASE one WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(one) END)
            FROM unnest(policy.polroles) AS one
        ),
        'using', pg_catalog.pg_get_expr(policy.polqual, policy.polrelid),
        'with_check', pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid),
        'comment', pg_catalog.obj_description(policy.oid, 'pg_policy')
    )
FROM pg_catalog.pg_policy AS policy
JOIN relation ON relation.class_oid = policy.polrelid
UNION ALL
SELECT
    'function', space.nspname, '', proc.proname, pg_catalog.pg_get_functiondef(proc.oid),
    pg_catalog.jsonb_build_object(
        'owner', pg_catalog.pg_get_userbyid(proc.proowner),
        'privileges', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                lower(acl.privilege_type),
                CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee) END
            ))
            FROM pg_catalog.aclexplode(
                coalesce(proc.proacl, pg_catalog.acldefault('f', proc.proowner))
            ) AS acl
        ),
        'comment', pg_catalog.obj_description(proc.oid, 'pg_proc')
    )
FROM pg_catalog.pg_proc AS proc
JOIN pg_catalog.pg_namespace AS space ON space.oid = proc.pronamespace -- also the server's own, for GRANT
WHERE (space.nspname = 'pg_catalog' OR space.oid IN (SELECT oid FROM space)) AND proc.proname IN (SELECT name FROM asked) AND proc.prokind <> 'a'
UNION ALL
SELECT
    CASE type.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, space.nspname, '', type.typname,
    CASE type.typtype WHEN 'd' THEN pg_catalog.format_type(type.typbasetype, type.typtypmod) END,
    pg_catalog.jsonb_build_object(
        'not_null', type.typnotnull,
        'default', type.typdefault,
        'values', (
            SELECT pg_catalog.jsonb_agg(enum.enumlabel ORDER BY enum.enumsortorder)
            FROM pg_catalog.pg_enum AS enum WHERE enum.enumtypid = type.oid
        ),
        'attributes', (
            SELECT pg_catalog.jsonb_agg(
                pg_catalog.jsonb_build_array(
                    attribute.attname, pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)
                ) ORDER BY attribute.attnum
            )
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = type.typrelid AND attribute.attnum > 0 AND NOT attribute.attisdropped
        ),
        'owner', pg_catalog.pg_get_userbyid(type.typowner),
        'comment', pg_catalog.obj_description(type.oid, 'pg_type')
    )
FROM pg_catalog.pg_type AS type
JOIN space ON space.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = type.typrelid
WHERE type.typname IN (SELECT name FROM asked)
    AND (type.typtype IN ('d', 'e', 'r') OR (type.typtype = 'c' AND class.relkind = 'c'))
UNION ALL
SELECT
    'schema', '', '', space.nspname, NULL,
    pg_catalog.jsonb_build_object(
        'owner', pg_catalog.pg_get_userbyid(space.nspowner),
        'privileges', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(
                lower(acl.privilege_type),
                CASE acl.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(acl.grantee) END
            ))
            FROM pg_catalog.aclexplode(
                coalesce(space.nspacl, pg_catalog.acldefault('n', space.nspowner))
            ) AS acl
        ),
        'comment', pg_catalog.obj_description(space.oid, 'pg_namespace')
    )
FROM space
UNION ALL
SELECT
    'extension', '', '', extension.extname, NULL,
    pg_catalog.jsonb_build_object(
        'schema', (SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = extension.extnamespace),
        'version', extension.extversion,
        'comment', pg_catalog.obj_description(extension.oid, 'pg_extension')
    )
FROM pg_catalog.pg_extension AS extension
UNION ALL
SELECT
    'role', '', '', role.rolname, NULL,
    pg_catalog.jsonb_build_object(
        'options', pg_catalog.jsonb_build_object(
            'login', role.rolcanlogin, 'superuser', role.rolsuper, 'may create databases', role.rolcreatedb,
            'may create roles', role.rolcreaterole, 'inherits', role.rolinherit,
            'replicates', role.rolreplication, 'bypasses row security', role.rolbypassrls
        ),
        'limit', role.rolconnlimit,
        'settings', role.rolconfig,
        'member_of', (
            SELECT pg_catalog.jsonb_agg(pg_catalog.pg_get_userbyid(member.roleid))
            FROM pg_catalog.pg_auth_members AS member WHERE member.member = role.oid
        ),
        'comment', pg_catalog.shobj_description(role.oid, 'pg_authid')
    )
FROM pg_catalog.pg_roles AS role
WHERE role.rolname IN (SELECT name FROM asked)
