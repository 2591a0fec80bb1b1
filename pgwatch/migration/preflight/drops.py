"""DROP of anything. Pure."""

from collections.abc import Callable, Container, Sequence

from pgwatch.migration.parse import Node, opened, pb, strings, type_text
from pgwatch.migration.preflight.dependents import (
    drop_relation,
    drop_users_of_function,
    drop_users_of_type,
    users_of_function,
    users_of_type,
)
from pgwatch.migration.preflight.objects import Function, Relation
from pgwatch.migration.preflight.replication import drop_publication
from pgwatch.migration.preflight.stage import Stage, qualified
from pgwatch.migration.preflight.typenames import resolve

RELATIONS = {
    pb.OBJECT_TABLE: ("rp", "table"),
    pb.OBJECT_VIEW: ("v", "view"),
    pb.OBJECT_MATVIEW: ("m", "materialized view"),
    pb.OBJECT_INDEX: ("iI", "index"),
    pb.OBJECT_SEQUENCE: ("S", "sequence"),
    pb.OBJECT_FOREIGN_TABLE: ("f", "foreign table"),
}
ROUTINES = {
    pb.OBJECT_FUNCTION: "function",
    pb.OBJECT_PROCEDURE: "procedure",
    pb.OBJECT_ROUTINE: "routine",
    pb.OBJECT_AGGREGATE: "aggregate",
}


def drop(stage: Stage, node: Node) -> None:
    """DROP."""
    kind, cascade = node.remove_type, node.behavior == pb.DROP_CASCADE
    if kind in RELATIONS:
        _drop_relations(stage, node, cascade=cascade)
    elif kind in ROUTINES:
        for item in node.objects:
            _drop_routine(stage, opened(item)[1], kind, missing_ok=node.missing_ok, cascade=cascade)
    elif kind in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
        for item in node.objects:
            _drop_type(stage, opened(item)[1], node, cascade=cascade)
    elif kind in _PARTS:
        for item in node.objects:
            _PARTS[kind](stage, strings(opened(item)[1].items), node)
    elif kind == pb.OBJECT_SCHEMA:
        for item in node.objects:
            _drop_schema(stage, opened(item)[1].sval, node, cascade=cascade)
    elif kind in _NAMED:
        _NAMED[kind](stage, strings(node.objects), node)
    else:
        stage.note("what is dropped here is not looked for")


def _drop_relations(stage: Stage, node: Node, *, cascade: bool) -> None:
    kinds, words = RELATIONS[node.remove_type]
    if node.concurrent:
        stage.needs_no_block("DROP INDEX CONCURRENTLY")
        if len(node.objects) > 1:
            raise stage.fail(
                "0A000", "DROP INDEX CONCURRENTLY does not support dropping multiple objects"
            )
        if cascade:
            raise stage.fail("0A000", "DROP INDEX CONCURRENTLY does not support CASCADE")
    found: list[Relation] = []
    for item in node.objects:
        schema, name = qualified(opened(item)[1].items)
        if schema and schema not in stage.scene.schemas:
            if node.missing_ok:
                continue
            raise stage.fail("3F000", f'schema "{schema}" does not exist', harmless=True)
        relation = stage.scene.find(schema, name)
        if relation is None:
            if node.missing_ok:
                continue
            state = "42704" if node.remove_type == pb.OBJECT_INDEX else "42P01"
            raise stage.fail(state, f'{words} "{name}" does not exist', harmless=True)
        if relation.kind not in kinds:
            article = "an" if words[0] in "aeiou" else "a"
            raise stage.fail("42809", f'"{name}" is not {article} {words}')
        _check_index(stage, relation)
        found.append(relation)
    going = {one.oid for one in found}
    for relation in found:
        if relation.kind == "S" and relation.owned_by and relation.identity:
            raise stage.fail(
                "2BP01", f"cannot drop sequence {relation.name} because a column requires it"
            )
        if relation.index is not None:
            _drop_index(stage, relation, cascade=cascade)
        drop_relation(stage, relation, cascade=cascade, also=going)


def _check_index(stage: Stage, relation: Relation) -> None:
    index = relation.index
    if index is None:
        return
    if index.constraint:
        table = stage.scene.relations[index.table]
        raise stage.fail(
            "2BP01",
            f"cannot drop index {relation.name} because constraint {index.constraint}"
            f" on table {table.name} requires it",
        )
    if index.parent:
        raise stage.fail(
            "2BP01", f"cannot drop index {relation.name} because another index requires it"
        )


