"""ALTER … RENAME. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, identifier, opened, pb, renamed_column
from pgwatch.migration.preflight.drops import RELATIONS, ROUTINES, find_routine
from pgwatch.migration.preflight.objects import Relation, Type
from pgwatch.migration.preflight.stage import Stage, qualified


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
    elif kind == pb.OBJECT_ROLE:
        _rename_role(stage, node)
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


def named_type(stage: Stage, node: Node) -> Type:
    """Return a user's type; fails where it is not there."""
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
    retyped(stage, found, made)


def retyped(stage: Stage, old: Type, new: Type) -> None:
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


def _rename_role(stage: Stage, node: Node) -> None:
    old, new, roles = node.subname, node.newname, stage.scene.roles
    if old not in roles:
        raise stage.fail("42704", f'role "{old}" does not exist', harmless=new in roles)
    if new in roles:
        raise stage.fail("42710", f'role "{new}" already exists')
    stage.scene.roles = roles - {old} | {new}


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
            retyped(stage, made, moved)


def schema_there(stage: Stage, name: str) -> None:
    """Fail where a schema is not there."""
    if name not in stage.scene.schemas:
        raise stage.fail("3F000", f'schema "{name}" does not exist')
