"""RENAME, SET SCHEMA, OWNER, COMMENT and GRANT, which all kinds of objects share. Pure."""

from collections.abc import Callable
from dataclasses import replace

from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.drops import RELATIONS, ROUTINES, find_routine
from pgwatch.migration.preflight.objects import Policy, Ref, Relation
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.renaming import named_type, retyped, schema_there
from pgwatch.migration.preflight.stage import Stage, literal, qualified
from pgwatch.migration.preflight.typenames import resolve


def set_schema(stage: Stage, node: Node) -> None:
    """ALTER … SET SCHEMA."""
    scene = stage.scene
    kind = node.object_type
    if kind in RELATIONS:
        relation = stage.relation(node.relation, missing_ok=node.missing_ok)
        if relation is None:
            return
        schema_there(stage, node.newschema)
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
        schema_there(stage, node.newschema)
        others = scene.functions_named(node.newschema, found.name)
        if found.schema != node.newschema and any(o.arguments == found.arguments for o in others):
            raise stage.fail(
                "42723", f'function {found.name} already exists in schema "{node.newschema}"'
            )
        scene.put_function(replace(found, schema=node.newschema, live=False))
    elif kind in (pb.OBJECT_TYPE, pb.OBJECT_DOMAIN):
        made = named_type(stage, node.object)
        schema_there(stage, node.newschema)
        retyped(stage, made, scene.put_type(replace(made, schema=node.newschema, live=False)))
    else:
        stage.note("what is moved to another schema here is not looked for")


def set_owner(stage: Stage, node: Node) -> None:
    """ALTER … OWNER TO."""
    stage.role(node.newowner)
    if node.HasField("relation") and node.object_type in RELATIONS:
        stage.relation(node.relation)
    else:
        _find(stage, node.object_type, node.object)


def _find(stage: Stage, kind: int, node: Node) -> None:
    """Fail where what a COMMENT or OWNER names is not there."""
    if kind in ROUTINES:
        find_routine(stage, opened(node)[1], kind)
    elif kind in RELATIONS:
        _find_relation(stage, kind, node)
    elif kind in _FINDERS:
        _FINDERS[kind](stage, node)


def _find_relation(stage: Stage, kind: int, node: Node) -> None:
    schema, name = qualified(opened(node)[1].items)
    found = stage.named(schema, name)
    kinds, words = RELATIONS[kind]
    if found is not None and found.kind not in kinds:
        article = "an" if words[0] in "aeiou" else "a"
        raise stage.fail("42809", f'"{name}" is not {article} {words}')


def _find_type(stage: Stage, node: Node) -> None:
    shape, value = opened(node)
    if shape == "type_name":
        resolve(stage, value)
    else:
        named_type(stage, node)


def _find_schema(stage: Stage, node: Node) -> None:
    schema_there(stage, node.string.sval)


def _find_extension(stage: Stage, node: Node) -> None:
    name = node.string.sval
    if name not in stage.scene.extensions:
        raise stage.fail("42704", f'extension "{name}" does not exist')


def _find_database(stage: Stage, node: Node) -> None:
    _database_there(stage, node.string.sval)


def _database_there(stage: Stage, name: str) -> None:
    if name == stage.facts.database:
        return
    answer = stage.oracle.value(
        f"SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {literal(name)})"  # noqa: S608 - quoted
    )
    if answer is False:
        raise stage.fail("3D000", f'database "{name}" does not exist')


def _check_domain(stage: Stage, node: Node) -> None:
    kind, value = opened(node)
    name = strings(value.names if kind == "type_name" else value.items)[-1]
    found = stage.scene.find_type("", name)
    if found is not None and found.kind != "d":
        raise stage.fail("42809", f'"{name}" is not a domain')


def _table_of(stage: Stage, node: Node) -> tuple[Relation, str]:
    """Return the table and the name of one of its parts."""
    *schema, table_name, name = strings(opened(node)[1].items)
    table = stage.named(schema[-1] if schema else "", table_name)
    assert table is not None
    return table, name


