"""RENAME, SET SCHEMA, OWNER, COMMENT and GRANT, which all kinds of objects share. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, identifier, opened, pb, renamed_column, strings
from pgwatch.migration.preflight.drops import RELATIONS, ROUTINES, find_routine
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.scene import Policy, Ref, Relation, Type
from pgwatch.migration.preflight.stage import Stage, literal, qualified
from pgwatch.migration.preflight.typenames import resolve


def rename(stage: Stage, node: Node) -> None:
    """ALTER … RENAME."""
    kind = node.rename_type
    if kind in RELATIONS:
        _rename_relation(stage, node)
    elif kind in (pb.OBJECT_COLUMN, pb.OBJECT_ATTRIBUTE):
        _rename_column(stage, node)
    elif kind == pb.OBJECT_TABCONSTRAINT:
        _rename_constraint(stage, node)
    elif kind in (pb.OBJECT_TRIGGER, pb.OBJECT_POLICY):
        _rename_part(stage, node)
    elif kind in ROUTINES:
        found = find_routine(stage, node.object.object_with_args, kind)
        assert found is not None
        others = stage.scene.functions_named(found.schema, node.newname)
        if any(one.arguments == found.arguments for one in others):
            raise stage.fail("42723", f"function {node.newname} already exists in schema")
        stage.scene.put_function(replace(found, name=node.newname, live=False))
    elif kind in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
        _rename_type(stage, node)
    elif kind == pb.OBJECT_SCHEMA:
        _rename_schema(stage, node)
    else:
        stage.note("what is renamed here is not looked for")


def _rename_relation(stage: Stage, node: Node) -> None:
    scene = stage.scene
    kinds, words = RELATIONS[node.rename_type]
    relation = _relation(stage, node)
    if relation is None:
        return
    if relation.kind not in kinds and node.rename_type != pb.OBJECT_TABLE:
        article = "an" if words[0] in "aeiou" else "a"
        raise stage.fail("42809", f'"{relation.name}" is not {article} {words}')
    if (relation.schema, node.newname) in scene.relation_names:
        raise stage.fail("42P07", f'relation "{node.newname}" already exists')
    if relation.kind in "rpvmfc" and (relation.schema, node.newname) in scene.type_names:
        raise stage.fail("42710", f'type "{node.newname}" already exists')
    scene.put(replace(relation, name=node.newname))
    if relation.index is not None and relation.index.constraint:
        _renamed_constraint(stage, relation.index.table, relation.index.constraint, node.newname)


def _relation(stage: Stage, node: Node) -> Relation | None:
    """Return what is renamed; where it is gone and the new name is there, nothing is left to do."""
    where = node.relation
    found = stage.scene.find(where.schemaname, where.relname)
    if found is None and not node.missing_ok:
        done = stage.scene.find(where.schemaname, node.newname) is not None
        if where.schemaname and where.schemaname not in stage.scene.schemas:
            raise stage.fail("3F000", f'schema "{where.schemaname}" does not exist')
        raise stage.fail("42P01", f'relation "{where.relname}" does not exist', harmless=done)
    return found


def _rename_column(stage: Stage, node: Node) -> None:
    scene = stage.scene
    table = stage.relation(node.relation, missing_ok=node.missing_ok)
    if table is None:
        return
    column = table.column(node.subname)
    if column is None:
        raise stage.fail(
            "42703",
            f'column "{node.subname}" does not exist',
            harmless=table.column(node.newname) is not None,
        )
    if column.inherited:
        raise stage.fail("42P16", f'cannot rename inherited column "{column.name}"')
    for one in [table, *scene.descendants(table.oid)]:
        if one.column(node.newname) is not None:
            raise stage.fail(
                "42701", f'column "{node.newname}" of relation "{one.name}" already exists'
            )
    for one in [table, *scene.descendants(table.oid)]:
        own = one.column(column.name)
        if own is not None and one.kind in "rpfvmc":
            _renamed(stage, one, own.name, node.newname)


def _renamed(stage: Stage, table: Relation, old: str, new: str) -> None:
    scene = stage.scene
    column = table.column(old)
    assert column is not None
    scene.put(table.with_column(replace(column, name=new)))
    for key, constraint in list(scene.constraints.items()):
        if constraint.table == table.oid and constraint.expression:
            text = renamed_column(constraint.expression, old, new)
            scene.constraints[key] = replace(constraint, expression=text)
    for index in scene.indexes(table.oid):
        assert index.index is not None
        made = replace(
            index.index,
            expressions=tuple(renamed_column(one, old, new) for one in index.index.expressions),
            predicate=renamed_column(index.index.predicate, old, new)
            if index.index.predicate
            else "",
        )
        scene.put(replace(index, index=made))


def _rename_constraint(stage: Stage, node: Node) -> None:
    table = stage.relation(node.relation, missing_ok=node.missing_ok)
    if table is None:
        return
    scene = stage.scene
    if (table.oid, node.subname) not in scene.constraints:
        raise stage.fail(
            "42704",
            f'constraint "{node.subname}" for table "{table.name}" does not exist',
            harmless=(table.oid, node.newname) in scene.constraints,
        )
    own = scene.constraints[table.oid, node.subname]
    if own.index in scene.relations and own.kind in "pux":
        if (table.schema, node.newname) in scene.relation_names:
            raise stage.fail("42P07", f'relation "{node.newname}" already exists')
        scene.put(replace(scene.relations[own.index], name=node.newname))
    if (table.oid, node.newname) in scene.constraints:
        raise stage.fail(
            "42710", f'constraint "{node.newname}" for relation "{table.name}" already exists'
        )
    _renamed_constraint(stage, table.oid, node.subname, node.newname)


def _renamed_constraint(stage: Stage, table: int, old: str, new: str) -> None:
    scene = stage.scene
    own = scene.constraints.pop((table, old), None)
    if own is None:
        return
    scene.constraints[table, new] = replace(own, name=new)
    index = scene.relations.get(own.index)
    if index is not None and index.index is not None and own.kind in "pux":
        scene.put(replace(index, index=replace(index.index, constraint=new)))
    for child in scene.children(table):
        below = scene.constraints.get((child.oid, old))
        if below is not None and below.inherited:
            _renamed_constraint(stage, child.oid, old, new)


def _rename_part(stage: Stage, node: Node) -> None:
    table = stage.relation(node.relation)
    assert table is not None
    scene = stage.scene
    trigger = node.rename_type == pb.OBJECT_TRIGGER
    parts = scene.triggers if trigger else scene.policies
    words = "trigger" if trigger else "policy"
    if not trigger and (table.oid, node.newname) in parts:
        raise stage.fail(
            "42710", f'{words} "{node.newname}" for relation "{table.name}" already exists'
        )
    if (table.oid, node.subname) not in parts:
        raise stage.fail(
            "42704", f'{words} "{node.subname}" for table "{table.name}" does not exist'
        )
    if trigger and (table.oid, node.newname) in parts:
        raise stage.fail(
            "42710", f'{words} "{node.newname}" for relation "{table.name}" already exists'
        )
    if trigger:
        one = scene.triggers.pop((table.oid, node.subname))
        scene.triggers[table.oid, node.newname] = replace(one, name=node.newname)
    else:
        policy = scene.policies.pop((table.oid, node.subname))
        scene.policies[table.oid, node.newname] = replace(policy, name=node.newname)


def _named_type(stage: Stage, node: Node) -> Type:
    kind, value = opened(node)
    schema, name = qualified(value.names if kind == "type_name" else value.items)
    found = stage.scene.find_type(schema, name)
    if found is None:
        raise stage.fail("42704", f'type "{name}" does not exist')
    return found


def _rename_type(stage: Stage, node: Node) -> None:
    scene = stage.scene
    kind, value = opened(node.object)
    schema, name = qualified(value.names if kind == "type_name" else value.items)
    row = scene.find(schema, name)
    if scene.find_type(schema, name) is None and row is not None and row.kind == "c":
        scene.put(replace(row, name=node.newname))
        return
    found = scene.find_type(schema, name)
    if found is None:
        done = scene.find_type(schema, node.newname) is not None
        raise stage.fail("42704", f'type "{name}" does not exist', harmless=done)
    if (found.schema, node.newname) in scene.type_names:
        raise stage.fail("42710", f'type "{node.newname}" already exists')
    made = scene.put_type(replace(found, name=node.newname, live=False))
    _retyped(stage, found, made)


def _retyped(stage: Stage, old: Type, new: Type) -> None:
    """Columns and functions that name a type by its old name name it by the new one."""
    before, after = _text(old), _text(new)
    scene = stage.scene
    for relation in list(scene.relations.values()):
        columns = tuple(
            replace(c, type=c.type.replace(before, after, 1)) if _is(c.type, before) else c
            for c in relation.columns
        )
        if columns != relation.columns:
            scene.put(replace(relation, columns=columns))
    for function in list(scene.functions.values()):
        if any(_is(one, before) for one in (*function.arguments, function.returns)):
            scene.put_function(
                replace(
                    function,
                    arguments=tuple(after if _is(a, before) else a for a in function.arguments),
                    returns=after if _is(function.returns, before) else function.returns,
                    live=False,
                )
            )


def _text(made: Type) -> str:
    name = identifier(made.name)
    return name if made.schema == "public" else f"{identifier(made.schema)}.{name}"


def _is(text: str, name: str) -> bool:
    return text.removesuffix("[]") == name


def _rename_schema(stage: Stage, node: Node) -> None:
    scene = stage.scene
    if node.subname not in scene.schemas:
        raise stage.fail(
            "3F000",
            f'schema "{node.subname}" does not exist',
            harmless=node.newname in scene.schemas,
        )
    if node.newname in scene.schemas:
        raise stage.fail("42P06", f'schema "{node.newname}" already exists')
    del scene.schemas[node.subname]
    scene.schemas[node.newname] = False
    for relation in list(scene.relations.values()):
        if relation.schema == node.subname:
            scene.put(replace(relation, schema=node.newname))
    for function in list(scene.functions.values()):
        if function.schema == node.subname:
            scene.put_function(replace(function, schema=node.newname, live=False))
    for made in list(scene.types.values()):
        if made.schema == node.subname:
            moved = scene.put_type(replace(made, schema=node.newname, live=False))
            _retyped(stage, made, moved)


def set_schema(stage: Stage, node: Node) -> None:
    """ALTER … SET SCHEMA."""
    scene = stage.scene
    kind = node.object_type
    if kind in RELATIONS:
        relation = stage.relation(node.relation, missing_ok=node.missing_ok)
        if relation is None:
            return
        _schema_there(stage, node.newschema)
        if (
            node.newschema,
            relation.name,
        ) in scene.relation_names and relation.schema != node.newschema:
            raise stage.fail(
                "42P07", f'relation "{relation.name}" already exists in schema "{node.newschema}"'
            )
        scene.put(replace(relation, schema=node.newschema))
        for one in list(scene.relations.values()):
            if (one.index and one.index.table == relation.oid) or (
                one.owned_by and one.owned_by[0] == relation.oid
            ):
                scene.put(replace(one, schema=node.newschema))
    elif kind in ROUTINES:
        found = find_routine(stage, node.object.object_with_args, kind)
        assert found is not None
        _schema_there(stage, node.newschema)
        others = scene.functions_named(node.newschema, found.name)
        if found.schema != node.newschema and any(o.arguments == found.arguments for o in others):
            raise stage.fail(
                "42723", f'function {found.name} already exists in schema "{node.newschema}"'
            )
        scene.put_function(replace(found, schema=node.newschema, live=False))
    elif kind in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
        made = _named_type(stage, node.object)
        _schema_there(stage, node.newschema)
        _retyped(stage, made, scene.put_type(replace(made, schema=node.newschema, live=False)))
    else:
        stage.note("what is moved to another schema here is not looked for")


def _schema_there(stage: Stage, name: str) -> None:
    if name not in stage.scene.schemas:
        raise stage.fail("3F000", f'schema "{name}" does not exist')


def set_owner(stage: Stage, node: Node) -> None:
    """ALTER … OWNER TO."""
    stage.role(node.newowner)
    _object(
        stage, node.object_type, node.object, node.relation if node.HasField("relation") else None
    )


def _object(stage: Stage, kind: int, node: Node, relation: Node | None = None) -> None:  # noqa: PLR0912 - one for each case of the server
    """Fail where what a COMMENT or OWNER names is not there."""
    if relation is not None and kind in RELATIONS:
        stage.relation(relation)
        return
    shape, value = opened(node)
    if kind in ROUTINES:
        find_routine(stage, value, kind)
    elif kind in RELATIONS:
        schema, name = qualified(value.items)
        found = stage.named(schema, name)
        kinds, words = RELATIONS[kind]
        if found is not None and found.kind not in kinds:
            article = "an" if words[0] in "aeiou" else "a"
            raise stage.fail("42809", f'"{name}" is not {article} {words}')
    elif kind == pb.OBJECT_COLUMN:
        _commented_column(stage, strings(value.items))
    elif kind in (pb.OBJECT_TABCONSTRAINT, pb.OBJECT_TRIGGER, pb.OBJECT_POLICY):
        _commented_part(stage, kind, strings(value.items))
    elif kind in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
        if shape == "type_name":
            resolve(stage, value)
        else:
            _named_type(stage, node)
    elif kind == pb.OBJECT_SCHEMA:
        _schema_there(stage, value.sval)
    elif kind == pb.OBJECT_EXTENSION and value.sval not in stage.scene.extensions:
        raise stage.fail("42704", f'extension "{value.sval}" does not exist')
    elif kind == pb.OBJECT_DATABASE and value.sval != stage.facts.database:
        answer = stage.oracle.value(
            f"SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal(value.sval)})"  # noqa: S608 - quoted
        )
        if answer is False:
            raise stage.fail("3D000", f'database "{value.sval}" does not exist')


def _check_domain(stage: Stage, node: Node) -> None:
    kind, value = opened(node)
    name = strings(value.names if kind == "type_name" else value.items)[-1]
    found = stage.scene.find_type("", name)
    if found is not None and found.kind != "d":
        raise stage.fail("42809", f'"{name}" is not a domain')


def _commented_column(stage: Stage, names: tuple[str, ...]) -> None:
    *schema, table_name, name = names
    table = stage.named(schema[-1] if schema else "", table_name)
    if table is not None and table.column(name) is None:
        raise stage.fail("42703", f'column "{name}" of relation "{table.name}" does not exist')


def _commented_part(stage: Stage, kind: int, names: tuple[str, ...]) -> None:
    *schema, table_name, name = names
    table = stage.named(schema[-1] if schema else "", table_name)
    assert table is not None
    scene = stage.scene
    parts: dict[int, object] = {
        pb.OBJECT_TABCONSTRAINT: scene.constraints,
        pb.OBJECT_TRIGGER: scene.triggers,
        pb.OBJECT_POLICY: scene.policies,
    }
    words = {pb.OBJECT_TABCONSTRAINT: "constraint", pb.OBJECT_TRIGGER: "trigger"}.get(
        kind, "policy"
    )
    if (table.oid, name) not in parts[kind]:  # type: ignore[operator]
        raise stage.fail("42704", f'{words} "{name}" for table "{table.name}" does not exist')


def comment(stage: Stage, node: Node) -> None:
    """COMMENT ON."""
    if node.objtype == pb.OBJECT_DOMAIN:
        _check_domain(stage, node.object)
    _object(stage, node.objtype, node.object)


def grant(stage: Stage, node: Node) -> None:
    """GRANT and REVOKE on objects."""
    if node.targtype == pb.ACL_TARGET_OBJECT:
        for item in node.objects:
            _granted(stage, node.objtype, item)
    elif node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA:
        for item in node.objects:
            _schema_there(stage, item.string.sval)
    for item in node.grantees:
        stage.role(item.role_spec)
    for item in node.privileges:
        for name in strings(item.access_priv.cols):
            table = stage.relation(node.objects[0].range_var)
            if table is not None and table.column(name) is None:
                raise stage.fail(
                    "42703", f'column "{name}" of relation "{table.name}" does not exist'
                )


def _granted(stage: Stage, kind: int, item: Node) -> None:
    shape, value = opened(item)
    if shape == "range_var":
        found = stage.relation(value)
        if kind == pb.OBJECT_SEQUENCE and found is not None and found.kind != "S":
            raise stage.fail("42809", f'"{found.name}" is not a sequence')
    elif kind in ROUTINES:
        find_routine(stage, value, kind)
    elif kind == pb.OBJECT_SCHEMA:
        _schema_there(stage, value.sval)


def default_privileges(stage: Stage, node: Node) -> None:
    """ALTER DEFAULT PRIVILEGES: its roles and schemas."""
    for item in node.options:
        for one in item.def_elem.arg.list.items:
            if one.HasField("role_spec"):
                stage.role(one.role_spec)
            elif one.HasField("string"):
                _schema_there(stage, one.string.sval)
    for item in node.action.grantees:
        stage.role(item.role_spec)


def create_rule(stage: Stage, node: Node) -> None:
    """CREATE RULE, as far as its table."""
    table = stage.relation(node.relation)
    assert table is not None
    if table.kind not in "rvpm":
        raise stage.fail("42809", f'relation "{table.name}" cannot have rules')
    key = (table.oid, node.rulename)
    if key in stage.scene.rules and not node.replace:
        raise stage.fail(
            "42710", f'rule "{node.rulename}" for relation "{table.name}" already exists'
        )
    uses = frozenset[Ref]().union(*(references(stage, one, (table,)) for one in node.actions))
    stage.scene.rules[key] = Policy(table=table.oid, name=node.rulename, uses=uses)


def grant_role(stage: Stage, node: Node) -> None:
    """GRANT of roles to roles."""
    for item in node.granted_roles:
        name = item.access_priv.priv_name
        if name not in stage.scene.roles:
            raise stage.fail("42704", f'role "{name}" does not exist')
    for item in node.grantee_roles:
        stage.role(item.role_spec)


def create_role(stage: Stage, node: Node) -> None:
    """CREATE ROLE."""
    if node.role in stage.scene.roles:
        raise stage.fail("42710", f'role "{node.role}" already exists', harmless=True)
    stage.scene.roles = stage.scene.roles | {node.role}


def drop_role(stage: Stage, node: Node) -> None:
    """DROP ROLE."""
    for item in node.roles:
        name = item.role_spec.rolename
        if name not in stage.scene.roles and not node.missing_ok:
            raise stage.fail("42704", f'role "{name}" does not exist', harmless=True)
        stage.scene.roles = stage.scene.roles - {name}
