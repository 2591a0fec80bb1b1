"""RENAME, SET SCHEMA, OWNER, COMMENT and GRANT, which all kinds of objects share. Pure."""

from dataclasses import replace

from pgwatch.migration.parse import Node, opened, pb, strings
from pgwatch.migration.preflight.drops import RELATIONS, ROUTINES, find_routine
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.renaming import named_type, retyped, schema_there
from pgwatch.migration.preflight.scene import Policy, Ref
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
            named_type(stage, node)
    elif kind == pb.OBJECT_SCHEMA:
        schema_there(stage, value.sval)
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
    if table is not None:
        stage.column(table, name)


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


def drop_role(stage: Stage, node: Node) -> None:
    """DROP ROLE."""
    for item in node.roles:
        name = item.role_spec.rolename
        if name not in stage.scene.roles and not node.missing_ok:
            raise stage.fail("42704", f'role "{name}" does not exist', harmless=True)
        stage.scene.roles = stage.scene.roles - {name}