def _drop_index(stage: Stage, relation: Relation, *, cascade: bool) -> None:
    users = [
        c for c in stage.scene.constraints.values() if c.kind == "f" and c.index == relation.oid
    ]
    if users and not cascade:
        raise stage.fail(
            "2BP01",
            f"cannot drop index {relation.name} because other objects depend on it:"
            f" constraint {users[0].name}",
        )
    for one in users:
        del stage.scene.constraints[one.table, one.name]
    for child in list(stage.scene.descendants(relation.oid)):
        drop_relation(stage, child, cascade=True)


def find_routine(
    stage: Stage, node: Node, kind: int, *, missing_ok: bool = False, harmless: bool = False
) -> Function | None:
    """Return the function that an ObjectWithArgs means; fails where it is not there.

    None: it need not be there, or it is the server's own.
    """
    schema, name = qualified(node.objname)
    words = ROUTINES[kind]
    found = stage.scene.functions_named(schema, name)
    wanted = {"procedure": "p", "function": "fw", "aggregate": "a"}.get(words, "fpwa")
    if node.args_unspecified:
        if len(found) > 1:
            raise stage.fail("42725", f'{words} name "{name}" is not unique')
        if not found:
            if missing_ok:
                return None
            raise stage.fail("42883", f'could not find a {words} named "{name}"', harmless=harmless)
        one: Function | None = found[0]
    else:
        types = []
        for item in node.objargs:
            if missing_ok and _unknown_type(stage, item.type_name):
                return None
            types.append(resolve(stage, item.type_name).split("(")[0])
        one = next((f for f in found if _same(f, types)), None)
    if one is None:
        if missing_ok or (schema in ("", "pg_catalog") and _is_systems(stage, name, types)):
            return None
        shown = f"{name}({', '.join(types)})"
        raise stage.fail("42883", f"{words} {shown} does not exist", harmless=harmless)
    if one.kind not in wanted:
        raise stage.fail("42809", f"{name} is not a {words}")
    return one


def _is_systems(stage: Stage, name: str, types: Sequence[str]) -> bool:
    """Return whether the server brings such a function itself."""
    return any(list(one.arguments) == types for one in stage.facts.functions.get(name, ()))


def _unknown_type(stage: Stage, node: Node) -> bool:
    *schemas, name = strings(node.names)
    schema = schemas[-1] if schemas else ""
    if schema == "pg_catalog" or name in stage.facts.types:
        return False
    return stage.scene.find_type(schema, name) is None and stage.scene.find(schema, name) is None


def _same(function: Function, types: list[str]) -> bool:
    return [one.split("(")[0] for one in function.arguments] == types


def _drop_routine(stage: Stage, node: Node, kind: int, *, missing_ok: bool, cascade: bool) -> None:
    found = find_routine(stage, node, kind, missing_ok=missing_ok, harmless=True)
    if found is None:
        return
    users = users_of_function(stage, found.oid)
    if users and not cascade:
        raise stage.fail(
            "2BP01",
            f"cannot drop {ROUTINES[kind]} {found.name} because other objects depend on it: {users[0]}",
        )
    drop_users_of_function(stage, found.oid)
    stage.scene.drop_function(found.oid)


def _drop_type(stage: Stage, value: Node, node: Node, *, cascade: bool) -> None:
    schema, name = qualified(value.names)
    scene = stage.scene
    found = scene.find_type(schema, name)
    row = scene.find(schema, name)
    if found is None and row is not None and row.kind == "c":
        used = any(
            c.type.split("[")[0] == name for r in scene.relations.values() for c in r.columns
        )
        if used and not cascade:
            raise stage.fail("2BP01", f"cannot drop type {name} because other objects depend on it")
        drop_relation(stage, row, cascade=cascade)
        return
    if found is None:
        if row is not None:
            raise stage.fail(
                "2BP01", f"cannot drop type {name} because {row.words} {name} requires it"
            )
        if node.missing_ok:
            return
        raise stage.fail("42704", f'type "{type_text(value)}" does not exist', harmless=True)
    if node.remove_type == pb.OBJECT_DOMAIN and found.kind != "d":
        raise stage.fail("42809", f'"{name}" is not a domain')
    users = users_of_type(stage, found.oid)
    if users and not cascade:
        raise stage.fail(
            "2BP01", f"cannot drop type {name} because other objects depend on it: {users[0]}"
        )
    drop_users_of_type(stage, found.oid)
    del scene.types[found.oid]
    scene.type_names.pop((found.schema, found.name), None)
    if row is not None and row.kind == "c":
        drop_relation(stage, row, cascade=True)