def _find_column(stage: Stage, node: Node) -> None:
    stage.column(*_table_of(stage, node))


def _find_constraint(stage: Stage, node: Node) -> None:
    table, name = _table_of(stage, node)
    if (table.oid, name) not in stage.scene.constraints:
        raise stage.fail("42704", f'constraint "{name}" for table "{table.name}" does not exist')


def _find_trigger(stage: Stage, node: Node) -> None:
    table, name = _table_of(stage, node)
    if (table.oid, name) not in stage.scene.triggers:
        raise stage.fail("42704", f'trigger "{name}" for table "{table.name}" does not exist')


def _find_policy(stage: Stage, node: Node) -> None:
    table, name = _table_of(stage, node)
    if (table.oid, name) not in stage.scene.policies:
        raise stage.fail("42704", f'policy "{name}" for table "{table.name}" does not exist')


_FINDERS: dict[int, Callable[[Stage, Node], None]] = {
    pb.OBJECT_COLUMN: _find_column,
    pb.OBJECT_TABCONSTRAINT: _find_constraint,
    pb.OBJECT_TRIGGER: _find_trigger,
    pb.OBJECT_POLICY: _find_policy,
    pb.OBJECT_TYPE: _find_type,
    pb.OBJECT_DOMAIN: _find_type,
    pb.OBJECT_SCHEMA: _find_schema,
    pb.OBJECT_EXTENSION: _find_extension,
    pb.OBJECT_DATABASE: _find_database,
}


def comment(stage: Stage, node: Node) -> None:
    """COMMENT ON."""
    if node.objtype == pb.OBJECT_DATABASE:
        return  # of one that is not there the server warns
    if node.objtype == pb.OBJECT_DOMAIN:
        _check_domain(stage, node.object)
    _find(stage, node.objtype, node.object)


def grant(stage: Stage, node: Node) -> None:
    """GRANT and REVOKE on objects."""
    if node.targtype == pb.ACL_TARGET_OBJECT:
        for item in node.objects:
            _granted(stage, node.objtype, item)
    elif node.targtype == pb.ACL_TARGET_ALL_IN_SCHEMA:
        for item in node.objects:
            schema_there(stage, item.string.sval)
    for item in node.grantees:
        stage.role(item.role_spec)
    for item in node.privileges:
        for name in strings(item.access_priv.cols):
            table = stage.relation(node.objects[0].range_var)
            if table is not None:
                stage.column(table, name)


def _granted(stage: Stage, kind: int, item: Node) -> None:
    shape, value = opened(item)
    if shape == "range_var":
        found = stage.relation(value)
        if kind == pb.OBJECT_SEQUENCE and found is not None and found.kind != "S":
            raise stage.fail("42809", f'"{found.name}" is not a sequence')
    elif kind in ROUTINES:
        find_routine(stage, value, kind)
    elif kind == pb.OBJECT_SCHEMA:
        schema_there(stage, value.sval)


def default_privileges(stage: Stage, node: Node) -> None:
    """ALTER DEFAULT PRIVILEGES: its roles and schemas."""
    for item in node.options:
        for one in item.def_elem.arg.list.items:
            if one.HasField("role_spec"):
                stage.role(one.role_spec)
            elif one.HasField("string"):
                schema_there(stage, one.string.sval)
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


def alter_role(stage: Stage, node: Node) -> None:
    """ALTER ROLE, also of its settings."""
    stage.role(node.role)


def alter_database(stage: Stage, node: Node) -> None:
    """ALTER DATABASE, also of its settings."""
    _database_there(stage, node.dbname)


def drop_role(stage: Stage, node: Node) -> None:
    """DROP ROLE."""
    for item in node.roles:
        name = item.role_spec.rolename
        if name not in stage.scene.roles and not node.missing_ok:
            raise stage.fail("42704", f'role "{name}" does not exist', harmless=True)
        stage.scene.roles = stage.scene.roles - {name}