def _part(
    stage: Stage, names: tuple[str, ...], node: Node, words: str, parts: Container[tuple[int, str]]
) -> tuple[int, str] | None:
    """Return the key of a part of a table, None where it may be missing and is."""
    *schema, table_name, name = names
    table = stage.named(schema[-1] if schema else "", table_name, missing_ok=node.missing_ok)
    if table is None:
        return None
    if (table.oid, name) in parts:
        return table.oid, name
    if node.missing_ok:
        return None
    raise stage.fail(
        "42704", f'{words} "{name}" for table "{table.name}" does not exist', harmless=True
    )


def _drop_policy(stage: Stage, names: tuple[str, ...], node: Node) -> None:
    key = _part(stage, names, node, "policy", stage.scene.policies)
    if key is not None:
        del stage.scene.policies[key]


def _drop_rule(stage: Stage, names: tuple[str, ...], node: Node) -> None:
    key = _part(stage, names, node, "rule", stage.scene.rules)
    if key is not None:
        del stage.scene.rules[key]


def _drop_trigger(stage: Stage, names: tuple[str, ...], node: Node) -> None:
    scene = stage.scene
    key = _part(stage, names, node, "trigger", scene.triggers)
    if key is None:
        return
    table, name = key
    if scene.triggers[key].inherited:
        raise stage.fail(
            "2BP01",
            f"cannot drop trigger {name} on table {scene.relations[table].name}"
            f" because trigger {name} on its parent requires it",
        )
    del scene.triggers[key]
    for child in scene.descendants(table):
        below = scene.triggers.get((child.oid, name))
        if below is not None and below.inherited:
            del scene.triggers[child.oid, name]


_PARTS: dict[int, Callable[[Stage, tuple[str, ...], Node], None]] = {
    pb.OBJECT_TRIGGER: _drop_trigger,
    pb.OBJECT_POLICY: _drop_policy,
    pb.OBJECT_RULE: _drop_rule,
}


def _drop_schema(stage: Stage, name: str, node: Node, *, cascade: bool) -> None:
    scene = stage.scene
    if name not in scene.schemas:
        if node.missing_ok:
            return
        raise stage.fail("3F000", f'schema "{name}" does not exist', harmless=True)
    names = (*scene.relation_names, *scene.type_names, *scene.function_names)
    if any(schema == name for schema, _ in names) and not cascade:
        raise stage.fail("2BP01", f"cannot drop schema {name} because other objects depend on it")
    for relation in list(scene.relations.values()):
        if relation.schema == name and relation.oid in scene.relations:
            drop_relation(stage, relation, cascade=True)
    for function in list(scene.functions.values()):
        if function.schema == name:
            drop_users_of_function(stage, function.oid)
            scene.drop_function(function.oid)
    for made in list(scene.types.values()):
        if made.schema == name:
            drop_users_of_type(stage, made.oid)
            scene.types.pop(made.oid, None)
            scene.type_names.pop((made.schema, made.name), None)
    del scene.schemas[name]


def _drop_extensions(stage: Stage, names: tuple[str, ...], node: Node) -> None:
    for name in names:
        _drop_extension(stage, name, node, cascade=node.behavior == pb.DROP_CASCADE)


def _drop_extension(stage: Stage, name: str, node: Node, *, cascade: bool) -> None:
    scene = stage.scene
    if name not in scene.extensions:
        if node.missing_ok:
            return
        raise stage.fail("42704", f'extension "{name}" does not exist', harmless=True)
    parts = [one for one in scene.functions.values() if one.extension == name]
    used = [user for one in parts for user in users_of_function(stage, one.oid)]
    types = [one for one in scene.types.values() if one.extension == name]
    used = [one for one in used if not one.startswith("function")]
    used += [
        user
        for one in types
        for user in users_of_type(stage, one.oid)
        if not user.startswith(("function", "type"))
    ]
    if used and not cascade:
        raise stage.fail(
            "2BP01", f"cannot drop extension {name} because other objects depend on it: {used[0]}"
        )
    for made in types:
        drop_users_of_type(stage, made.oid)
        scene.types.pop(made.oid, None)
        scene.type_names.pop((made.schema, made.name), None)
    for function in parts:
        drop_users_of_function(stage, function.oid)
        scene.drop_function(function.oid)
    for relation in [one for one in scene.relations.values() if one.extension == name]:
        drop_relation(stage, relation, cascade=cascade)
    del scene.extensions[name]
    scene.made_extensions = scene.made_extensions - {name}


_NAMED: dict[int, Callable[[Stage, tuple[str, ...], Node], None]] = {
    pb.OBJECT_EXTENSION: _drop_extensions,
    pb.OBJECT_PUBLICATION: drop_publication,
    pb.OBJECT_EVENT_TRIGGER: lambda *_: None,  # which there are is not read
}
